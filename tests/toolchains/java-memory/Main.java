import java.nio.ByteBuffer;
import java.util.ArrayList;

public class Main {
    public static void main(String[] args) {
        switch (args[0]) {
            case "heap" -> {
                var blocks = new ArrayList<byte[]>();
                for (int i = 0; i < 140; i++) {
                    var block = new byte[1 << 20];
                    java.util.Arrays.fill(block, (byte) 1);
                    blocks.add(block);
                }
                System.out.println(blocks.size());
            }
            case "garbage" -> {
                long total = 0;
                for (int i = 0; i < 5_000; i++) total += new byte[1 << 20].length;
                System.out.println(total >> 20);
            }
            case "direct" -> {
                var buffer = ByteBuffer.allocateDirect(100 << 20);
                for (int i = 0; i < buffer.capacity(); i += 4096) buffer.put(i, (byte) 1);
                System.out.println(buffer.capacity() >> 20);
            }
            case "deep" -> {
                try {
                    System.out.println(depth(1) > 0);
                } catch (StackOverflowError e) {
                    System.out.println("overflow caught");
                }
            }
            default -> {
                var blocks = new ArrayList<byte[]>();
                for (;;) {
                    var block = new byte[1 << 20];
                    java.util.Arrays.fill(block, (byte) 1);
                    blocks.add(block);
                }
            }
        }
    }

    static int depth(int level) {
        return depth(level + 1) + 1;
    }
}
