#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    for (int children = 0; children < 1000; children++) {
        pid_t child = fork();
        if (child < 0) {
            puts("refused");
            return 0;
        }
        if (child == 0) {
            signal(SIGTERM, SIG_IGN);
            signal(SIGHUP, SIG_IGN);
            setsid();
            for (;;) pause();
        }
    }
    puts("no limit");
    return 0;
}
