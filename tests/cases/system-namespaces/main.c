// Tries: to make namespaces of its own, above all of users, in which it would be root: by unshare, by clone with each
// flag, by clone3, whose flags a filter can't see, and by entering PID 1's. Stopped by: the filter.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void refused(const char *what, unsigned long flag, long answer) {
    if (answer == 0) _exit(0); // the child of a clone
    if (answer > 0 || (errno != EPERM && errno != ENOSYS)) printf("not refused: %s %lx (%s)\n", what, flag, strerror(errno));
}

int main(void) {
    unsigned long namespaces[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};
    for (int index = 0; index < 7; index++) {
        unsigned long flag = namespaces[index];
        errno = 0;
        if (unshare(flag) == 0) printf("not refused: unshare %lx\n", flag);
        if (unshare(flag | CLONE_NEWUSER) == 0) printf("not refused: unshare with users %lx\n", flag);
        refused("clone", flag, syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0));
        refused("clone with users", flag, syscall(SYS_clone, flag | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
        refused("clone with a high half", flag, syscall(SYS_clone, 1UL << 32 | flag | SIGCHLD, 0, 0, 0, 0));
        struct clone_args arguments = {.flags = flag, .exit_signal = SIGCHLD};
        refused("clone3", flag, syscall(SYS_clone3, &arguments, sizeof arguments));
    }
    if (unshare(CLONE_NEWTIME) == 0) puts("not refused: unshare time");
    struct clone_args plain = {.exit_signal = SIGCHLD}, cgroup = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
    refused("clone3", 0, syscall(SYS_clone3, &plain, sizeof plain));
    refused("clone3 into a cgroup", 0, syscall(SYS_clone3, &cgroup, sizeof cgroup));
    const char *files[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
    for (int index = 0; index < 8; index++) {
        char path[50];
        snprintf(path, sizeof path, "/proc/self/ns/%s", files[index]);
        int own = open(path, O_RDONLY);
        if (setns(own, 0) == 0) printf("not refused: setns %s\n", path);
    }
    puts("ok");
    return 0;
}
