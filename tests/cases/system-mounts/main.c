// Tries: to mount, unmount and move the root, with the old calls and the new ones. Stopped by: the filter.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if ((call) != -1 || errno != EPERM) printf("not refused: %s (%s)\n", #call, strerror(errno));                  \
    } while (0)

int main(void) {
    REFUSED(mount("none", "/tmp", "tmpfs", 0, NULL));
    REFUSED(mount("/", "/tmp", NULL, MS_BIND, NULL));
    REFUSED(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    REFUSED(mount(NULL, "/box", NULL, MS_REMOUNT, "size=1g"));
    REFUSED(mount("proc", "/tmp", "proc", 0, NULL));
    REFUSED(umount2("/box", MNT_DETACH));
    REFUSED(umount2("/proc/sys", MNT_DETACH));
    REFUSED(syscall(SYS_pivot_root, "/box", "/box"));
    REFUSED(chroot("/box"));
    REFUSED(syscall(SYS_open_tree, -100, "/", 1));
    REFUSED(syscall(SYS_move_mount, -100, "/box", -100, "/tmp", 0));
    REFUSED(syscall(SYS_fsopen, "tmpfs", 0));
    REFUSED(syscall(SYS_fspick, -100, "/box", 0));
    REFUSED(syscall(SYS_fsconfig, 0, 0, 0, 0, 0));
    REFUSED(syscall(SYS_fsmount, 0, 0, 0));
    REFUSED(syscall(SYS_mount_setattr, -100, "/", 0, 0, 0));
    puts("ok");
    return 0;
}
