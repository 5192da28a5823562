#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static void mappings(void) {
    char *small = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(small, 'a', MIB);
    char *large = mremap(small, MIB, 64 * MIB, MREMAP_MAYMOVE);
    printf("%c %d\n", large[MIB - 1], large[MIB]);
    printf("%d", mprotect(large, 4096, PROT_READ));
    printf("%d", madvise(large + MIB, 63 * MIB, MADV_DONTNEED));
    unsigned char resident;
    printf("%d", mincore(large, 4096, &resident));
    printf("%d", mlock(large, 4096));
    printf("%d\n", munmap(large, 64 * MIB));
    // Far more address space than memory: only what is touched counts.
    char *huge = mmap(NULL, 1UL << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    huge[1UL << 39] = 1;
    puts(huge == MAP_FAILED ? "no" : "a terabyte");
}

static void files(void) {
    char name[] = "/tmp/mappedXXXXXX";
    int file = mkstemp(name);
    if (ftruncate(file, 4 * MIB)) abort();
    uint32_t *numbers = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    for (uint32_t i = 0; i < MIB; i++) numbers[i] = i;
    printf("%d\n", msync(numbers, 4 * MIB, MS_SYNC));
    uint32_t last;
    if (pread(file, &last, 4, 4 * MIB - 4) != 4) abort();
    printf("%u %d\n", last, unlink(name));
    int memory = memfd_create("scratch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    printf("%d", memory >= 0);
    printf("%d", (int)write(memory, "x", 1));
    printf("%d", fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE));
    printf("%d\n", (int)write(memory, "x", 1));
}

static sigjmp_buf back;
static void caught(int signal) { siglongjmp(back, signal); }

static void faults(void) {
    // On a stack of its own, as one needs for an overflow of the usual one.
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct sigaction action = {.sa_handler = caught, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    volatile int zero = 0, signal;
    if ((signal = sigsetjmp(back, 1)) == 0) *(volatile char *)0 = 1;
    printf("%s\n", signal == SIGSEGV ? "bad address caught" : "?");
    if ((signal = sigsetjmp(back, 1)) == 0) zero = 7 / zero;
    printf("%s\n", signal == SIGFPE ? "division caught" : "?");
    // A guard page, made writable on demand.
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ((signal = sigsetjmp(back, 1)) == 0) page[0] = 1;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    page[0] = 2;
    printf("%d\n", page[0]);
}

// A function made at run time, as just-in-time compilers do it.
static void code(void) {
#ifdef __x86_64__
    static const unsigned char add[] = {0x8d, 0x04, 0x37, 0xc3}; // lea eax, [rdi + rsi]; ret
#else
    static const unsigned char add[] = {0x00, 0x00, 0x01, 0x0b, 0xc0, 0x03, 0x5f, 0xd6}; // add w0, w0, w1; ret
#endif
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, add, sizeof add);
    __builtin___clear_cache(page, page + 4096);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC)) abort();
    printf("%d\n", ((int (*)(int, int))(uintptr_t)page)(40, 2));
}

static int depth(int level) {
    volatile char frame[100];
    frame[0] = (char)level;
    return level == 0 ? 0 : 1 + depth(level - 1) + frame[0] * 0;
}

static void heap(void) {
    long total = 0;
    for (int round = 0; round < 50; round++) {
        char *blocks[1000];
        for (int i = 0; i < 1000; i++) blocks[i] = memset(malloc((size_t)i * 17 + 1), i, (size_t)i * 17 + 1);
        for (int i = 0; i < 1000; i++) total += (unsigned char)blocks[i][i], free(blocks[i]);
    }
    printf("%ld\n", total);
    // Near the limit of 256 MiB, of which the rest of the process takes little.
    char *most = malloc(200u * MIB);
    memset(most, 1, 200u * MIB);
    printf("%d\n", most[200u * MIB - 1]);
    free(most);
    printf("%d\n", depth(500000));
    void *aligned = NULL;
    int failed = posix_memalign(&aligned, 1 << 16, 100);
    printf("%d %d\n", failed, (int)((uintptr_t)aligned % (1 << 16)));
}

int main(int count, char **words) {
    const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"mappings", mappings}, {"files", files}, {"faults", faults}, {"code", code}, {"heap", heap}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count > 1 && !strcmp(words[1], parts[i].name)) parts[i].run();
    return 0;
}
