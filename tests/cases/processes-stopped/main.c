// Tries: to stop itself and its children, so that nothing ends and nothing runs.
// Stopped by: a stopped program is no ended one; SIGKILL ends it at the wall time.
#include <signal.h>
#include <unistd.h>

int main(void) {
    for (int children = 0; children < 8; children++) {
        if (fork() == 0) {
            setsid();
            raise(SIGSTOP);
        }
    }
    raise(SIGSTOP);
    return 0;
}
