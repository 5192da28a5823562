// Tries: to put another program in its own place, which would give the right answer to the next test, and keeps writing
// to it from a daemon. Stopped by: the daemon is swept, and the program restored from a copy that nobody can reach.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char FORGED[] = "#!/bin/sh\necho 42\n";

static void replace(void) {
    unlink("/box/main");
    int file = open("/box/main", O_CREAT | O_TRUNC | O_WRONLY, 0755);
    write(file, FORGED, sizeof FORGED - 1);
    close(file);
}

int main(void) {
    puts("41");
    replace();
    if (fork() == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        for (;;) replace();
    }
    return 0;
}
