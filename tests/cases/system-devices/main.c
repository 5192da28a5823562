// Tries: to get at hardware: makes device nodes where it can write, and looks for nodes that are more than a source of
// nothing. Stopped by: no right to make them, mounts on which they would mean nothing, and a device list of six.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int main(void) {
    const struct {
        const char *name;
        mode_t kind;
        dev_t device;
    } wanted[] = {
        {"mem", S_IFCHR, makedev(1, 1)},   {"kmsg", S_IFCHR, makedev(1, 11)}, {"null", S_IFCHR, makedev(1, 3)},
        {"sda", S_IFBLK, makedev(8, 0)},   {"vda", S_IFBLK, makedev(253, 0)}, {"loop", S_IFBLK, makedev(7, 0)},
        {"fuse", S_IFCHR, makedev(10, 229)}, {"tun", S_IFCHR, makedev(10, 200)}, {"kvm", S_IFCHR, makedev(10, 232)},
        {"console", S_IFCHR, makedev(5, 1)},
    };
    const char *places[] = {"/box", "/tmp", "/dev/shm", "/dev"};
    for (int place = 0; place < 4; place++) {
        for (unsigned index = 0; index < sizeof wanted / sizeof *wanted; index++) {
            char path[100];
            snprintf(path, sizeof path, "%s/%s-made", places[place], wanted[index].name);
            if (mknod(path, wanted[index].kind | 0666, wanted[index].device) == 0) printf("made %s\n", path);
        }
    }
    const char *usual = " null zero full random urandom tty ptmx ";
    DIR *devices = opendir("/dev");
    for (struct dirent *entry; (entry = readdir(devices));) {
        struct stat found;
        char path[300], word[300];
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        snprintf(word, sizeof word, " %s ", entry->d_name);
        if (lstat(path, &found) == 0 && (S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode)) && !strstr(usual, word)) {
            printf("there is %s\n", path);
        }
    }
    puts("ok");
    return 0;
}
