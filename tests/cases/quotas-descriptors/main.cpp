// Tries: to open more than it may, in every process, and to pile descriptors up in sockets, where no process has them.
// Stopped by: the limit of descriptors, which also counts those under way; then all is closed with the processes.
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool send_descriptor(int through, int descriptor) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    auto *header = reinterpret_cast<cmsghdr *>(control);
    *header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    char byte = 0;
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    return sendmsg(through, &message, MSG_DONTWAIT) > 0;
}

int main() {
    int ends[2], under_way = 0, opened = 0;
    socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
    while (under_way < 5000 && send_descriptor(ends[under_way % 2], 0)) under_way++;
    while (opened < 5000 && open("/dev/null", O_RDONLY) >= 0) opened++;
    std::puts(under_way < 1000 ? "few under way" : "many under way");
    std::printf("%d opened\n", opened);
}
