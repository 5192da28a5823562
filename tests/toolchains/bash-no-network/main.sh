(exec 3<>/dev/tcp/127.0.0.1/80) 2>&1
(exec 3<>/dev/udp/127.0.0.1/53) 2>&1
getent hosts localhost || echo "localhost has no entry: $?"
hostname 2>/dev/null || cat /proc/sys/kernel/hostname
cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '
