set -euo pipefail

work=$(mktemp -d)
trap 'rm -r "$work"; echo "cleaned up"' EXIT
cat >"$work/data" <<END
ann 30 berlin
bob 7 paris
zoë 19 köln
END
awk '{sum += $2; if ($2 > best) {best = $2; who = $1}} END {printf "%d %s %.2f\n", sum, who, sum / NR}' "$work/data"
sed -En 's/^(\w+) ([0-9]+) (.*)$/\3: \1/p' "$work/data"
cut -d' ' -f3 "$work/data" | tr a-z A-Z | sort | uniq | wc -l
echo "scale=30; 4*a(1)" | bc -l
echo "2^200" | bc
gawk 'BEGIN {n = split("3 1 2", a); asort(a); for (i = 1; i <= n; i++) printf "%s ", a[i]; print strftime("%Y", 0, 1)}'
declare -A ages=([ann]=30 [bob]=7)
ages[zoë]=19
for name in $(printf '%s\n' "${!ages[@]}" | sort); do printf '%s=%s ' "$name" "${ages[$name]}"; done
echo
list=(c a b "with blank")
echo "${#list[@]} ${list[*]:1:2} ${list[-1]^^}"
text=файл.tar.gz
echo "${#text} ${text%%.*} ${text##*.} ${text/tar/zip}"
[[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo "${BASH_REMATCH[2]} ${BASH_REMATCH[1]}"
case $text in *.gz) echo compressed ;; *) echo plain ;; esac
printf '%q %x %5.1f|%-5s|\n' "it's" 255 3.14159 ab
find "$work" -type f -printf '%f %s\n' -exec md5sum {} + | cut -c1-8
date -d @0 +%F
tar -C "$work" -czf "$work/a.tgz" data && tar -tzf "$work/a.tgz"
base64 <<<"bytes" | base64 -d
numfmt --to=iec 1048576
comm -12 <(seq 1 5) <(seq 4 8) | paste -sd+ | bc
