# Tries: to shut PID 1 out of the workspace after the compile step, which takes the permissions of the places themselves
# away (see job.json). Stopped by: a place gets its mode back before it is copied, emptied or used.
stat -c '%a %n' /box /tmp /dev/shm
