// Tries: to get around the filter with the system calls of another kind of program: the 32-bit table (int 0x80) and the
// x32 table, where numbers mean other calls. Stopped by: whoever uses them is killed. The third test uses its own table.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments) {
    const char *table = count > 1 ? arguments[1] : "";
#ifdef __x86_64__
    long answer = 0;
    if (strcmp(table, "i386") == 0) {
        // unshare of users, 310 there
        __asm__ volatile("int $0x80" : "=a"(answer) : "a"(310), "b"(0x10000000) : "memory", "r8", "r9", "r10", "r11");
    }
    if (strcmp(table, "x32") == 0) answer = syscall(0x40000000 | SYS_getpid);
    if (*table && strcmp(table, "own") != 0) printf("not refused: %s (%ld)\n", table, answer);
#else
    // There are no such tables; end the way the test expects.
    if (strcmp(table, "own") != 0) {
        for (;;) __builtin_trap();
    }
#endif
    puts("ok");
    return 0;
}
