// Tries: to keep PID 1 busy with a byte at a time, each with a wakeup of its own, so that the work of reading them
// counts for the program or delays the watch. Stopped by: the limit of output; PID 1's own time isn't the program's.
#include <unistd.h>

int main(void) {
    for (;;) {
        if (write(2, "x", 1) < 0) return 1;
    }
}
