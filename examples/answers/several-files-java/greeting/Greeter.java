package greeting;

class Greeter {
    private final String name;

    Greeter(String name) {
        this.name = name;
    }

    String greet() {
        return "hello, " + name;
    }
}
