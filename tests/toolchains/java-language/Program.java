import java.util.List;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

import shop.Item;
import shop.Order;

public class Program {
    sealed interface Shape permits Circle, Square, Group {}
    record Circle(double radius) implements Shape {}
    record Square(double side) implements Shape {}
    record Group(List<Shape> shapes) implements Shape {}

    static double area(Shape shape) {
        return switch (shape) {
            case Circle(double radius) when radius < 0 -> throw new IllegalArgumentException("radius " + radius);
            case Circle(var radius) -> Math.PI * radius * radius;
            case Square square -> square.side() * square.side();
            case Group(var shapes) -> shapes.stream().mapToDouble(Program::area).sum();
        };
    }

    enum Level { LOW, HIGH }

    @FunctionalInterface
    interface Twice<T> extends Function<T, T> {
        default T twice(T value) {
            return apply(apply(value));
        }
    }

    public static void main(String... args) throws Exception {
        System.out.printf("%.3f%n", area(new Group(List.of(new Circle(1), new Square(2), new Group(List.of())))));
        try {
            area(new Circle(-1));
        } catch (IllegalArgumentException e) {
            System.out.println(e.getMessage());
        }
        Object thing = List.of(1, "two", 3L);
        if (thing instanceof List<?> list && list.get(1) instanceof String text) System.out.println(text + list.size());
        System.out.println("""
                a text \
                block with "quotes"\
                """);
        Twice<Integer> plus = n -> n + 1;
        System.out.println(plus.twice(40) + " " + Level.valueOf("HIGH").ordinal());
        var order = new Order("A-1", List.of(new Item("pen", 2), new Item("ink", 5), new Item("pad", 2)));
        System.out.println(order + " " + order.total());
        var byPrice = order.items().stream().collect(
                Collectors.groupingBy(Item::price, TreeMap::new, Collectors.mapping(Item::name, Collectors.joining("+"))));
        System.out.println(byPrice);
        // Reflection, and a class that is loaded by name.
        var type = Class.forName("shop.Item");
        System.out.println(type.getRecordComponents().length + " " + type.getDeclaredConstructors()[0].newInstance("cup", 1));
    }
}
