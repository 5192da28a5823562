#!/bin/bash
# Tries: to find a place to write that is not emptied: by its permissions, and by trying.
# Stopped by: the root is read-only, and nothing but the three places is writable.
find / -xdev \( -path /proc -o -path /sys \) -prune -o ! -type l -writable ! -path '/box*' ! -path /tmp ! -path /dev/shm -print 2>/dev/null |
    while read -r path; do
        if [[ -d $path ]]; then : 2>/dev/null >"$path/left" && echo "wrote into $path"; else : 2>/dev/null >>"$path" && echo "wrote to $path"; fi
    done
for folder in / /var/tmp /run /run/lock /var/lock /home /root /mnt /opt /srv /etc /usr/local /caisson /dev /dev/mqueue /dev/pts; do
    (: >"$folder/left") 2>/dev/null && echo "made a file in $folder"
    mkdir "$folder/left-folder" 2>/dev/null && echo "made a folder in $folder"
    ln -s /etc/passwd "$folder/left-link" 2>/dev/null && echo "made a link in $folder"
    [[ -e $folder/left || -e $folder/left-folder || -L $folder/left-link ]] && echo "something is left in $folder"
done
echo ok
