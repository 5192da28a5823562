import java.util.Arrays;
import java.util.HashMap;

public class Main {
    static final int N = 5_000_000;

    // Hot enough for every compiler tier, with a loop that is replaced while it runs.
    static long sieve() {
        var composite = new boolean[N + 1];
        long sum = 0;
        for (int i = 2; i <= N; i++) {
            if (composite[i]) continue;
            sum += i;
            for (long j = (long) i * i; j <= N; j += i) composite[(int) j] = true;
        }
        return sum;
    }

    interface Step {
        long next(long value);
    }

    public static void main(String[] args) {
        System.out.println(sieve());
        Step[] steps = {value -> value * 31 + 7, value -> value ^ (value >>> 7), value -> Long.rotateLeft(value, 3)};
        long value = 1;
        for (int i = 0; i < 30_000_000; i++) value = steps[i % 3].next(value);
        System.out.println(value);
        var matrix = new double[300][300];
        for (var row : matrix) Arrays.fill(row, 0.5);
        var product = new double[300][300];
        for (int i = 0; i < 300; i++)
            for (int k = 0; k < 300; k++)
                for (int j = 0; j < 300; j++) product[i][j] += matrix[i][k] * matrix[k][j];
        System.out.println(product[299][299]);
        var counts = new HashMap<Integer, Integer>();
        for (int i = 0; i < 2_000_000; i++) counts.merge(i % 1000, 1, Integer::sum);
        System.out.println(counts.get(7));
    }
}
