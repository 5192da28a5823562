// Tries: to use up what the kernel counts by user: inotify instances and watches, queued signals, pipe pages, requests of
// asynchronous I/O. Stopped by: a container has a user of its own among the live ones, asynchronous I/O is closed, and
// all of it ends with the test's processes: the second finds as much as the first.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    unsigned long context = 0;
    if (syscall(SYS_io_setup, 65536, &context) == 0) puts("not refused: io_setup");

    int ends[2];
    pipe(ends);
    if (fcntl(ends[0], F_GETPIPE_SZ) < 65536) puts("pipes are short");
    int pipes[40][2];
    for (int index = 0; index < 40; index++) {
        if (pipe(pipes[index]) == 0) fcntl(pipes[index][0], F_SETPIPE_SZ, 1 << 20);
    }
    signal(SIGRTMIN, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    int queued = 0;
    while (queued < 200000 && sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0}) == 0) queued++;
    if (queued < 1000) printf("only %d signals\n", queued);

    // Descriptors are inherited, so each child brings instances of its own.
    int instances = 0, instance;
    while (instances < 100 && (instance = inotify_init()) >= 0) {
        inotify_add_watch(instance, "/box", IN_ALL_EVENTS);
        instances++;
    }
    printf("%s\n", instances >= 100 ? "a hundred" : "fewer");
    for (int children = 0; children < 20; children++) {
        if (fork() == 0) {
            setsid();
            while (inotify_init() >= 0) {}
            for (;;) pause();
        }
    }
    usleep(20000);
    return 0;
}
