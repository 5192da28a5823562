public class A {
    public static void main(String[] args) {
        System.out.println("the file");
    }
}
