import java.nio.file.Files;
import java.nio.file.Path;

public class Main {
    public static void main(String[] args) throws java.io.IOException {
        System.out.println("hi from " + Helper.NAME);
        System.out.println(Files.readString(Path.of(".caisson-run")).strip());
    }
}
