#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cannot_abort.sh NM ARCHIVE...: fail if an archive that the probe links into its hosts could end
# the process or print.
set -eu
nm=$1
shift
wanted=$("$nm" -u "$@" | awk '$1 == "U" { print $2 }' | sort -u)
[ -n "$wanted" ] || { echo "nm listed nothing"; exit 2; }
bad=$(printf '%s\n' "$wanted" | grep -xE \
    'check_failed|mem_(alloc|zalloc|grow|text)|log_fields|abort|exit|_exit|__assert_fail|f?printf|puts|perror' || true)
[ -z "$bad" ] || { printf 'not allowed in a host:\n%s\n' "$bad"; exit 1; }
