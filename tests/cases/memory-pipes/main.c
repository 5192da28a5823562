// Tries: to take the kernel's memory with full pipes that nobody reads, in many processes.
// Stopped by: pipes are charged to the container.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void fill_pipes(void) {
    static char block[4096];
    int ends[2];
    while (pipe2(ends, O_NONBLOCK) == 0) {
        while (write(ends[1], block, sizeof block) > 0) {}
    }
}

int main(int count, char **arguments) {
    (void)arguments;
    if (count == 1) {
        for (int children = 0; children < 30; children++) {
            if (fork() == 0) {
                fill_pipes();
                for (;;) pause();
            }
        }
        fill_pipes();
        sleep(5);
    }
    puts("calm");
    return 0;
}
