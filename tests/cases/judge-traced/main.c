// Tries: to get into PID 1: by tracing, by its memory, by its descriptors, by what reads or changes other processes.
// Stopped by: no such call is allowed, not even on oneself.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if ((long)(call) != -1 || (errno != EPERM && errno != EACCES && errno != ENOSYS))                              \
            printf("not refused: %s (%s)\n", #call, strerror(errno));                                                  \
    } while (0)

int main(void) {
    char byte = 0;
    struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
    int judge = syscall(SYS_pidfd_open, 1, 0);
    REFUSED(ptrace(PTRACE_ATTACH, 1, 0, 0));
    REFUSED(ptrace(PTRACE_SEIZE, 1, 0, 0));
    REFUSED(ptrace(PTRACE_TRACEME, 0, 0, 0));
    REFUSED(process_vm_readv(1, &here, 1, &there, 1, 0));
    REFUSED(process_vm_writev(1, &here, 1, &there, 1, 0));
    REFUSED(process_vm_writev(getpid(), &here, 1, &here, 1, 0));
    REFUSED(syscall(SYS_kcmp, 1, getpid(), 0, 1, 1));
    for (int number = 0; number < 10; number++) REFUSED(syscall(SYS_pidfd_getfd, judge, number, 0));
    REFUSED(syscall(SYS_process_madvise, judge, &there, 1, 4, 0));
    REFUSED(syscall(SYS_process_mrelease, judge, 0));
    REFUSED(syscall(SYS_setns, judge, 0));
    REFUSED(syscall(SYS_move_pages, 1, 0, 0, 0, 0, 0));
    REFUSED(syscall(SYS_migrate_pages, 1, 1, &byte, &byte));
    void *list;
    size_t size;
    REFUSED(syscall(SYS_get_robust_list, 1, &list, &size));
    pid_t child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    REFUSED(ptrace(PTRACE_SEIZE, child, 0, 0));
    puts("ok");
    return 0;
}
