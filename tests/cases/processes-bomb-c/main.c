// Tries: to drown the machine in processes that all fork for ever.
// Stopped by: the pids limit; the bomb burns its own CPU time. The second test is run in its ruins.
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)arguments;
    if (count > 1) {
        puts("calm");
        return 0;
    }
    for (;;) {
        fork();
        setsid();
    }
}
