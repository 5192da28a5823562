// Tries: to make the next test run out of memory: uses nearly all of its own for page tables, within the limit, and ends
// well. The kernel takes page tables back some time after their process is gone. Stopped by: the next test begins when
// the memory is there again.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int main(int count, char **arguments) {
    (void)arguments;
    if (count == 1) {
        const unsigned long size = 52UL << 29, step = 1UL << 21; // 52 MiB of page tables
        volatile char *sparse = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        madvise((void *)sparse, size, MADV_NOHUGEPAGE);
        char sink = 0;
        for (unsigned long at = 0; at < size; at += step) sink += sparse[at];
        printf("%d\n", sink);
    } else {
        volatile char *mine = malloc(40 << 20);
        for (int at = 0; at < 40 << 20; at += 4096) mine[at] = 1;
        puts("0");
    }
    return 0;
}
