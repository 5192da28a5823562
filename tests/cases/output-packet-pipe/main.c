// Tries: to confuse the reader of its output by changing the pipe itself: packets instead of a stream, another size,
// signals to PID 1 at each change, no blocking. Stopped by: none of it reaches more than the program's own pipe.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(void) {
    for (int stream = 1; stream < 3; stream++) {
        fcntl(stream, F_SETPIPE_SZ, 4096);
        fcntl(stream, F_SETSIG, SIGKILL);
        fcntl(stream, F_SETOWN, 1);
        fcntl(stream, F_SETFL, O_DIRECT | O_ASYNC);
    }
    for (int count = 0; count < 3000; count++) {
        if (write(1, "x\n", 2) != 2) return 1;
    }
    fcntl(1, F_SETPIPE_SZ, 1 << 20);
    return 0;
}
