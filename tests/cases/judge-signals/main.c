// Tries: to kill, stop or disturb PID 1 with every signal, in every way there is to send one.
// Stopped by: signals without a handler don't reach PID 1 from inside, and it has none.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    int judge = syscall(SYS_pidfd_open, 1, 0);
    for (int number = 1; number <= 64; number++) signal(number, SIG_IGN);
    for (int number = 1; number <= 64; number++) {
        siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};
        kill(1, number);
        syscall(SYS_tkill, 1, number);
        syscall(SYS_tgkill, 1, 1, number);
        syscall(SYS_rt_sigqueueinfo, 1, number, &info);
        syscall(SYS_rt_tgsigqueueinfo, 1, 1, number, &info);
        syscall(SYS_pidfd_send_signal, judge, number, NULL, 0);
        syscall(SYS_pidfd_send_signal, judge, number, NULL, 4); // to its process group
        // As the owner of a pipe.
        int ends[2];
        pipe(ends);
        fcntl(ends[0], F_SETOWN, 1);
        fcntl(ends[0], F_SETSIG, number);
        fcntl(ends[0], F_SETFL, O_ASYNC);
        write(ends[1], "x", 1);
        close(ends[0]);
        close(ends[1]);
    }
    kill(-1, SIGSTOP);
    kill(-1, SIGKILL);
    puts("still judged");
    return 0;
}
