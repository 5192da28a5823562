// Tries: to look as if it waited for a disk, which isn't counted as its own time: a parent in vfork can't be interrupted until
// its child has ended, and the child sleeps. Then the same as a program that hides what it waits in.
// Stopped by: the kernel's name for what is waited in, and no credit for who hides it.
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "calm")) return puts("calm") < 0;
    if (argc > 1 && !strcmp(argv[1], "hidden")) prctl(PR_SET_DUMPABLE, 0);
    if (vfork() == 0) {
        for (;;) pause();
    }
    return 0;
}
