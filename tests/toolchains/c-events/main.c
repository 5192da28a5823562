#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

// One loop over an event counter, a timer and a socket, each of another kind.
static void loop(void) {
    int poller = epoll_create1(EPOLL_CLOEXEC), counter = eventfd(0, EFD_NONBLOCK), pair[2];
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair)) abort();
    int sources[] = {counter, timer, pair[0]}, left = 3;
    for (int i = 0; i < 3; i++)
        epoll_ctl(poller, EPOLL_CTL_ADD, sources[i], &(struct epoll_event){.events = EPOLLIN, .data.u32 = (uint32_t)i});
    eventfd_write(counter, 7);
    timerfd_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 1000000}}, NULL);
    if (send(pair[1], "packet", 6, 0) != 6) abort();
    uint64_t seen[3] = {0};
    while (left > 0) {
        struct epoll_event events[3];
        int count = epoll_wait(poller, events, 3, 1000);
        for (int i = 0; i < count; i++) {
            int source = sources[events[i].data.u32];
            char data[8] = {0};
            ssize_t size = read(source, data, sizeof data);
            memcpy(&seen[events[i].data.u32], data, 8);
            if (events[i].data.u32 == 2) seen[2] = (uint64_t)size;
            epoll_ctl(poller, EPOLL_CTL_DEL, source, NULL);
            left--;
        }
    }
    printf("%d %d %d\n", (int)seen[0], (int)seen[1], (int)seen[2]);
}

static void *serve(void *listener) {
    for (int i = 0; i < 3; i++) {
        int client = accept4(*(int *)listener, NULL, NULL, SOCK_CLOEXEC);
        char line[100];
        ssize_t size = recv(client, line, sizeof line, 0);
        for (ssize_t at = 0; at < size; at++) line[at] = (char)(line[at] - ('a' - 'A'));
        send(client, line, (size_t)size, MSG_NOSIGNAL);
        close(client);
    }
    return NULL;
}

// A server with a name in the file system, and one with an abstract name.
static void server(void) {
    for (int abstract = 0; abstract < 2; abstract++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strcpy(address.sun_path + abstract, abstract ? "caisson-test" : "/tmp/socket");
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path + abstract) + 1);
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        printf("%d", bind(listener, (struct sockaddr *)&address, size));
        printf("%d", listen(listener, 5));
        pthread_t thread;
        pthread_create(&thread, NULL, serve, &listener);
        for (int i = 0; i < 3; i++) {
            char answer[100] = "";
            int client = socket(AF_UNIX, SOCK_STREAM, 0);
            printf(" %d", connect(client, (struct sockaddr *)&address, size));
            if (send(client, "hello", 5, 0) != 5) abort();
            printf("%d", (int)recv(client, answer, sizeof answer, MSG_WAITALL));
            printf(" %s", answer);
            close(client);
        }
        pthread_join(thread, NULL);
        puts("");
    }
}

static void waiting(void) {
    int ends[2];
    if (pipe(ends)) abort();
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    printf("%d", select(ends[0] + 1, &set, NULL, NULL, &(struct timeval){0, 1000}));
    printf("%d", poll(&(struct pollfd){ends[1], POLLOUT, 0}, 1, 1000));
    if (write(ends[1], "x", 1) != 1) abort();
    printf("%d", ppoll(&(struct pollfd){ends[0], POLLIN, 0}, 1, &(struct timespec){1, 0}, NULL));
    close(ends[0]);
    printf("%d", poll(&(struct pollfd){ends[1], POLLOUT, 0}, 1, 1000));
    // Standard input is a file: always ready, and it may be read twice.
    char first[3] = "", again[3] = "";
    if (read(0, first, 2) != 2 || lseek(0, 0, SEEK_SET) != 0 || read(0, again, 2) != 2) abort();
    printf(" %s %s\n", first, again);
}

int main(int count, char **words) {
    const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"loop", loop}, {"server", server}, {"waiting", waiting}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count > 1 && !strcmp(words[1], parts[i].name)) parts[i].run();
    return 0;
}
