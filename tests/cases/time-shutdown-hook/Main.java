// Tries: to go on after its end: main returns, but a hook that runs at the end never does.
// Stopped by: the program has ended when its process has; the CPU time runs on.
public class Main {
    public static void main(String[] arguments) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            for (;;) {
                Math.sqrt(2);
            }
        }));
        System.out.println("done");
    }
}
