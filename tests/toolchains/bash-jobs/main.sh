set -uo pipefail

# Background jobs and their exit codes.
for i in 3 1 2; do
    (sleep "0.0$i"; exit "$i") &
    pids[i]=$!
done
for i in 1 2 3; do
    wait "${pids[i]}"
    echo "job $i: $?"
done
sleep 60 &
kill -TERM $!
wait $!
echo "killed: $?"
sleep 0.01 & sleep 0.02 &
wait -n && echo "one is done"
wait

# A coprocess to talk with.
coproc upper { while read -r line; do echo "${line^^}"; done; }
talker=$upper_PID
echo "hello" >&"${upper[1]}"
read -r answer <&"${upper[0]}"
echo "$answer"
exec {upper[1]}>&-
wait "$talker"

# Traps and signals.
trap 'echo "caught USR1"' USR1
kill -USR1 $$
trap 'echo "error $?"' ERR
false
trap - ERR
timeout 0.05 sleep 60
echo "timeout: $?"
(trap 'echo bye' EXIT; exit 4)
echo "$? $(ulimit -n) $(ulimit -c)"

# Subshells, recursion, arithmetic.
fibonacci() { (($1 < 2)) && echo "$1" || echo $(($(fibonacci $(($1 - 1))) + $(fibonacci $(($1 - 2))))); }
fibonacci 8
printf '%s\n' {1..20} | xargs -P 4 -n 5 sh -c 'echo "$#"' sh | sort | uniq -c | awk '{print $1, $2}'
xargs -P 2 -I{} bash -c 'exit {}' <<<"0"
flock /tmp/lock -c 'echo locked'
setsid sh -c 'echo "a session of its own"'
nohup true 2>/dev/null && nice -n 5 true && echo "nice"
[[ -t 0 ]] || echo "no terminal"
