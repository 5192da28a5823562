package app;

import java.util.concurrent.RecursiveTask;

final class Fibonacci extends RecursiveTask<Integer> {
    private final int n;

    Fibonacci(int n) {
        this.n = n;
    }

    @Override
    protected Integer compute() {
        if (n < 2) return n;
        var left = new Fibonacci(n - 1);
        left.fork();
        return new Fibonacci(n - 2).compute() + left.join();
    }
}
