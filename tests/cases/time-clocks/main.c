// Tries: to set the clocks by which it is judged, or to get clocks of its own.
// Stopped by: no call that sets a clock is allowed, and no namespace can be made.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if ((call) >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS && errno != EROFS && errno != ENOENT)) \
            printf("not refused: %s (%s)\n", #call, strerror(errno));                                                  \
    } while (0)

int main(void) {
    struct timeval then = {1, 0};
    struct timespec early = {1, 0};
    struct timex adjustment = {.modes = ADJ_FREQUENCY, .freq = 1 << 20};
    REFUSED(settimeofday(&then, NULL));
    REFUSED(clock_settime(CLOCK_REALTIME, &early));
    REFUSED(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &early));
    REFUSED(adjtimex(&adjustment));
    REFUSED(clock_adjtime(CLOCK_REALTIME, &adjustment));
    REFUSED(unshare(CLONE_NEWTIME));
    REFUSED(open("/proc/self/timens_offsets", O_WRONLY));
    REFUSED(open("/proc/1/timens_offsets", O_WRONLY));
    REFUSED(open("/dev/rtc", O_RDONLY));
    REFUSED(open("/dev/rtc0", O_RDONLY));
    REFUSED(open("/dev/ptp0", O_RDWR));
    puts("ok");
    return 0;
}
