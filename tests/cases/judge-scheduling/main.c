// Tries: to make PID 1 too slow to watch: another scheduling class, another CPU, a lower priority, by process, group or
// user, with high halves that the kernel doesn't look at. Stopped by: a filter that looks where the kernel does.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIGH 0x100000000UL
#define SCHED_CORE 62 // PR_SCHED_CORE: sharing a CPU's threads with nobody
#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if ((call) >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS))                                     \
            printf("not refused: %s (%s)\n", #call, strerror(errno));                                                  \
    } while (0)

int main(void) {
    struct sched_param lowest = {0}, highest = {50};
    unsigned long cpus[16] = {1};
    unsigned attributes[14] = {56, SCHED_IDLE};
    for (unsigned long high = 0; high <= HIGH; high += HIGH) {
        unsigned long judge = high + 1;
        REFUSED(syscall(SYS_sched_setscheduler, judge, SCHED_IDLE, &lowest));
        REFUSED(syscall(SYS_sched_setscheduler, judge, SCHED_BATCH, &lowest));
        REFUSED(syscall(SYS_sched_setparam, judge, &lowest));
        REFUSED(syscall(SYS_sched_setaffinity, judge, sizeof cpus, cpus));
        REFUSED(syscall(SYS_sched_setattr, judge, attributes, 0));
        REFUSED(syscall(SYS_setpriority, PRIO_PROCESS, judge, 19));
        REFUSED(syscall(SYS_setpriority, PRIO_PGRP, judge, 19));
        REFUSED(syscall(SYS_setpriority, PRIO_USER, high, 19));
        REFUSED(syscall(SYS_setpriority, PRIO_USER, high + getuid(), 19));
        REFUSED(syscall(SYS_setpriority, high + PRIO_USER, 0, 19));
        REFUSED(syscall(SYS_setpriority, high + PRIO_PROCESS, judge, 19));
        for (int scope = 0; scope < 3; scope++) REFUSED(syscall(SYS_prctl, high + SCHED_CORE, 1, 0, scope, 0));
        for (int class = 1; class < 4; class++) {
            REFUSED(syscall(SYS_ioprio_set, high + 1, judge, class << 13 | 7)); // by process
            REFUSED(syscall(SYS_ioprio_set, high + 2, judge, class << 13 | 7)); // by group
            REFUSED(syscall(SYS_ioprio_set, high + 3, high, class << 13 | 7)); // by user
            REFUSED(syscall(SYS_ioprio_set, high + 3, high + getuid(), class << 13 | 7));
        }
    }
    // Nor may the program put itself before everybody else.
    REFUSED(sched_setscheduler(0, SCHED_FIFO, &highest));
    REFUSED(sched_setscheduler(0, SCHED_RR, &highest));
    REFUSED(setpriority(PRIO_PROCESS, 0, -1));
    REFUSED(syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    errno = 0;
    if (getpriority(PRIO_PROCESS, 1) != 0 || sched_getscheduler(1) != SCHED_OTHER) puts("PID 1 was changed");
    puts("ok");
    return 0;
}
