// Tries: to spread the memory over many small children, lets the kernel kill some of them, prints the right answer and
// exits with 0. Stopped by: the container's memory counts, and a kill among the children is the test's verdict.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)arguments;
    if (count == 1) {
        for (int children = 0; children < 40; children++) {
            if (fork() == 0) {
                volatile char *mine = malloc(4 << 20);
                for (int at = 0; at < 4 << 20; at += 4096) mine[at] = 1;
                for (;;) pause();
            }
        }
        int status;
        do wait(&status);
        while (!WIFSIGNALED(status));
    }
    puts("calm");
    return 0;
}
