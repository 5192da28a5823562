import java.nio.ByteBuffer;
import java.util.ArrayList;

// Tries: to take memory outside the heap, whose size the virtual machine watches. Stopped by: the container's memory.
public class Main {
    public static void main(String[] arguments) {
        if (arguments.length == 0) {
            var kept = new ArrayList<ByteBuffer>();
            for (int count = 0; count < 100; count++) {
                ByteBuffer buffer = ByteBuffer.allocateDirect(4 << 20);
                for (int at = 0; at < buffer.capacity(); at += 4096) {
                    buffer.put(at, (byte) 1);
                }
                kept.add(buffer);
            }
        }
        System.out.println("calm");
    }
}
