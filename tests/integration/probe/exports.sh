#!/bin/sh
# exports.sh NM READELF EXPORTS SHARED STATIC SANITIZED: both libraries export what EXPORTS lists and
# nothing else, the archive defines nothing that a host could collide with, and the shared library
# needs libc alone and is never unloaded.
set -eu
nm=$1 readelf=$2 exports=$3 shared=$4 static=$5 sanitized=${6:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

LC_ALL=C sort "$exports" >"$work/expected"
"$nm" --dynamic --defined-only --format=posix "$shared" | cut -d' ' -f1 | LC_ALL=C sort \
    >"$work/shared"
"$nm" --extern-only --defined-only --format=posix "$static" | awk 'NF > 1 { print $1 }' |
    LC_ALL=C sort >"$work/static"
diff -u "$work/expected" "$work/shared"
diff -u "$work/expected" "$work/static"

"$readelf" --dynamic --wide "$shared" >"$work/dynamic"
grep -q 'SONAME.*\[libstakeout\.so\.0\]' "$work/dynamic"
grep -q 'NODELETE' "$work/dynamic"
needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$work/dynamic" | tr '\n' ' ')
[ -n "$sanitized" ] || [ "$needed" = "libc.so.6 " ] || {
    echo "needs more than libc: $needed"
    exit 1
}
