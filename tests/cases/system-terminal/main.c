// Tries: to use terminals: opens a pair of its own, makes it its terminal, puts words into its input, looks for those of
// others. Stopped by: a pair of one's own reaches nobody else, and there are no others.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void) {
    DIR *terminals = opendir("/dev/pts");
    for (struct dirent *entry; terminals && (entry = readdir(terminals));) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "ptmx") != 0) printf("there is /dev/pts/%s\n", entry->d_name);
    }
    if (open("/dev/tty", O_RDWR) >= 0) puts("there is a terminal");
    if (open("/dev/console", O_RDWR) >= 0) puts("there is a console");
    for (int stream = 0; stream < 3; stream++) {
        if (isatty(stream)) printf("stream %d is a terminal\n", stream);
        if (ioctl(stream, TIOCSCTTY, 1) == 0) printf("stream %d became the terminal\n", stream);
        if (ioctl(stream, TIOCCONS) == 0) printf("stream %d became the console\n", stream);
    }
    // As many pairs as the descriptors allow; the next test must find none of them.
    for (int pairs = 0; pairs < 100; pairs++) {
        int pair = posix_openpt(O_RDWR | O_NOCTTY);
        if (pair < 0) break;
        unlockpt(pair);
        int end = open(ptsname(pair), O_RDWR | O_NOCTTY);
        if (end >= 0) write(end, "accepted\n", 9);
    }
    puts("ok");
    return 0;
}
