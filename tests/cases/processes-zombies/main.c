// Tries: to fill the process table with the dead: children that are never waited for, then their orphans.
// Stopped by: the pids limit counts the dead as well, and PID 1 reaps all of them.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int dead = 0;
    for (pid_t child; (child = fork()) >= 0; dead++) {
        if (child == 0) _exit(7);
    }
    printf("%d\n", dead);
    return 0;
}
