// Tries: to take the kernel's memory with lists of descriptors: every epoll instance watches every event counter.
// Stopped by: each entry is charged to the container.
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)arguments;
    if (count == 1) {
        int events[400];
        for (int index = 0; index < 400; index++) events[index] = eventfd(0, 0);
        for (int children = 0; children < 10 && fork() != 0; children++) {}
        for (int list; (list = epoll_create1(0)) >= 0;) {
            for (int index = 0; index < 400; index++) {
                struct epoll_event event = {.events = EPOLLIN};
                epoll_ctl(list, EPOLL_CTL_ADD, events[index], &event);
            }
        }
        sleep(5);
    }
    puts("calm");
    return 0;
}
