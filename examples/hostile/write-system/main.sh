#!/bin/bash
# Opens without writing, so that nothing breaks where one of them should ever succeed.
for file in /usr/bin/evil /etc/passwd /etc/evil /evil /proc/sys/kernel/core_pattern /proc/sysrq-trigger \
    /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes /proc/1/oom_score_adj; do
    if (: >>"$file") 2>/dev/null; then echo "wrote $file"; fi
done
echo "finished"
