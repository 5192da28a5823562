// Tries: to fill the process table with orphans that have ended, one after the other.
// Stopped by: PID 1 takes in the dead while a program runs, and not only when it is over. It shares the program's CPU, so a
// program that makes them without a pause can be ahead of it; this one makes a thousand a second at most.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int parents = 0;
    for (; parents < 500; parents++) {
        pid_t parent = fork();
        if (parent < 0) break;
        if (parent == 0) {
            // The orphan ends at once; its own parent doesn't wait for it.
            pid_t orphan = fork();
            _exit(orphan < 0);
        }
        int status;
        waitpid(parent, &status, 0);
        if (status != 0) break;
        usleep(1000);
    }
    printf("%d\n", parents);
    return 0;
}
