// Tries: to flood both streams at once from several processes. Stopped by: reading stops at the limit, and the test ends.
#include <string.h>
#include <unistd.h>

int main(void) {
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    for (int children = 0; children < 4; children++) fork();
    for (int stream = 1;; stream = 3 - stream) {
        if (write(stream, block, sizeof block) < 0) return 1;
    }
}
