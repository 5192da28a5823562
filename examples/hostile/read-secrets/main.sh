#!/bin/bash
# The name of what could be read, if anything.
for file in /etc/shadow /proc/1/environ /proc/1/mem /proc/1/maps /proc/kcore /var/run/docker.sock; do
    if (: <"$file") 2>/dev/null && head -c 1 "$file" >/dev/null 2>&1; then echo "read $file"; fi
done
echo "finished"
