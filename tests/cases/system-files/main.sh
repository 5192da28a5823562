#!/bin/bash
# Tries: to change the kernel's settings and the container's limits through files. Opens without writing, so that nothing
# breaks where one should ever succeed. Stopped by: /proc/sys, /sys and the cgroups are read-only, and Landlock.
attempt() {
    # The engine covers some files with /dev/null itself; what is written there is nobody's.
    [[ -c $1 && $(stat -c %t:%T "$1") == 1:3 ]] && return
    (: >>"$1") 2>/dev/null && echo "opened for writing: $1"
}
for file in /proc/sysrq-trigger /proc/sys/kernel/{core_pattern,modprobe,hotplug,hostname,domainname,randomize_va_space,ns_last_pid,unprivileged_userns_clone} \
    /proc/sys/vm/{drop_caches,overcommit_memory,panic_on_oom} /proc/sys/fs/{file-max,suid_dumpable} /proc/sys/fs/binfmt_misc/register \
    /proc/{kcore,kmem,kallsyms,kpageflags,latency_stats,timer_list,acpi,scsi,bus,irq,mtrr,keys,mounts,self/mem,self/oom_score_adj,self/autogroup,self/clear_refs,self/coredump_filter,self/timerslack_ns,self/sched,self/uid_map,self/gid_map,self/setgroups,self/loginuid,self/attr/current,self/attr/exec}; do
    attempt "$file"
done
while IFS= read -r file; do
    attempt "$file"
done < <(find /sys/fs/cgroup /sys/kernel /sys/module /sys/power /sys/firmware /proc/sys/kernel /proc/sys/fs /proc/sys/vm -type f 2>/dev/null | head -n 3000)
mkdir /sys/fs/cgroup/{,*/}escape 2>/dev/null && echo "made a cgroup"
mkdir /dev/cgroup 2>/dev/null && echo "made a folder in /dev"
echo ok
