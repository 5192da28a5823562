import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Scanner;
import java.util.concurrent.TimeUnit;

public class Main {
    public static void main(String[] args) throws Exception {
        processes();
        files();
        sockets();
        var in = new Scanner(System.in);
        System.out.println(in.nextInt() + in.nextInt() + " " + in.next());
    }

    static void processes() throws Exception {
        var process = new ProcessBuilder("sort", "-r").redirectErrorStream(true).start();
        try (var to = process.outputWriter()) {
            to.write("a\nb\n");
        }
        System.out.println(process.inputReader().readLine() + " " + process.waitFor());
        System.out.println(Runtime.getRuntime().exec(new String[] {"sh", "-c", "exit 3"}).waitFor());
        var sleeping = new ProcessBuilder("sleep", "60").start();
        System.out.println(sleeping.waitFor(20, TimeUnit.MILLISECONDS) + " " + sleeping.isAlive());
        sleeping.destroy();
        System.out.println(sleeping.waitFor() + " " + (ProcessHandle.current().pid() > 1));
        new ProcessBuilder("echo", "inherited").inheritIO().start().waitFor();
        try {
            new ProcessBuilder("missing-program").start();
        } catch (IOException e) {
            System.out.println(e.getMessage());
        }
    }

    static void files() throws Exception {
        var folder = Files.createTempDirectory("work");
        var file = folder.resolve("данные.txt");
        Files.writeString(file, "line 1\nline 2\n");
        try (var lines = Files.lines(file)) {
            System.out.println(lines.count() + " " + Files.size(file));
        }
        try (var channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            var lock = channel.lock();
            var mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, channel.size());
            mapped.put(0, (byte) 'L');
            mapped.force();
            lock.release();
        }
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        System.out.println(Files.readAllLines(file).getFirst() + " " + PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        try (var watcher = folder.getFileSystem().newWatchService()) {
            folder.register(watcher, StandardWatchEventKinds.ENTRY_CREATE);
            Files.createSymbolicLink(folder.resolve("link"), file);
            System.out.println(watcher.poll(10, TimeUnit.SECONDS).pollEvents().getFirst().context());
        }
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) throws IOException {
                Files.delete(path);
                return FileVisitResult.CONTINUE;
            }
        });
        System.out.println(Files.deleteIfExists(folder) + " " + Path.of("").toAbsolutePath());
    }

    static void sockets() throws Exception {
        var address = UnixDomainSocketAddress.of("/tmp/socket");
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(address);
            var thread = Thread.ofPlatform().start(() -> {
                try (var client = server.accept()) {
                    var buffer = ByteBuffer.allocate(100);
                    client.read(buffer);
                    client.write(buffer.flip());
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            });
            try (var client = SocketChannel.open(address)) {
                client.write(ByteBuffer.wrap("echo".getBytes()));
                System.out.println(client.read(ByteBuffer.allocate(100)));
            }
            thread.join();
        }
    }
}
