#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void temporary(void) {
    FILE *file = tmpfile();
    fprintf(file, "%d %s", 42, "words");
    rewind(file);
    int number;
    char word[10];
    printf("%d", fscanf(file, "%d %9s", &number, word));
    printf(" %d %s\n", number, word);
    char name[] = "/tmp/nameXXXXXX.txt", folder[] = "/tmp/folderXXXXXX";
    printf("%d %d\n", mkostemps(name, 4, O_CLOEXEC) >= 0, mkdtemp(folder) != NULL);
    int unnamed = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    printf("%d\n", (int)write(unnamed, "abc", 3));
}

static int entries;
static int count_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
    entries += path[0] == '.' && status->st_size >= 0 && type >= 0 && place->level >= 0;
    return 0;
}

static void folders(void) {
    printf("%d", mkdir("a", 0755));
    printf("%d", mkdir("a/b", 0755));
    for (int i = 0; i < 100; i++) {
        char name[30];
        snprintf(name, sizeof name, "a/b/file%02d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    printf("%d", rename("a/b", "c"));
    printf("%d", symlink("c", "link"));
    printf("%d", link("c/file00", "a/hard"));
    struct stat status;
    stat("a/hard", &status);
    printf(" %d", (int)status.st_nlink);
    glob_t found;
    printf(" %d", glob("link/file9*", 0, NULL, &found));
    printf(" %d", (int)found.gl_pathc); // typos:ignore-line
    nftw(".", count_entry, 10, FTW_PHYS);
    printf(" %d\n", entries >= 105);
    char here[PATH_MAX];
    printf("%s %s\n", getcwd(here, sizeof here), realpath("link/../a", NULL));
    printf("%d", chdir("c"));
    printf("%d", chdir(".."));
    printf("%d", mkdir("/outside", 0755));
    printf(" %s\n", strerror(errno));
}

static void copies(void) {
    int from = open("from", O_CREAT | O_RDWR, 0600), to = open("to", O_CREAT | O_RDWR, 0600);
    char block[4096];
    memset(block, 'z', sizeof block);
    struct iovec parts[] = {{block, sizeof block}, {"end", 3}};
    printf("%d", (int)writev(from, parts, 2));
    printf(" %d", (int)copy_file_range(from, &(off_t){0}, to, NULL, 4099, 0));
    printf(" %d", (int)sendfile(to, from, &(off_t){0}, 4099));
    printf(" %d", (int)lseek(to, 0, SEEK_END));
    printf(" %d", posix_fallocate(to, 0, 100000));
    printf(" %d", ftruncate(to, 10));
    struct statvfs space;
    printf(" %d", statvfs("/box", &space));
    printf(" %d MiB\n", (int)(space.f_blocks * space.f_frsize >> 20));
    printf("%d", chmod("to", 0400));
    printf("%d", utimensat(AT_FDCWD, "to", (struct timespec[]){{1, 2}, {3, 4}}, 0));
    struct stat status;
    stat("to", &status);
    printf(" %ld.%ld %o\n", (long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_mode & 0777);
}

static void locks(void) {
    int file = open("lock", O_CREAT | O_RDWR, 0600);
    printf("%d", flock(file, LOCK_EX));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    printf("%d\n", fcntl(file, F_SETLK, &whole));
    fflush(stdout);
    if (fork() == 0) {
        int other = open("lock", O_RDWR);
        printf("%d", flock(other, LOCK_EX | LOCK_NB));
        printf("%d\n", fcntl(other, F_SETLK, &whole));
        exit(0);
    }
    wait(NULL);
}

static void watches(void) {
    int watch = inotify_init1(IN_CLOEXEC);
    printf("%d\n", inotify_add_watch(watch, ".", IN_CREATE));
    close(open("noticed", O_CREAT | O_WRONLY, 0600));
    union {
        struct inotify_event event;
        char room[4096];
    } events;
    if (read(watch, &events, sizeof events) > 0) puts(events.event.name);
}

static void quota(void) {
    // The workspace holds 64 MiB, and writing past that is an error like on any full disk.
    FILE *file = fopen("large", "w");
    static char block[1 << 20];
    int written = 0;
    while (written < 200 && fwrite(block, 1, sizeof block, file) == sizeof block && fflush(file) == 0) written++;
    printf("%d %s\n", written >= 60 && written < 64, strerror(errno));
}

int main(int count, char **words) {
    const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"temporary", temporary}, {"folders", folders}, {"copies", copies},
                 {"locks", locks},         {"watches", watches}, {"quota", quota}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count > 1 && !strcmp(words[1], parts[i].name)) parts[i].run();
    return 0;
}
