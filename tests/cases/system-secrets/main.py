# Tries: to read what tells of the host or of other jobs. Stopped by: there is nothing of theirs in the container, and
# what the kernel shows to everybody is covered.
import os
import stat

SECRETS = (
    "/etc/shadow", "/etc/gshadow", "/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/timer_list", "/proc/sched_debug",
    "/proc/scsi/scsi", "/proc/acpi/wakeup", "/dev/kmsg", "/dev/mem", "/dev/port", "/proc/1/environ", "/proc/vmcore",
    "/proc/sys/kernel/cap_last_cap/../core_pattern/x", "/sys/firmware/acpi/tables/DSDT", "/sys/kernel/debug/x",
    "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/root/.aws/credentials",
    "/var/run/secrets/kubernetes.io/serviceaccount/token", "/.dockerenv/x", "/run/secrets/x",
)

def is_covered(path):
    """The engine puts /dev/null over a file that tells of the host; which files differs with its version."""
    status = os.stat(path)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)

for path in SECRETS:
    try:
        with open(path, "rb") as file:
            if file.read(1):
                print("read", path)
    except OSError:
        pass
for name, value in os.environ.items():
    if any(word in name for word in ("AWS", "KEY", "TOKEN", "SECRET", "CAISSON", "DOCKER")):
        print("variable", name, value)
others = [name for name in os.listdir("/proc") if name.isdigit() and name not in ("1", str(os.getpid()))]
if others:
    print("other processes", others)
for line in open("/proc/self/mountinfo"):
    fields = line.split()
    if fields[4] not in ("/box", "/tmp", "/dev/shm", "/proc", "/dev", "/dev/pts", "/dev/mqueue") and "ro" not in fields[5].split(","):
        if os.access(fields[4], os.W_OK) and not is_covered(fields[4]):
            print("writable mount", line.strip())
    if any(source in line for source in ("docker.sock", "/etc/shadow", "overlay /home")):
        print("mounted", line.strip())
print("ok")
