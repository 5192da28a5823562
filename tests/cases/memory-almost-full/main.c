// Tries: to be taken for a program without memory: it fills nearly all of it, and reads files of the image meanwhile, more than
// what is left holds, which the kernel takes back behind it.
// Stopped by: nothing, for it fits. Its own pages stay, and files are only read, not run.
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT = 54 << 20, ROUNDS = 3 };

int main(void) {
    unsigned char *kept = malloc(KEPT);
    static char chunk[1 << 16];
    memset(kept, 7, KEPT);
    glob_t found;
    glob("/usr/lib/x86_64-linux-gnu/*.so*", 0, NULL, &found);
    unsigned long sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            int file = open(found.gl_pathv[i], O_RDONLY);
            for (ssize_t length; (length = read(file, chunk, sizeof chunk)) > 0;) sum += chunk[length - 1] != 0;
            close(file);
        }
        for (size_t i = 0; i < KEPT; i += 4096) sum += kept[i] == 7;
    }
    puts(sum >= (unsigned long)ROUNDS * (KEPT / 4096) ? "fits" : "lost");
    return 0;
}
