public class Main {
    public static void main(String[] args) {
        int[] three = {1, 2, 3};
        System.out.println(three[3]);
    }
}
