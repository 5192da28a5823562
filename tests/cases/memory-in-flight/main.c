// Tries: to leave 150 MB to the next test in files in memory that lie only in the queues of two sockets, which lie in each
// other's. Stopped by: the kernel's collector is called and waited for, so that the next test has its 150 MB.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
static void send_descriptor(int through, int descriptor) {
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    char byte = 0; struct iovec data = {&byte, 1};
    struct msghdr message = {0, 0, &data, 1, &control, sizeof control, 0};
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    sendmsg(through, &message, 0);
}
int main(int count, char **arguments) {
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    if (count > 1) {
        int ends[2];
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
        for (int n = 0; n < 3; n++) {
            int file = memfd_create("large", 0);
            for (int i = 0; i < 50; i++) if (write(file, block, sizeof block) != sizeof block) return 1;
            send_descriptor(ends[0], file);
        }
        send_descriptor(ends[0], ends[1]);
        send_descriptor(ends[1], ends[0]);
        puts("left");
    } else {
        char *mine = malloc(150 << 20);
        for (long at = 0; at < 150 << 20; at += 4096) mine[at] = 1;
        puts("honest");
    }
    return 0;
}
