// Tries: to leave every writable place full, so that the next test has no room. Stopped by: each place has a size, and
// is emptied; the second test finds as much room as the first.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int entries(const char *folder) {
    int count = 0;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; (entry = readdir(directory));) count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

int main(void) {
    static char block[1 << 20];
    memset(block, 'x', sizeof block);
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    for (int place = 0; place < 3; place++) {
        printf("%s has %d", places[place], entries(places[place]));
        int room = 0;
        for (int number = 0; number < 100; number++) {
            char name[100];
            snprintf(name, sizeof name, "%s/full-%d", places[place], number);
            int file = open(name, O_CREAT | O_WRONLY, 0600);
            ssize_t written;
            for (int block_number = 0; block_number < 8 && (written = write(file, block, sizeof block)) > 0; block_number++) {
                room += written == sizeof block;
            }
            close(file);
        }
        printf(", room for %d MiB\n", room);
    }
    return 0;
}
