// Tries: to take the kernel's memory with empty files: none has a byte, all together are more than the limit.
// Stopped by: inodes are charged to the container, and there are only so many of them.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// The loop's code and its names are locked in memory and it calls nothing but the kernel: otherwise the kernel finds
// something to take away and read again (the program itself) for as long as one lets it, before it kills.
static char names[3][256] __attribute__((aligned(4096))) = {"/box/", "/tmp/", "/dev/shm/"};

__attribute__((noinline, aligned(4096))) static void fill(char *name, int end) {
    for (int number = 0; number < 1 << 14; number++) {
        for (int digit = 0, rest = number; digit < 5; digit++, rest /= 10) name[end + digit] = '0' + rest % 10;
        long made;
#ifdef __x86_64__
        __asm__ volatile("syscall" : "=a"(made) : "a"(SYS_mknod), "D"(name), "S"(0100600), "d"(0) : "rcx", "r11", "memory");
#else
        made = syscall(SYS_mknodat, AT_FDCWD, name, 0100600, 0);
#endif
        if (made < 0) break;
    }
}

int main(int count, char **arguments) {
    (void)arguments;
    if (count == 1) {
        const int ends[] = {5, 5, 9};
        mlock(names, sizeof names);
        mlock((void *)fill, 4096);
        mlock(__builtin_frame_address(0), 4096);
        for (int place = 0; place < 3; place++) {
            // A long name doesn't fit into the directory entry and costs memory of its own.
            for (int at = ends[place] + 5; at < 200; at++) names[place][at] = 'x';
            fill(names[place], ends[place]);
        }
    }
    puts("calm");
    return 0;
}
