#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# surroundings.sh NM OUTPUT LIBRARY...: writes C with a function for each that the libraries export,
# which tells its name and aborts, and an empty object for each of theirs: what a host has that
# brings other versions of them.
set -eu
nm=$1 output=$2
shift 2
{
    echo 'void surrounding_called(const char *name);'
    for library in "$@"; do
        "$nm" --dynamic --defined-only --format=posix "$library"
    done | awk '
        { sub(/@.*/, "", $1) }
        $1 !~ /^[A-Za-z_][A-Za-z_0-9]*$/ || $1 in seen { next }
        $1 == "_init" || $1 == "_fini" || $2 == "A" { next }
        { seen[$1] = 1 }
        $2 ~ /[TWi]/ { printf "void %s(void);\nvoid %s(void) { surrounding_called(\"%s\"); }\n", $1, $1, $1 }
        $2 ~ /[DBRVu]/ { printf "extern char %s[64];\nchar %s[64];\n", $1, $1 }'
} >"$output.new"
mv "$output.new" "$output"
