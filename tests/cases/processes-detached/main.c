// Tries: to outlive its test with processes that have their own sessions, ignore every polite signal and have lost
// their parents, up to the limit of processes. Stopped by: the pids limit, and the sweep after every test.
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void stay(void) {
    for (int number = 1; number < 32; number++) signal(number, SIG_IGN);
    setsid();
    for (;;) pause();
}

int main(void) {
    for (int started = 0; started < 1000; started++) {
        pid_t child = fork();
        if (child < 0) {
            puts("refused");
            return 0;
        }
        if (child == 0) {
            // The second fork leaves a daemon whose parent is PID 1.
            pid_t daemon = fork();
            if (daemon == 0) stay();
            _exit(daemon < 0);
        }
        int status;
        if (waitpid(child, &status, 0) == child && status != 0) {
            puts("refused");
            return 0;
        }
    }
    puts("no limit");
    return 0;
}
