set -euo pipefail

# Pipes, process substitution, here-documents.
seq 1 100 | grep 7 | sort -rn | head -n 3 | paste -sd,
diff <(printf 'a\nb\n') <(printf 'a\nc\n') || echo "different: ${PIPESTATUS[0]}"
tee >(wc -c >/tmp/count) <<<'here' >/dev/null
until [[ -s /tmp/count ]]; do sleep 0.01; done
cat /tmp/count
cat <<END
in ${0##*/}: $((6 * 7)) $(printf %03d 7)
END
cat <<'END'
as it stands: $HOME
END
exec 5<>/tmp/both
echo "through a descriptor" >&5
exec 5>&-
read -r line </tmp/both
echo "$line"
mkfifo /tmp/fifo
echo "through a fifo" >/tmp/fifo &
cat /tmp/fifo
wait
{ echo out; echo err >&2; } 2>&1 | sort | paste -sd' '
if false | true; then echo "pipefail is off"; else echo "pipefail"; fi
yes | head -n 1000 | uniq -c | awk '{print $1, $2}' || true
echo input | { read -r first; echo "$first from a group"; }
echo "to stderr by name" >/dev/stderr
echo "to stdout by name" >/dev/stdout
printf '%s\n' {1..5} | xargs -n 2 echo
mapfile -t lines
echo "${#lines[@]} lines, the last is ${lines[-1]}"
