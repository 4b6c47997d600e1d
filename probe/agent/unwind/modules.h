/* SPDX-License-Identifier: Apache-2.0 */
/* modules.h: what is loaded where: program, libraries, vdso.
 *
 *     modules_refresh(&modules)             before a round of unwinding: 20 ns when nothing changed
 *     module = modules_find(&modules, pc)
 *
 * The list is a copy: after a dlclose it may name what is gone. So nobody reads a module's memory
 * through it but by self_read(). A pointer to a module lives until the next refresh.
 *
 * Threads: one at a time; refresh takes the loader's list lock for the time of a copy. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_MODULES_H
#define STAKEOUT_PROBE_AGENT_UNWIND_MODULES_H

#include "common/base/text.h"
#include "common/model/call_stack.h"

enum { MODULE_SEGMENTS_MAX = 8 };

struct segment {
    uint64_t low, high;
    bool is_code;
};

struct loaded_module {
    char *path;         /* owned; "[vdso]" for the vdso */
    uint64_t bias;      /* what was added to the file's own addresses */
    uint64_t low, high; /* of all segments */
    struct segment segments[MODULE_SEGMENTS_MAX];
    uint32_t segment_count;
    uint64_t unwind_header; /* address of .eh_frame_hdr; 0: none */
    uint8_t build_id_size;
    uint8_t build_id[BUILD_ID_SIZE_MAX];
};

struct modules {
    struct loaded_module *list; /* by `low` */
    uint32_t count;
    uint64_t generation;     /* rises with each rebuild; 0: never built */
    uint64_t loads, unloads; /* the loader's counters at the last rebuild */
};

void modules_done(struct modules *modules); /* accepts a zeroed struct */

/* Rebuilds the list if the loader's counters moved. Returns whether it did. Without memory the list
 * is shorter. While the host forks nothing is done (fork_gate.h). */
bool modules_refresh(struct modules *modules);

/* The module that holds an address, in any segment, or NULL. */
const struct loaded_module *modules_find(const struct modules *modules, uint64_t address);

/* Is the address within a segment of this module, and how far does that go? 0: it is not. */
uint64_t module_segment_end(const struct loaded_module *module, uint64_t address);
bool module_holds_code(const struct loaded_module *module, uint64_t address);

/* Bytes held. */
uint64_t modules_size(const struct modules *modules);

#endif
