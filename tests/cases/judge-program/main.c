// Tries: to read, change, replace or misuse the program that PID 1 is. Stopped by: it is executable and nothing else,
// on a read-only volume; run by anybody but the engine it ends at once.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        if ((call) >= 0) printf("not refused: %s\n", #call);                                                           \
    } while (0)

int main(void) {
    REFUSED(open("/caisson/agent", O_RDONLY));
    REFUSED(open("/caisson/agent", O_WRONLY));
    REFUSED(inotify_add_watch(inotify_init(), "/caisson/agent", IN_ALL_EVENTS));
    REFUSED(open("/proc/1/exe", O_RDONLY));
    REFUSED(open("/proc/1/exe", O_WRONLY));
    REFUSED(open("/caisson/new", O_CREAT | O_WRONLY, 0700));
    REFUSED(unlink("/caisson/agent"));
    REFUSED(rename("/caisson", "/caisson-old"));
    REFUSED(chmod("/caisson/agent", 0777));
    REFUSED(link("/caisson/agent", "/box/agent"));
    REFUSED(execl("/proc/1/exe", "agent", NULL));
    // As a program of its own it may be started, like any other; it must not act.
    pid_t child = fork();
    if (child == 0) {
        execl("/caisson/agent", "agent", NULL);
        _exit(errno == EACCES ? 64 : 99);
    }
    int status;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 64) printf("a second agent ended with %x\n", status);
    puts("ok");
    return 0;
}
