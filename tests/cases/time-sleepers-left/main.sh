#!/bin/bash
# Tries: to keep the next test waiting with background jobs that sleep and hold every stream.
# Stopped by: the test is over when the program is; the rest is swept.
for _ in {1..10}; do
    (trap '' TERM HUP INT; exec setsid sleep 3600) &
done
disown -a
echo done
