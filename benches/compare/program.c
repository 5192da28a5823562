// The smallest program there is to run, and the programs that time is measured with. Static, so that it is the same in every
// image and on the host.
//
//   program            returns 0
//   program spin N     always the same work, N rounds of it
//   program burn       works for ever
//   program fork       becomes more and more processes
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 2) return 0;
    if (!strcmp(argv[1], "spin") && argc > 2) {
        unsigned long long state = 1;
        for (long round = atol(argv[2]); round > 0; round--)
            // Knuth's MMIX generator: each step needs the one before it.
            for (int step = 0; step < 1000; step++) state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        // Or the compiler would see that nobody wants it.
        volatile unsigned long long wanted = state;
        (void)wanted;
        return 0;
    }
    if (!strcmp(argv[1], "burn"))
        for (volatile unsigned long long turns = 0;; turns++) continue;
    if (!strcmp(argv[1], "fork"))
        for (;;) fork();
    return 99;
}
