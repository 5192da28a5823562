// Tries: a socket of every family and kind: the network, raw packets, the kernel's own channels, the hypervisor, the
// kernel's cryptography. Stopped by: nothing but Unix sockets can be made, and no other family by high halves.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    for (int family = 0; family < 64; family++) {
        if (family == AF_UNIX) continue;
        for (int kind = 1; kind <= 10; kind++) {
            int ends[2];
            for (int protocol = 0; protocol < 3; protocol++) {
                errno = 0;
                if (socket(family, kind, protocol) >= 0 || (errno != EPERM && errno != EAFNOSUPPORT)) {
                    printf("not refused: family %d, kind %d, protocol %d (%s)\n", family, kind, protocol, strerror(errno));
                }
                if (socketpair(family, kind, protocol, ends) == 0) printf("not refused: a pair of family %d\n", family);
            }
        }
        if (syscall(SYS_socket, 1UL << 32 | family, SOCK_STREAM, 0) >= 0) printf("not refused: family %d with a high half\n", family);
    }
    puts("ok");
    return 0;
}
