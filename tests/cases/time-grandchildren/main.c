// Tries: to burn CPU time where its own account doesn't show it: in grandchildren, with SIGCHLD ignored so that their
// times are added to nobody. Stopped by: the CPU time is the container's, not the program's.
#include <signal.h>
#include <unistd.h>

int main(void) {
    signal(SIGCHLD, SIG_IGN);
    for (int children = 0; children < 4; children++) {
        if (fork() == 0) {
            if (fork() == 0) {
                setsid();
                for (;;) {}
            }
            _exit(0);
        }
    }
    for (;;) pause();
}
