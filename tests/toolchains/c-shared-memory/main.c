#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int count, char **words) {
    size_t size = (size_t)(count > 1 ? atoi(words[1]) : 1) << 20;
    int memory = shm_open("/large", O_CREAT | O_RDWR, 0600);
    printf("%d\n", posix_fallocate(memory, 0, 1));
    // Making it larger takes nothing yet.
    if (ftruncate(memory, (off_t)size)) return 1;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    fflush(stdout);
    memset(bytes, 1, size);
    printf("%d\n", bytes[size - 1]);
    return 0;
}
