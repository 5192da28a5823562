// Tries: to leave a core dump, with as much memory in it as it likes, by raising the limit and crashing in a folder that
// it may write to. Stopped by: the limit is 0 and can't be raised; the second test finds no file.
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_CORE, &most) == 0) puts("raised");
    prctl(PR_SET_DUMPABLE, 1);
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    for (int place = 0; place < 3; place++) {
        if (fork() == 0) {
            chdir(places[place]);
            raise(SIGSEGV);
        }
        int status;
        wait(&status);
        if (WCOREDUMP(status)) puts("dumped");
        DIR *folder = opendir(places[place]);
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (strstr(entry->d_name, "core")) printf("%s/%s\n", places[place], entry->d_name);
        }
    }
    fflush(stdout);
    raise(SIGABRT);
    return 0;
}
