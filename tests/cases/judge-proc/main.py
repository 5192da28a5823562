# Tries: to look into PID 1, or to change it, through every file that /proc has of it.
# Stopped by: PID 1 isn't dumpable, so these files are root's; Landlock refuses writing in /proc.
import os

# What may be known of any process of the same user, and tells nothing of the job.
HARMLESS = {
    "arch_status", "cgroup", "children", "cmdline", "comm", "cpu_resctrl_groups", "cpuset", "ksm_merging_pages", "ksm_stat", "limits",
    "loginuid", "mountinfo", "mounts", "oom_adj", "oom_score", "oom_score_adj", "projid_map", "gid_map", "uid_map", "sched",
    "schedstat", "sessionid", "setgroups", "stat", "statm", "status", "timers", "timerslack_ns", "wchan", "autogroup",
    "coredump_filter", "timens_offsets", "latency",
}


def attempt(path, name):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.read(descriptor, 64)
        os.close(descriptor)
        if name not in HARMLESS:
            print("read", path)
    except OSError:
        pass
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        print("opened for writing:", path)
    except OSError:
        pass
    try:
        print("followed", path, "to", os.readlink(path))
    except OSError:
        pass


for top in ("/proc/1", "/proc/1/task/1"):
    for name in os.listdir(top):
        if not os.path.isdir(f"{top}/{name}") or os.path.islink(f"{top}/{name}"):
            attempt(f"{top}/{name}", name)
    for name in ("fd", "fdinfo", "map_files", "ns", "cwd", "root", "root/proc", "root/box"):
        try:
            print("listed", name, os.listdir(f"{top}/{name}"))
        except OSError:
            pass
    for number in range(64):
        attempt(f"{top}/fd/{number}", "fd")
        attempt(f"{top}/fdinfo/{number}", "fdinfo")
    for name in ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"):
        attempt(f"{top}/ns/{name}", "ns")
if len(open("/proc/1/cmdline").read().strip("\0").split("\0")) != 1:
    print("PID 1 has arguments")
print("ok")
