#!/bin/sh
# install.sh CMAKE BUILD_DIR CC CXX: what `cmake --install` puts below a prefix, moved elsewhere, lets
# a three-line host be built with pkg-config and with find_package, in C and C++, shared and
# static; and each of them runs.
set -eu
cmake=$1 build=$2 cc=$3 cxx=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for component in library development; do
    "$cmake" --install "$build" --prefix "$work/staged" --component $component >"$work/log"
done
mv "$work/staged" "$work/prefix"
if [ -e "$work/staged" ]; then exit 1; fi
libdir=$(dirname "$(find "$work/prefix" -name libstakeout.a)")
[ -e "$libdir/libstakeout.so.0" ]

cat >"$work/host.c" <<'END'
#include <stakeout/stakeout.h>
int main(void)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface("GET /"));
    stakeout_call_end(call, 200);
    return 0;
}
END
cp "$work/host.c" "$work/host.cc"

# A host that has functions of its own under names that we use inside.
cat >"$work/clash.c" <<'END'
#include <stakeout/stakeout.h>
#include <stdlib.h>
void buf_append(void), log_fields(void), slot_find(void), msgpack_zone_init(void);
void buf_append(void) { abort(); }
void log_fields(void) { abort(); }
void slot_find(void) { abort(); }
void msgpack_zone_init(void) { abort(); }
int main(void)
{
    int rc = stakeout_start(NULL);
    stakeout_call_end(stakeout_call_begin(stakeout_interface("GET /")), 200);
    stakeout_stop();
    return rc;
}
END

# pkg-config, for whoever builds by hand.
PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
[ "$(pkg-config --modversion stakeout)" = "$version" ]
flags=$(pkg-config --cflags --libs stakeout)
case $flags in *"$work/prefix"*) ;; *) echo "not relocatable: $flags"; exit 1 ;; esac
# shellcheck disable=SC2086 # flags are several words
"$cc" -Wall -Wextra -Werror -std=c99 -pedantic "$work/host.c" $flags -o "$work/by_hand"
LD_LIBRARY_PATH=$libdir "$work/by_hand"
"$cc" -std=c99 "$work/host.c" "-I$work/prefix/include" "$libdir/libstakeout.a" -o "$work/archive"
for library in "$libdir/libstakeout.a" "-L$libdir -lstakeout"; do
    # shellcheck disable=SC2086 # so are these
    "$cc" -std=c99 -rdynamic "$work/clash.c" "-I$work/prefix/include" $library -o "$work/clash"
    STAKEOUT_SERVER=http://127.0.0.1:9 LD_LIBRARY_PATH=$libdir "$work/clash"
done
"$work/archive"
"$cc" -Wall -Wextra -Werror -std=c99 -pedantic -DSTAKEOUT_OFF "-I$work/prefix/include" \
    "$work/host.c" -o "$work/off"
"$work/off"

# find_package, for whoever builds with CMake.
languages=C
[ -z "$cxx" ] || languages="C CXX"
mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(host LANGUAGES $languages)
find_package(stakeout 0.1 REQUIRED)
add_executable(shared_c ../host.c)
target_link_libraries(shared_c PRIVATE stakeout::probe)
add_executable(static_c ../host.c)
target_link_libraries(static_c PRIVATE stakeout::probe_static)
if(CMAKE_CXX_COMPILER)
    add_executable(shared_cxx ../host.cc)
    target_link_libraries(shared_cxx PRIVATE stakeout::probe)
    add_executable(static_cxx ../host.cc)
    target_link_libraries(static_cxx PRIVATE stakeout::probe_static)
endif()
END
"$cmake" -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_C_COMPILER="$cc" ${cxx:+-DCMAKE_CXX_COMPILER="$cxx"} >>"$work/log"
"$cmake" --build "$work/project/build" >>"$work/log" || { cat "$work/log"; exit 1; }
for host in "$work"/project/build/shared_* "$work"/project/build/static_*; do
    "$host"
done
