// Tries: to take the kernel's memory with full sockets that nobody reads. Stopped by: they are charged to the container.
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)arguments;
    if (count == 1) {
        static char block[16384];
        for (int children = 0; children < 30 && fork() != 0; children++) {}
        int ends[2];
        while (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0) {
            int size = 1 << 20;
            setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            while (send(ends[0], block, sizeof block, MSG_DONTWAIT) > 0) {}
            while (send(ends[1], block, sizeof block, MSG_DONTWAIT) > 0) {}
        }
        sleep(5);
    }
    puts("calm");
    return 0;
}
