#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t ticks, value;
static void tick(int signal) { ticks += signal > 0; }
static void take(int signal, siginfo_t *info, void *context) {
    value = info->si_value.sival_int + (signal < 0) + (context == NULL);
}

static void timers(void) {
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 2000}, {0, 2000}}, NULL);
    while (ticks < 5) pause();
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    puts("interval timer");

    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN, &action, NULL);
    printf("%d", timer_create(CLOCK_MONOTONIC, &event, &timer));
    printf("%d\n", timer_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 1000000}}, NULL));
    while (value == 0) usleep(1000);
    printf("%d %d\n", (int)value, timer_delete(timer));

    // The CPU time of the process itself.
    ticks = 0;
    signal(SIGVTALRM, tick);
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){{0, 0}, {0, 20000}}, NULL);
    while (ticks == 0) continue;
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)) abort();
    printf("%d\n", used.tv_nsec > 10000000 || used.tv_sec > 0);
}

static void ticked(union sigval step) {
    ticks += step.sival_int;
}

static void thread_timers(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = ticked,
                             .sigev_value.sival_int = 1};
    ticks = 0;
    printf("%d\n", timer_create(CLOCK_REALTIME, &event, &timer));
    timer_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 1000000}}, NULL);
    for (int i = 0; i < 2000 && ticks == 0; i++) usleep(1000);
    printf("%d\n", (int)ticks);
}

static void queued(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 1; i <= 3; i++) printf("%d", sigqueue(getpid(), SIGRTMIN + 1, (union sigval){i}));
    siginfo_t info;
    for (int i = 0; i < 2; i++)
        if (sigwaitinfo(&set, &info) > 0) printf(" %d", info.si_value.sival_int);
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC);
    struct signalfd_siginfo told;
    if (read(descriptor, &told, sizeof told) == sizeof told) printf(" %d by descriptor", told.ssi_int);
    printf(" %d\n", sigtimedwait(&set, &info, &(struct timespec){0, 1000000}));
}

static void children(void) {
    int status;
    pid_t child = fork();
    if (child == 0) for (;;) pause();
    printf("%d", kill(child, SIGSTOP));
    printf(" %d", waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    printf(" %d", kill(child, SIGCONT));
    printf(" %d", waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    printf(" %d", kill(child, SIGTERM));
    printf(" %d\n", waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
    printf("%d", kill(999999, 0));
    printf(" %s\n", strerror(errno));
}

static jmp_buf back;
static void jumps(int level) {
    if (level == 0) longjmp(back, 42);
    jumps(level - 1);
    puts("never here");
}

static ucontext_t main_context, other_context;
static void other(void) {
    puts("in the other context");
    swapcontext(&other_context, &main_context);
    puts("and back in it");
}

static void contexts(void) {
    int value = setjmp(back);
    if (value == 0) jumps(1000);
    printf("%d\n", value);
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = malloc(65536);
    other_context.uc_stack.ss_size = 65536;
    other_context.uc_link = &main_context;
    makecontext(&other_context, other, 0);
    swapcontext(&main_context, &other_context);
    puts("between");
    swapcontext(&main_context, &other_context);
    puts("done");
}

int main(int count, char **words) {
    const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"timers", timers},     {"thread-timers", thread_timers}, {"queued", queued},
                 {"children", children}, {"contexts", contexts}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count > 1 && !strcmp(words[1], parts[i].name)) parts[i].run();
    return 0;
}
