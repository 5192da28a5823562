import java.util.ArrayList;
import java.util.List;
import java.util.Random;

public class Main {
    static final class Node { // 32 bytes, and 16 of its Integer
        Node next;
        long value;
        Integer boxed;

        Node(Node next, int value) {
            this.next = next;
            this.value = value;
            this.boxed = value;
        }
    }

    static void nodes(int mebibytes) {
        var random = new Random(1);
        var heads = new Node[1000];
        for (int i = 0; i < (long) mebibytes * (1 << 20) / 48; i++) {
            heads[i % heads.length] = new Node(heads[i % heads.length], i + 1000);
        }
        for (int i = 0; i < 1_000_000; i++) {
            var garbage = new Node(null, i + 1000);
            if (i % 64 == 0) {
                int at = random.nextInt(heads.length);
                heads[at] = new Node(heads[at].next, (int) garbage.value);
            }
        }
    }

    static void arrays(int mebibytes) {
        var random = new Random(1);
        List<long[]> kept = new ArrayList<>();
        for (int i = 0; i < mebibytes * 4; i++) {
            kept.add(new long[32 * 1024]);
        }
        for (int i = 0; i < 4000; i++) {
            var garbage = new long[32 * 1024];
            if (i % 8 == 0) {
                kept.set(random.nextInt(kept.size()), garbage);
            }
        }
    }

    static void growNodes() {
        Node head = null;
        for (int i = 0;; i++) {
            head = new Node(head, i + 1000);
        }
    }

    static void growArrays() {
        List<long[]> kept = new ArrayList<>();
        for (;;) {
            kept.add(new long[32 * 1024]);
        }
    }

    public static void main(String[] args) throws InterruptedException {
        int mebibytes = Integer.parseInt(args[1]);
        switch (args[0]) {
            case "nodes" -> nodes(mebibytes);
            case "arrays" -> arrays(mebibytes);
            case "grow-nodes" -> growNodes();
            case "grow-arrays" -> growArrays();
            case "at-once" -> System.out.println(new long[1 << 28].length);
            case "in-thread" -> { // The program ends with 0, without its output.
                var thread = new Thread(() -> {
                    growArrays();
                    System.out.println("done");
                }, "worker");
                thread.start();
                thread.join();
                return;
            }
            case "waited-for" -> { // Nobody opens the latch; the wall time ends it.
                var latch = new java.util.concurrent.CountDownLatch(1);
                new Thread(() -> {
                    growArrays();
                    latch.countDown();
                }).start();
                latch.await(20, java.util.concurrent.TimeUnit.SECONDS);
                System.exit(1);
            }
            case "caught" -> {
                try {
                    growArrays();
                } catch (OutOfMemoryError error) {
                    error.printStackTrace();
                }
            }
            case "words" -> {
                System.err.println("Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space");
                System.exit(7);
            }
        }
        System.out.println("done");
    }
}
