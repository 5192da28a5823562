// Tries: to make whoever opens or removes its files wait: leases, locks, and watches on them, held by daemons.
// Stopped by: leases are refused, and the daemons are dead before anything is opened.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    if (access("held", F_OK) == 0) puts("left over");
    int file = open("held", O_CREAT | O_RDWR, 0600);
    ftruncate(file, 1 << 20);
    if (fork() == 0) {
        setsid();
        signal(SIGIO, SIG_IGN);
        flock(file, LOCK_EX);
        fcntl(file, F_SETLEASE, F_WRLCK);
        mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
        int watch = inotify_init();
        inotify_add_watch(watch, "/box", IN_ALL_EVENTS);
        chdir("/tmp");
        for (;;) pause();
    }
    usleep(20000);
    puts("done");
    return 0;
}
