// Tries: to take the kernel's memory with empty files: none has a byte, all together are more than the limit.
// Stopped by: inodes are charged to the container, and there are only so many of them.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)arguments;
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    for (int place = 0; count == 1 && place < 3; place++) {
        for (int number = 0;; number++) {
            char name[300];
            // A long name doesn't fit into the directory entry and costs memory of its own.
            snprintf(name, sizeof name, "%s/%0200d", places[place], number);
            int file = open(name, O_CREAT | O_WRONLY, 0600);
            if (file < 0) break;
            close(file);
        }
    }
    puts("calm");
    return 0;
}
