// Tries: to leave something for the next test in objects that live without a process: System V's memory, semaphores and
// queues, POSIX queues (by their call and by their file system) and named semaphores.
// Stopped by: the first two kinds are closed; the last are files in /dev/shm, which is emptied.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if ((call) != -1) printf("not refused: %s\n", #call);                                                          \
    } while (0)

int main(void) {
    REFUSED(syscall(SYS_shmget, 42, 4096, 01666));
    REFUSED(syscall(SYS_semget, 42, 1, 01666));
    REFUSED(syscall(SYS_msgget, 42, 01666));
    REFUSED(syscall(SYS_mq_open, "left", O_CREAT | O_RDWR, 0666, NULL));
    REFUSED(open("/dev/mqueue/left", O_CREAT | O_RDWR, 0666));
    REFUSED(mkdir("/dev/mqueue/left", 0777));
    if (sem_open("/left", O_CREAT | O_EXCL, 0666, 0) == SEM_FAILED) puts("the semaphore is left");
    if (shm_open("/left-memory", O_CREAT | O_EXCL | O_RDWR, 0666) < 0) puts("the memory is left");
    const char *lists[] = {"/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"};
    for (int list = 0; list < 3; list++) {
        FILE *file = fopen(lists[list], "r");
        char line[500];
        int lines = 0;
        while (file && fgets(line, sizeof line, file)) lines++;
        if (lines > 1) printf("%s has %d lines\n", lists[list], lines);
    }
    puts("ok");
    return 0;
}
