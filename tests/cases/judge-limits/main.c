// Tries: to take PID 1's resources away by setting limits on it, also with a process number whose high half differs (the
// kernel looks at the low one). Stopped by: limits can be set on oneself only, and only lowered.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct rlimit none = {0, 0}, most = {RLIM_INFINITY, RLIM_INFINITY};
    unsigned long judges[] = {1, 0x100000001, 0xffffffff00000001, 0x8000000000000001};
    for (int limit = 0; limit < 16; limit++) {
        for (int judge = 0; judge < 4; judge++) {
            if (syscall(SYS_prlimit64, judges[judge], limit, &none, NULL) == 0) printf("took limit %d of %lx\n", limit, judges[judge]);
        }
        if (syscall(SYS_prlimit64, (unsigned long)getppid(), limit, &none, NULL) == 0) printf("took limit %d of the parent\n", limit);
        struct rlimit now;
        getrlimit(limit, &now);
        if (now.rlim_max != RLIM_INFINITY && setrlimit(limit, &most) == 0) printf("raised limit %d of its own\n", limit);
        struct rlimit more = {now.rlim_max, now.rlim_max + 1};
        if (now.rlim_max != RLIM_INFINITY && setrlimit(limit, &more) == 0) printf("raised limit %d by one\n", limit);
    }
    struct rlimit core, files;
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_NOFILE, &files);
    printf("core %lu, files %lu\n", core.rlim_max, files.rlim_max);
    return 0;
}
