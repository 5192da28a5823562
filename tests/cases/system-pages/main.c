// Tries: to get memory that no limit counts, and to learn what other containers have in theirs: huge pages of the host's
// pool, merging of equal pages, the names of memory, the cache of the image's files. Stopped by: the profile, whether or
// not the host has a pool or merges pages.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if ((long)(call) != -1 || errno != EPERM) printf("not refused: %s: %s\n", #call, strerror(errno));             \
    } while (0)

int main(void) {
    const int huge_sizes[] = {0, 16, 21, 25, 30, 34};
    for (int i = 0; i < 6; i++) {
        unsigned size = (unsigned)huge_sizes[i] << MAP_HUGE_SHIFT;
        REFUSED(mmap(NULL, 1 << 21, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (int)size, -1, 0));
        REFUSED(mmap(NULL, 1 << 21, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | (int)size, -1, 0));
        REFUSED(memfd_create("huge", MFD_HUGETLB | size));
    }
    REFUSED(syscall(SYS_memfd_create, "huge", 1UL << 32 | MFD_HUGETLB));
    REFUSED(syscall(SYS_shmget, 1, 1 << 21, 04000 | 01666));
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REFUSED(madvise(page, 4096, MADV_MERGEABLE));
    REFUSED(syscall(SYS_madvise, page, 4096, 1UL << 32 | MADV_MERGEABLE));
    REFUSED(prctl(67, 1, 0, 0, 0)); // PR_SET_MEMORY_MERGE
    REFUSED(syscall(SYS_prctl, 1UL << 32 | 67, 1, 0, 0, 0));
    if (prctl(0x53564d41, 0, page, 4096, "name") == 0) puts("not refused: PR_SET_VMA");
    unsigned long range[2] = {0, 0}, cached[5];
    if (syscall(451, 0, range, cached, 0) == 0) puts("not refused: cachestat");
    if (madvise(page, 4096, MADV_DONTNEED) || madvise(page, 4096, MADV_NOHUGEPAGE)) puts("no advice is taken");
    if (memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING) < 0) puts("no file in memory");
    puts("ok");
    return 0;
}
