// Tries: to use terminals: looks for those of others, makes a stream its terminal, and makes pairs of its own until the
// host's number of them (kernel.pty.max) is used up. Stopped by: there are none, and the device that makes them is closed.
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
    const char *makers[] = {"/dev/ptmx", "/dev/pts/ptmx"};
    const int modes[] = {O_RDWR, O_RDONLY, O_WRONLY};
    for (int maker = 0; maker < 2; maker++)
        for (int mode = 0; mode < 3; mode++)
            if (open(makers[maker], modes[mode] | O_NOCTTY) >= 0) printf("%s makes terminals\n", makers[maker]);
    puts("ok");
    return 0;
}
