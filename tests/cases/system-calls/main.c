// Tries: every door to the kernel that no judged program needs. Stopped by: the list of allowed calls doesn't have them.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

// Any other error would mean that the call got past the filter, and only its arguments were bad.
#define REFUSED(name, ...)                                                                                             \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if (syscall(SYS_##name, __VA_ARGS__) != -1 || (errno != EPERM && errno != ENOSYS))                             \
            printf("not refused: %s (%s)\n", #name, strerror(errno));                                                  \
    } while (0)

int main(void) {
    char space[256] = {0};
    REFUSED(io_uring_setup, 8, space);
    REFUSED(io_uring_enter, 0, 0, 0, 0, 0, 0);
    REFUSED(io_uring_register, 0, 0, 0, 0);
    REFUSED(bpf, 0, space, 64);
    REFUSED(bpf, 5, space, 64);
    REFUSED(perf_event_open, space, 0, -1, -1, 0);
    REFUSED(userfaultfd, 0);
    REFUSED(userfaultfd, 1);
    REFUSED(keyctl, 0, -3, 1);
    REFUSED(keyctl, 1, 0);
    REFUSED(add_key, "user", "left", "hello", 5, -4);
    REFUSED(request_key, "user", "left", 0, -4);
    REFUSED(memfd_secret, 0);
    REFUSED(name_to_handle_at, -100, "/", space, space, 0);
    REFUSED(open_by_handle_at, 0, space, 0);
    REFUSED(fanotify_init, 0, 0);
    REFUSED(quotactl, 0, "/", 0, space);
    REFUSED(syslog, 3, space, sizeof space);
    REFUSED(acct, "/tmp/acct");
    REFUSED(swapon, "/tmp/swap", 0);
    REFUSED(reboot, 0xfee1dead, 672274793, 0x01234567, 0);
    REFUSED(kexec_load, 0, 0, 0, 0);
    REFUSED(init_module, space, 0, "");
    REFUSED(finit_module, 0, "", 0);
    REFUSED(delete_module, "x", 0);
    REFUSED(sethostname, "left", 4);
    REFUSED(setdomainname, "left", 4);
    REFUSED(vhangup, 0);
    REFUSED(modify_ldt, 0, space, sizeof space);
    REFUSED(iopl, 3);
    REFUSED(ioperm, 0, 1, 1);
    REFUSED(vmsplice, 1, space, 0, 0);
    REFUSED(mbind, 0, 0, 0, 0, 0, 0);
    REFUSED(set_mempolicy, 0, 0, 0);
    REFUSED(sync, 0);
    REFUSED(syncfs, 1);
    REFUSED(remap_file_pages, 0, 0, 0, 0, 0);
    REFUSED(personality, 0x0040000); // no randomized addresses
    REFUSED(personality, 0x0400000); // readable means executable
    REFUSED(lookup_dcookie, 0, space, sizeof space);
    puts("ok");
    return 0;
}
