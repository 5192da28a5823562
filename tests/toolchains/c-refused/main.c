// What programs see of calls that the sandbox refuses: each part prints the call and the name of its errno.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SEE(name, call)                                                                                                \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long result = (long)(call);                                                                                    \
        printf("%s: %s\n", name, result >= 0 ? "works" : strerrorname_np(errno));                                      \
    } while (0)

static char room[4096];

static void network(void) {
    SEE("socket(AF_INET, SOCK_STREAM)", socket(AF_INET, SOCK_STREAM, 0));
    SEE("socket(AF_INET, SOCK_DGRAM)", socket(AF_INET, SOCK_DGRAM, 0));
    SEE("socket(AF_INET6)", socket(AF_INET6, SOCK_STREAM, 0));
    SEE("socket(AF_NETLINK)", socket(AF_NETLINK, SOCK_RAW, 0));
    SEE("socket(AF_PACKET)", socket(AF_PACKET, SOCK_RAW, 0));
    SEE("socket(AF_VSOCK)", socket(AF_VSOCK, SOCK_STREAM, 0));
    SEE("socket(AF_ALG)", socket(AF_ALG, SOCK_SEQPACKET, 0));
    SEE("socket(AF_UNIX)", socket(AF_UNIX, SOCK_STREAM, 0));
    struct ifaddrs *list;
    SEE("getifaddrs", getifaddrs(&list));
    struct addrinfo *found;
    printf("getaddrinfo(localhost): %s\n", gai_strerror(getaddrinfo("localhost", NULL, NULL, &found)));
    printf("getaddrinfo(127.0.0.1): %s\n", gai_strerror(getaddrinfo("127.0.0.1", NULL, NULL, &found)));
    printf("getaddrinfo(example.org): %s\n", gai_strerror(getaddrinfo("example.org", NULL, NULL, &found)));
    SEE("gethostname", gethostname(room, sizeof room));
    puts(room);
}

static void processes(void) {
    struct iovec part = {room, sizeof room};
    SEE("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    SEE("process_vm_readv of oneself", process_vm_readv(getpid(), &part, 1, &part, 1, 0));
    SEE("pidfd_getfd", syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getpid(), 0), 0, 0));
    SEE("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    SEE("clone3", syscall(SYS_clone3, &arguments, sizeof arguments));
    SEE("unshare(CLONE_NEWUSER)", unshare(CLONE_NEWUSER));
    SEE("setns", setns(0, 0));
    SEE("chroot", chroot("/box"));
    SEE("personality(ADDR_NO_RANDOMIZE)", personality(ADDR_NO_RANDOMIZE));
    SEE("prlimit of another process", prlimit(getppid(), RLIMIT_NOFILE, NULL, &(struct rlimit){0, 0}));
    SEE("setpriority(PRIO_USER)", setpriority(PRIO_USER, 0, 10));
    SEE("fcntl(F_SETOWN)", fcntl(0, F_SETOWN, getpid()));
    SEE("fcntl(F_SETOWN_EX)", fcntl(0, F_SETOWN_EX, &(struct f_owner_ex){F_OWNER_PID, getpid()}));
    SEE("prctl(PR_SCHED_CORE)", prctl(62, 1, 0, 0, 0));
    SEE("sched_setscheduler(SCHED_FIFO)", sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1}));
    SEE("nice(-1)", nice(-1));
}

static void ipc(void) {
    SEE("shmget", shmget(IPC_PRIVATE, 4096, 0600));
    SEE("semget", semget(IPC_PRIVATE, 1, 0600));
    SEE("msgget", msgget(IPC_PRIVATE, 0600));
    SEE("mq_open", mq_open("/queue", O_CREAT | O_RDWR, 0600, NULL));
}

static void kernel(void) {
    SEE("io_uring_setup", syscall(SYS_io_uring_setup, 8, room));
    SEE("io_setup", syscall(SYS_io_setup, 8, room));
    SEE("perf_event_open", syscall(SYS_perf_event_open, room, 0, -1, -1, 0));
    SEE("bpf", syscall(SYS_bpf, 0, room, sizeof room));
    SEE("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC));
    SEE("add_key", syscall(SYS_add_key, "user", "key", "value", 5, -3));
    SEE("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    SEE("memfd_secret", syscall(SYS_memfd_secret, 0));
    SEE("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, ".", room, room, 0));
    SEE("mbind", syscall(SYS_mbind, 0, 0, 0, NULL, 0, 0));
    SEE("get_mempolicy", syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0));
    SEE("vmsplice", vmsplice(0, NULL, 0, 0));
    SEE("syncfs", syncfs(1));
    SEE("clock_settime", clock_settime(CLOCK_REALTIME, &(struct timespec){0, 0}));
    SEE("a call that doesn't exist", syscall(5000));
}

static void files(void) {
    SEE("mkdir in /", mkdir("/new", 0700));
    SEE("open of /etc/passwd for writing", open("/etc/passwd", O_WRONLY));
    SEE("mknod of a device", mknod("/tmp/null", S_IFCHR | 0600, 0x103));
    SEE("mkfifo", mkfifo("/tmp/fifo", 0600));
    SEE("chown to root", chown("/tmp", 0, 0));
    SEE("/dev/tty", open("/dev/tty", O_RDWR));
    SEE("/dev/kmsg", open("/dev/kmsg", O_RDONLY));
    SEE("posix_openpt", posix_openpt(O_RDWR));
    SEE("/dev/fuse", open("/dev/fuse", O_RDWR));
    SEE("/dev/urandom", open("/dev/urandom", O_RDONLY));
    SEE("/proc/1/environ", open("/proc/1/environ", O_RDONLY));
    SEE("/proc/sys/kernel/hostname for writing", open("/proc/sys/kernel/hostname", O_WRONLY));
    SEE("mlock of 1 MiB", mlock(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 20));
    SEE("a program in /dev/shm", mmap(NULL, 4096, PROT_EXEC, MAP_SHARED, open("/dev/shm/x", O_CREAT | O_RDWR, 0700), 0) == MAP_FAILED ? -1 : 0);
    SEE("a program in /tmp", mmap(NULL, 4096, PROT_EXEC, MAP_SHARED, open("/tmp/x", O_CREAT | O_RDWR, 0700), 0) == MAP_FAILED ? -1 : 0);
}

int main(int count, char **words) {
    const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"network", network}, {"processes", processes}, {"ipc", ipc}, {"kernel", kernel}, {"files", files}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count > 1 && !strcmp(words[1], parts[i].name)) parts[i].run();
    return 0;
}
