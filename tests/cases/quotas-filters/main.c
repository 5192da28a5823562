// Tries: to fill the one bound that the whole host has for the machine code of filters (bpf_jit_limit), after which no new
// sandbox gets its own: filters on sockets, and of the process. Stopped by: the profile allows socket options by name, by
// both halves of the argument, and the agent's filter is the last.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED(name, ...)                                                                                             \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if (syscall(SYS_##name, __VA_ARGS__) != -1 || errno != EPERM)                                                  \
            printf("not refused: %s(%s): %s\n", #name, #__VA_ARGS__, strerror(errno));                                 \
    } while (0)

int main(void) {
    struct sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, 0x7fff0000}};
    struct sock_fprog program = {1, code};
    int descriptor = -1;
    for (int kind = SOCK_STREAM; kind <= SOCK_DGRAM; kind++) {
        int plain = socket(AF_UNIX, kind, 0);
        for (unsigned long high = 0; high < 2; high++) {
            REFUSED(setsockopt, plain, SOL_SOCKET, high << 32 | SO_ATTACH_FILTER, &program, sizeof program);
            REFUSED(setsockopt, plain, high << 32 | SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
            REFUSED(setsockopt, plain, SOL_SOCKET, high << 32 | SO_ATTACH_BPF, &descriptor, sizeof descriptor);
            REFUSED(setsockopt, plain, SOL_SOCKET, high << 32 | SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
            REFUSED(setsockopt, plain, SOL_SOCKET, high << 32 | SO_ATTACH_REUSEPORT_EBPF, &descriptor, sizeof descriptor);
        }
        int yes = 1, size = 65536;
        if (setsockopt(plain, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes)) puts("no SO_PASSCRED");
        if (setsockopt(plain, SOL_SOCKET, SO_SNDBUF, &size, sizeof size)) puts("no SO_SNDBUF");
        if (setsockopt(plain, SOL_SOCKET, SO_TIMESTAMP, &yes, sizeof yes)) puts("no SO_TIMESTAMP");
    }
    for (unsigned long high = 0; high < 2; high++) {
        REFUSED(prctl, high << 32 | PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
        REFUSED(seccomp, high << 32 | SECCOMP_SET_MODE_FILTER, 0, &program);
        REFUSED(seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    }
    puts("ok");
    return 0;
}
