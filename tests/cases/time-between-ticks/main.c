// Tries nothing: a program that sleeps a lot, and happens to run whenever the kernel's tick looks, so that the tick's
// account of its CPU time is many times the true one. It stays within every limit, and the tick must not judge it.
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>

static long now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

int main(void) {
    struct timespec tick;
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    long end = now(CLOCK_MONOTONIC) + 3500000000L;
    while (now(CLOCK_MONOTONIC) < end && now(CLOCK_PROCESS_CPUTIME_ID) < 700000000L) {
        // The coarse clock stands still between ticks.
        long last = now(CLOCK_MONOTONIC_COARSE);
        while (now(CLOCK_MONOTONIC_COARSE) == last && now(CLOCK_MONOTONIC) < end) {}
        for (long after = now(CLOCK_MONOTONIC) + 20000; now(CLOCK_MONOTONIC) < after;) {}
        struct timespec pause = {0, tick.tv_nsec - tick.tv_nsec / 5};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    puts("slept");
    return 0;
}
