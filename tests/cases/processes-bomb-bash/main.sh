#!/bin/bash
# Tries: the shell's classic fork bomb, while the program itself waits for what never comes.
# Stopped by: the pids limit, and the wall or CPU time, whichever the bomb uses up first.
if [[ ${1-} == calm ]]; then
    echo calm
    exit
fi
bomb() { bomb | bomb & }
mkfifo never
bomb 2>/dev/null
read -r _ <>never
