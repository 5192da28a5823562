# Tries: to break the copying of the workspace: the compile step (see job.json) takes all permissions away from folders
# and files. Stopped by: PID 1 gives itself what it needs, and restores the rest as it was.
stat -c '%a %n' secret secret-file 2>/dev/null
echo ok
