#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void forks(void) {
    int sum = 0, status;
    for (int i = 1; i <= 20; i++)
        if (fork() == 0) _exit(i);
    while (wait(&status) > 0) sum += WEXITSTATUS(status);
    printf("%d\n", sum);
}

static void pipeline(void) {
    // printf … | sort | tail -n 1, by hand.
    int first[2], second[2], status;
    if (pipe(first) || pipe2(second, O_CLOEXEC)) abort();
    if (fork() == 0) {
        dup2(first[0], 0);
        dup2(second[1], 1);
        close(first[1]);
        close(first[0]);
        execlp("sort", "sort", "-n", (char *)NULL);
        _exit(127);
    }
    close(first[0]);
    close(second[1]);
    dprintf(first[1], "3\n20\n1\n");
    close(first[1]);
    FILE *sorted = fdopen(second[0], "r");
    char line[100] = "";
    while (fgets(line, sizeof line, sorted)) fputs(line, stdout);
    wait(&status);
    printf("%d\n", status);
}

static void spawns(void) {
    pid_t child;
    int status;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/tmp/spawned", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char *arguments[] = {"echo", "from a spawned program", NULL};
    printf("%d\n", posix_spawnp(&child, "echo", &actions, NULL, arguments, environ));
    waitpid(child, &status, 0);
    fflush(stdout);
    printf("%d\n", system("cat /tmp/spawned && exit 3") >> 8);
    FILE *output = popen("echo $((6 * 7))", "r");
    int answer = 0;
    if (fscanf(output, "%d", &answer) != 1) abort();
    printf("%d %d\n", answer, pclose(output));
}

static void shared_memory(void) {
    struct shared {
        pthread_mutex_t lock;
        pthread_barrier_t start;
        long counter;
    } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->lock, &attributes);
    for (int child = 0; child < 4; child++)
        if (fork() == 0) {
            for (int i = 0; i < 5000; i++) {
                pthread_mutex_lock(&shared->lock);
                shared->counter++;
                pthread_mutex_unlock(&shared->lock);
            }
            _exit(0);
        }
    while (wait(NULL) > 0) continue;
    printf("%ld\n", shared->counter);
    // The same between programs that share a name only.
    int memory = shm_open("/numbers", O_CREAT | O_RDWR, 0600);
    if (memory < 0 || ftruncate(memory, 8 << 20)) abort();
    char *bytes = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    memset(bytes, 7, 8 << 20);
    if (fork() == 0) _exit(((char *)mmap(NULL, 1, PROT_READ, MAP_SHARED, shm_open("/numbers", O_RDONLY, 0), 0))[0]);
    int status;
    wait(&status);
    printf("%d %d\n", WEXITSTATUS(status), shm_unlink("/numbers"));
}

static void descriptors(void) {
    // A descriptor handed to another process over a socket.
    int pair[2], status;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) abort();
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
    message.msg_controllen = sizeof control; // typos:ignore-line
    if (fork() == 0) {
        if (recvmsg(pair[1], &message, 0) != 1) _exit(1);
        int received;
        memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
        _exit(dprintf(received, "through a descriptor of another process\n") < 0);
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int out = STDOUT_FILENO;
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &out, sizeof out);
    if (sendmsg(pair[0], &message, 0) != 1) abort();
    wait(&status);
    struct ucred peer;
    socklen_t size = sizeof peer;
    getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size);
    printf("%d %d\n", status, peer.uid == getuid());
}

static void limits(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    printf("open files %lu\n", (unsigned long)limit.rlim_cur);
    limit.rlim_cur = 50;
    printf("%d\n", setrlimit(RLIMIT_NOFILE, &limit));
    getrlimit(RLIMIT_CORE, &limit);
    printf("core %lu\n", (unsigned long)limit.rlim_cur);
    getrlimit(RLIMIT_STACK, &limit);
    printf("stack %lu MiB\n", (unsigned long)limit.rlim_cur >> 20);
    struct rusage usage;
    printf("%d %d\n", getrusage(RUSAGE_CHILDREN, &usage), nice(5) == 5);
    printf("%d\n", prctl(PR_SET_PDEATHSIG, 9));
    int watched = (int)syscall(SYS_pidfd_open, getpid(), 0);
    printf("%d\n", watched >= 0);
}

int main(int count, char **words) {
    const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"fork", forks},           {"pipeline", pipeline},       {"spawn", spawns},
                 {"memory", shared_memory}, {"descriptors", descriptors}, {"limits", limits}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count > 1 && !strcmp(words[1], parts[i].name)) parts[i].run();
    return 0;
}
