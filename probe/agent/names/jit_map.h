/* SPDX-License-Identifier: Apache-2.0 */
/* jit_map.h: names of code that was compiled while the program ran, from its perf map.
 *
 *     struct jit_map *map = jit_map_new(NULL);           /tmp/perf-PID.map of this process
 *     jit_map_refresh(map);                              before a batch: reads it if it changed
 *     size = jit_map_find(map, pc, name, sizeof name);
 *     jit_map_free(map);
 *
 * V8, the JVM's agents, LuaJIT, .NET and others write such a file where they are told to
 * (--perf-basic-prof and the like): a line "START SIZE NAME" in hex per function. PID is what
 * getpid() says, so within a container its own.
 *
 * Only a regular file that belongs to our user is read, never through a symbolic link, for /tmp is
 * everybody's. Names only: code of a JIT has no unwind tables, so a stack that meets it goes on by
 * frame pointers, or is cut there.
 *
 * Limits: of a longer file, its last JIT_MAP_SIZE_MAX bytes; a map that is being written is read as
 * far as it goes. Threads: one at a time; the reporter's. Without memory nothing is named. */
#ifndef STAKEOUT_PROBE_AGENT_NAMES_JIT_MAP_H
#define STAKEOUT_PROBE_AGENT_NAMES_JIT_MAP_H

#include <stddef.h>
#include <stdint.h>

enum {
    JIT_MAP_SIZE_MAX = 4 * 1024 * 1024, /* bytes of file that are kept: some 60,000 functions */
    JIT_FUNCTIONS_MAX = 128 * 1024,
};

struct jit_map;

struct jit_map *jit_map_new(const char *path); /* NULL: the usual one. NULL without memory */
struct jit_map *jit_map_free(struct jit_map *map);

void jit_map_refresh(struct jit_map *map);

/* The name of the function that holds the address, cut to ret_size - 1 bytes, and where it begins
 * in *ret_begin. Returns the name's size; 0: it is not known. */
size_t jit_map_find(const struct jit_map *map, uint64_t address, char *ret, size_t ret_size,
                    uint64_t *ret_begin);

size_t jit_map_size(const struct jit_map *map); /* bytes held */

#endif
