#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# undefined_symbols.sh NM ALLOWED OBJECT...: fails if the objects together need a symbol that they
# do not define themselves and ALLOWED does not list; and if ALLOWED lists malloc.
set -eu
nm=$1 allowed=$2
shift 2
needs=$("$nm" -u "$@" | awk '$1 == "U" { print $2 }' | sort -u)
has=$("$nm" --defined-only "$@" | awk 'NF == 3 { print $3 }' | sort -u)
bad=$(printf '%s\n' "$needs" | grep -vxF -e "$has" | grep -vxF -f "$allowed" || true)
[ -z "$bad" ] || {
    printf 'not allowed on the threads of a host:\n%s\n' "$bad"
    exit 1
}
! grep -qxE 'malloc|calloc|realloc|free|printf|fprintf' "$allowed"
