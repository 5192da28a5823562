package shop;

import java.util.List;

public record Order(String number, List<Item> items) {
    public int total() {
        return items.stream().mapToInt(Item::price).sum();
    }
}
