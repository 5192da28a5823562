// Tries: to fill the host's memory with locks on files, which the kernel charges to nobody: of many processes, of open
// files, of a process that leaves them to another; leases and notices of folders likewise. Stopped by: the agent counts a
// program's locks and ends it at 4096; what it couldn't count is refused.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED(name, ...)                                                                                             \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if (syscall(SYS_##name, __VA_ARGS__) != -1 || errno != EPERM)                                                  \
            printf("not refused: %s(%s): %s\n", #name, #__VA_ARGS__, strerror(errno));                                 \
    } while (0)

// Not more than some hundred on a file: the kernel looks at each of them for each new one.
static void take(long many) {
    int file = -1;
    for (long i = 0; i < many; i++) {
        if (i % 400 == 0) {
            char name[32];
            sprintf(name, "locked-%d-%ld", getpid(), i);
            file = open(name, O_CREAT | O_RDWR, 0600);
        }
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (400 - i % 400) * 2, .l_len = 1};
        if (fcntl(file, F_SETLK, &lock)) {
            perror("F_SETLK");
            exit(1);
        }
    }
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    if (!strcmp(what, "fill")) {
        for (int child = 0; child < 3; child++)
            if (fork() == 0) break;
        take(400000);
        puts("400000 locks");
        fflush(stdout);
        pause();
    }
    if (!strcmp(what, "use")) {
        take(2000);
        while (wait(NULL) > 0) {}
        puts("2000 locks");
    }
    if (!strcmp(what, "hide")) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
        int file = open("hidden", O_CREAT | O_RDWR, 0600), folder = open(".", O_RDONLY);
        for (unsigned long high = 0; high < 2; high++) {
            REFUSED(fcntl, file, high << 32 | F_OFD_SETLK, &lock);
            REFUSED(fcntl, file, high << 32 | F_OFD_SETLKW, &lock);
            REFUSED(fcntl, file, high << 32 | F_OFD_GETLK, &lock);
            REFUSED(fcntl, file, high << 32 | F_SETLEASE, F_WRLCK);
            REFUSED(fcntl, folder, high << 32 | F_NOTIFY, DN_CREATE | DN_MULTISHOT);
        }
        long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) _exit(0);
        if (child > 0) puts("not refused: a process that shares descriptors");
        puts("ok");
    }
    return 0;
}
