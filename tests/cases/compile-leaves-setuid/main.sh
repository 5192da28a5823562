# Tries: to run as somebody else by a program that the compile step marked so (see job.json). Stopped by: the mount
# ignores the mark, and no-new-privileges.
./id -u | grep -qx "$(id -u)" && echo same
