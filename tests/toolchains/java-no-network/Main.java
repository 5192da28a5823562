import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;

public class Main {
    interface Call {
        Object run() throws Exception;
    }

    static void see(String name, Call call) {
        try {
            System.out.println(name + ": works, " + call.run());
        } catch (Throwable e) {
            System.out.println(name + ": " + e);
        }
    }

    public static void main(String[] args) {
        see("Socket", () -> new Socket("127.0.0.1", 80));
        see("ServerSocket", () -> new ServerSocket(0));
        see("DatagramSocket", () -> new DatagramSocket());
        see("SocketChannel", () -> SocketChannel.open());
        see("Selector", () -> Selector.open().isOpen());
        see("getByName", () -> InetAddress.getByName("example.org"));
        see("getLocalHost", () -> InetAddress.getLocalHost());
        see("getLoopbackAddress", () -> InetAddress.getLoopbackAddress());
        see("NetworkInterface", () -> NetworkInterface.getNetworkInterfaces());
        see("HttpClient", () -> HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(URI.create("http://example.org")).build(), HttpResponse.BodyHandlers.ofString()));
    }
}
