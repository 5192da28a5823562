// Tries: to take memory as page tables: one read in every 2 MiB of a mapping that has no memory of its own, only the
// shared page of zeroes. Stopped by: page tables are charged to the container.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>

int main(int count, char **arguments) {
    (void)arguments;
    if (count == 1) {
        const unsigned long size = 1UL << 37, step = 1UL << 21;
        char *sparse = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        madvise(sparse, size, MADV_NOHUGEPAGE);
        volatile char sink = 0;
        for (unsigned long at = 0; at < size; at += step) sink += sparse[at];
    }
    puts("calm");
    return 0;
}
