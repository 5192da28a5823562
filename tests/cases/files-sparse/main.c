// Tries: to make files far larger than there is room: reserved, with holes, or grown by a mapping.
// Stopped by: the size of one file is limited, and room that is reserved is room that is used.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    const char *places[] = {"/box/sparse", "/tmp/sparse", "/dev/shm/sparse"};
    for (int place = 0; place < 3; place++) {
        int file = open(places[place], O_CREAT | O_EXCL | O_RDWR, 0600);
        if (file < 0) puts("left over");
        if (ftruncate(file, 1L << 40) == 0) puts("a hole of 1 TiB");
        if (fallocate(file, 0, 0, 1L << 32) == 0) puts("4 GiB reserved");
        if (fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 60 << 20) == 0) puts("60 MiB reserved");
        if (pwrite(file, "x", 1, 1L << 32) > 0) puts("a byte at 4 GiB");
        ftruncate(file, 30 << 20);
        if (copy_file_range(file, NULL, file, &(long){1L << 32}, 4096, 0) > 0) puts("copied to 4 GiB");
    }
    puts("ok");
    return 0;
}
