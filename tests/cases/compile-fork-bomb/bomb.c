// Tries: to burn the compile step's CPU time in ever more processes. Stopped by: the same limits as a program's.
#include <unistd.h>

int main(void) {
    for (;;) fork();
}
