// Tries: to take memory that belongs to no process: files that exist only in memory. The kernel then kills whoever has
// the most of its own, which is PID 1 beside a tiny program. Stopped by: the program's oom score is the highest there is.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)arguments;
    static char block[1 << 16];
    if (count == 1) {
        int memory = memfd_create("hog", 0);
        memset(block, 'x', sizeof block);
        for (int written = 0; written < 1 << 14; written++) {
            if (write(memory, block, sizeof block) < 0) memory = memfd_create("hog", 0);
        }
    }
    puts("calm");
    return 0;
}
