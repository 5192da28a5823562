package greeting;

public class Program {
    public static void main(String[] args) {
        System.out.println(new Greeter("Caisson").greet());
    }
}
