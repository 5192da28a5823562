// Tries: to take its confinement off: rights, users, filters, the no-new-privileges flag. Stopped by: each only ever
// grows; a filter that allows everything takes nothing off.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        if ((call) == 0) printf("not refused: %s\n", #call);                                                           \
    } while (0)

int main(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct rights[2] = {{~0U, ~0U, ~0U}, {~0U, ~0U, ~0U}};
    gid_t root = 0;
    REFUSED(syscall(SYS_capset, &header, rights));
    REFUSED(setuid(0));
    REFUSED(setresuid(0, 0, 0));
    REFUSED(setgid(0));
    REFUSED(setgroups(1, &root));
    REFUSED(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    REFUSED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT + 10, 0, 0, 0));
    REFUSED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0));
    REFUSED(prctl(PR_SET_SECUREBITS, 0x2f, 0, 0, 0));
    REFUSED(prctl(PR_SET_MM, PR_SET_MM_ARG_START, 4096, 0, 0));
    REFUSED(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
    struct sock_filter everything = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &everything};
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    if (syscall(SYS_unshare, 0x10000000) == 0) puts("the filter came off");
    if (syscall(SYS_setpriority, 2, 0, 19) == 0) puts("the second filter came off");
    for (int right = 0; right < 64; right++) {
        if (prctl(PR_CAPBSET_READ, right, 0, 0, 0) == 1) printf("right %d can be gained\n", right);
    }
    if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0) puts("root");
    if (getgroups(0, NULL) > 1) puts("further groups");
    puts("ok");
    return 0;
}
