// Tries: to make a tree so deep that whoever removes it runs out of stack, descriptors or path. Each folder takes its
// own permissions away, and some have a file. Stopped by: the tree is made flat while it is removed.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    for (int place = 0; place < 3; place++) {
        // From the bottom up: the kernel takes its time with a new folder that is far down.
        int depth = 0;
        chdir(places[place]);
        for (; depth < 10000 && mkdir("upper", 0700) == 0; depth++) {
            if (depth % 100 == 0) close(open("upper/file", O_CREAT | O_WRONLY, 0));
            if (depth > 0 && rename("tree", "upper/d") != 0) break;
            if (rename("upper", "tree") != 0) break;
        }
        chdir("tree");
        while (chdir("d") == 0) chmod("..", 0);
        printf("%s %d\n", places[place], depth);
    }
    return 0;
}
