#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# large_module.sh FILE [MEGABYTES]: makes a shared object of so many megabytes (100), of C++ whose
# templates are inlined many deep, with full debug information. One object is compiled, and linked in
# again and again under other names: all its templates are local to it, so nothing is merged.
set -eu
file=$1
wanted=$((${2:-100} * 1000000))
here=$(dirname "$(readlink -f "$0")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${CXX:-c++}" -std=c++17 -O2 -g -fPIC -c -o "$scratch/one.o" "$here/large_module.cc"
link()
{
    "${CXX:-c++}" -shared -Wl,--build-id=sha1 -o "$file" "$scratch"/copy-*.o
}
copy()
{
    objcopy --redefine-sym large_entry=large_entry_"$1" "$scratch/one.o" "$scratch/copy-$1.o"
}
copy 1
link
first=$(stat -c %s "$file")
copy 2
link
each=$(($(stat -c %s "$file") - first)) # some of a copy is merged with the first
for i in $(seq 3 $(((wanted - first) / each + 2))); do
    copy "$i"
done
link
