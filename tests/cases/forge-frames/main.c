// Tries: to speak to the worker in PID 1's own language, on every descriptor there could be: frames that say that the
// program ended well, for every kind of frame, in either byte order. Then it crashes.
// Stopped by: a program has three descriptors, and what it writes there arrives inside frames.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    int reached = 0;
    for (int descriptor = 0; descriptor <= 1024; descriptor++) {
        for (int kind = 0; kind < 256; kind++) {
            for (int order = 0; order < 2; order++) {
                unsigned char frame[69] = {0};
                frame[order ? 3 : 0] = 64;
                frame[4] = kind;
                ssize_t written = write(descriptor, frame, sizeof frame);
                if (descriptor > 2 && written >= 0) reached++;
            }
        }
        if (descriptor > 2 && fcntl(descriptor, F_GETFD) >= 0) reached++;
    }
    return reached ? 99 : 3;
}
