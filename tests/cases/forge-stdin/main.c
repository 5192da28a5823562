// Tries: to change the input that it was given, to ask for more of it than is its own, and to hold on to it.
// Stopped by: stdin is a sealed memory file with this test's input and nothing else.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if ((long)(call) != -1) printf("not refused: %s\n", #call);                                                    \
    } while (0)

int main(void) {
    REFUSED(write(0, "x", 1));
    REFUSED(ftruncate(0, 1 << 20));
    REFUSED(ftruncate(0, 0));
    REFUSED(fallocate(0, 0, 0, 1 << 20));
    REFUSED(fcntl(0, F_ADD_SEALS, F_SEAL_EXEC));
    REFUSED(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0));
    int again = open("/proc/self/fd/0", O_RDWR);
    if (again >= 0) REFUSED(write(again, "x", 1));
    struct stat stat;
    fstat(0, &stat);
    char line[100];
    if (fgets(line, sizeof line, stdin)) printf("%ld %s", (long)stat.st_size, line);
    return 0;
}
