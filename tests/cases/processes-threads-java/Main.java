// Tries: to use up every thread there is. Stopped by: the pids limit, which counts threads as well.
public class Main {
    public static void main(String[] arguments) {
        for (int started = 0; started < 10000; started++) {
            Thread thread = new Thread(null, Main::sleep, "sleeper", 64 << 10);
            thread.setDaemon(true);
            try {
                thread.start();
            } catch (OutOfMemoryError refused) {
                System.out.println("refused");
                Runtime.getRuntime().halt(0);
            }
        }
        System.out.println("no limit");
    }

    private static void sleep() {
        try {
            Thread.sleep(3_600_000);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
