import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;

// Tries: the metadata service, a name, a datagram, a listening port. Stopped by: there is no network to use.
public class Main {
    private interface Attempt {
        void run() throws IOException;
    }

    private static void attempt(String name, Attempt attempt) {
        try {
            attempt.run();
            System.out.println("reached: " + name);
        } catch (IOException refused) {
            // As it should be.
        }
    }

    public static void main(String[] arguments) {
        attempt("metadata", () -> new Socket().connect(new InetSocketAddress("169.254.169.254", 80), 2000));
        attempt("name", () -> InetAddress.getByName("example.com"));
        attempt("datagram", () -> new DatagramSocket().send(new DatagramPacket(new byte[1], 1, InetAddress.getByName("192.0.2.1"), 53)));
        attempt("port", () -> new ServerSocket(8080));
        System.out.println("ok");
    }
}
