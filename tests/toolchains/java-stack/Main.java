public class Main {
    static int down(int n) {
        return down(n + 1) + 1;
    }

    static void attempt(String where) {
        try {
            down(0);
        } catch (Throwable overflow) {
            System.out.println(where + " " + overflow.getClass().getSimpleName());
        }
    }

    public static void main(String[] args) throws InterruptedException {
        attempt("main");
        var thread = new Thread(() -> attempt("thread"));
        thread.start();
        thread.join();
    }
}
