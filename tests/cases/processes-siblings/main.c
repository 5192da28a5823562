// Tries: to make PID 1 take the wrong process for the program: children that PID 1 gets as its own (CLONE_PARENT), and
// orphans, end with other exit codes and signals first. Stopped by: PID 1 waits for the one process that it started.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    for (int round = 0; round < 10; round++) {
        if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) _exit(round);
        if (fork() == 0) {
            if (fork() == 0) {
                usleep(1000);
                raise(round % 2 ? SIGKILL : SIGSEGV);
            }
            _exit(0);
        }
    }
    usleep(50000);
    puts("mine");
    return 0;
}
