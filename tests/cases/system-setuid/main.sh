#!/bin/bash
# Tries: to become somebody else through programs that run as their owner: any that the image has, and copies of its own.
# Stopped by: the images have none, the mounts ignore the bit, and no-new-privileges.
find / -xdev -perm /6000 -print 2>/dev/null | grep -vx /tmp
for folder in /box /tmp /dev/shm; do
    find "$folder" -perm /6000 2>/dev/null
    cp /usr/bin/id "$folder/id"
    chmod 6755 "$folder/id"
    "$folder/id" -u 2>/dev/null | grep -vx "$(id -u)"
    chown 0:0 "$folder/id" 2>/dev/null && echo "gave $folder/id away"
done
for command in 'su -c id' 'newgrp root' 'chroot / id' 'setpriv --reuid=0 id' 'setpriv --inh-caps=+all --ambient-caps=+all id' \
    'nsenter -t 1 -a id' 'unshare -r id' 'mount -t tmpfs none /tmp'; do
    timeout 5 $command >/dev/null 2>&1 </dev/null && echo "not refused: $command"
done
grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' /proc/self/status | grep -v $'\t0000000000000000$'
grep -q '^NoNewPrivs:.*1$' /proc/self/status || echo "new privileges are possible"
((UID == 0)) && echo "root"
echo ok
