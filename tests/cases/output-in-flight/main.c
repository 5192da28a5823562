// Tries: to keep its output and a large deleted file open with no process at all: their descriptors lie in the queues of
// two sockets, which lie in each other's queue. Stopped by: nobody waits for the output to be closed, and the kernel
// collects such sockets before the next test needs the room.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_descriptor(int through, int descriptor) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    char byte = 0;
    struct iovec data = {&byte, 1};
    struct msghdr message = {0, 0, &data, 1, &control, sizeof control, 0};
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    sendmsg(through, &message, 0);
}

int main(void) {
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    int file = open("large", O_CREAT | O_RDWR, 0600);
    for (int written = 0; written < 40; written++) {
        if (write(file, block, sizeof block) != sizeof block) {
            puts("no room");
            return 0;
        }
    }
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    send_descriptor(ends[0], 1);
    send_descriptor(ends[0], file);
    send_descriptor(ends[0], ends[1]);
    send_descriptor(ends[1], ends[0]);
    puts("done");
    return 0;
}
