#include <omp.h>
#include <stdio.h>

int main(void) {
    enum { N = 2000000 };
    double sum = 0;
    int threads = 0;
#pragma omp parallel for reduction(+ : sum) schedule(dynamic, 1000)
    for (int i = 0; i < N; i++) {
        double x = (i + 0.5) / N;
        sum += 4 / (1 + x * x) / N;
    }
#pragma omp parallel num_threads(4)
#pragma omp critical
    threads++;
    printf("%.9f %d\n", sum, threads);
    long tasks = 0;
#pragma omp parallel
#pragma omp single
    for (int i = 0; i < 100; i++)
#pragma omp task shared(tasks)
    {
#pragma omp atomic
        tasks += i;
    }
    printf("%ld\n", tasks);
    return 0;
}
