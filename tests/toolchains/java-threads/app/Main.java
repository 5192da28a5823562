package app;

import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

public class Main {
    public static void main(String[] args) throws Exception {
        // A queue between platform threads.
        var queue = new ArrayBlockingQueue<Integer>(10);
        var sum = new LongAdder();
        var consumers = IntStream.range(0, 4).mapToObj(i -> Thread.ofPlatform().start(() -> {
            try {
                for (int item = queue.take(); item >= 0; item = queue.take()) sum.add(item);
                queue.put(-1);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        })).toList();
        for (int i = 1; i <= 5000; i++) queue.put(i);
        queue.put(-1);
        for (var consumer : consumers) consumer.join();
        System.out.println(sum);

        // Ten thousand virtual threads that all wait at the same time.
        try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            var gate = new CountDownLatch(1);
            var waiting = IntStream.range(0, 10_000).mapToObj(i -> executor.submit(() -> {
                gate.await();
                return i;
            })).toList();
            gate.countDown();
            long total = 0;
            for (var future : waiting) total += future.get();
            System.out.println(total);
        }

        // The common pool, and one of our own.
        System.out.println(LongStream.rangeClosed(1, 1_000_000).parallel().filter(n -> n % 3 == 0).sum());
        var counts = new ConcurrentHashMap<Integer, AtomicInteger>();
        IntStream.range(0, 10_000).parallel()
                .forEach(n -> counts.computeIfAbsent(n % 10, key -> new AtomicInteger()).incrementAndGet());
        System.out.println(counts.values().stream().allMatch(count -> count.get() == 1000));
        try (var pool = new ForkJoinPool(4)) {
            System.out.println(pool.invoke(new Fibonacci(20)));
        }

        var combined = CompletableFuture.supplyAsync(() -> 6).thenCombine(CompletableFuture.supplyAsync(() -> 7), (a, b) -> a * b);
        System.out.println(combined.get(10, TimeUnit.SECONDS));
        try {
            CompletableFuture.supplyAsync(() -> 1 / Integer.parseInt("0")).get();
        } catch (ExecutionException e) {
            System.out.println(e.getCause().getMessage());
        }

        var lock = new ReentrantReadWriteLock();
        var barrier = new CyclicBarrier(3);
        var passed = new AtomicInteger();
        var threads = List.of(1, 2, 3).stream().map(i -> new Thread(null, () -> {
            try {
                barrier.await();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
            lock.writeLock().lock();
            passed.addAndGet(i);
            lock.writeLock().unlock();
        }, "t" + i, 1 << 26)).toList();
        threads.forEach(Thread::start);
        for (var thread : threads) thread.join();
        System.out.println(passed);

        var sleeper = Thread.startVirtualThread(() -> {
            try {
                Thread.sleep(60_000);
            } catch (InterruptedException e) {
                System.out.println("interrupted");
            }
        });
        sleeper.interrupt();
        sleeper.join();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("shut down")));
    }
}
