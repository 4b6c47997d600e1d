/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_build.h: from a loaded module to its table: finds and reads its .eh_frame.
 *
 *     rc = unwind_build_module(&source, &is_unwanted, size_max, &table);
 *
 * The module may go away at any time: everything is read by self_read(), into pages of our own, and
 * no lock of the loader is held. Threads: any. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_BUILD_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_BUILD_H

#include "probe/agent/unwind/modules.h"
#include "probe/agent/unwind/unwind_table.h"

/* What of a module is needed, so that the list may change meanwhile. */
struct unwind_source {
    uint64_t low, high, unwind_header;
    struct segment segments[MODULE_SEGMENTS_MAX];
    uint32_t segment_count;
};

void unwind_source_init(struct unwind_source *ret, const struct loaded_module *module);

/* 0; -ENOENT: it has no entries; -EFAULT: it cannot be read; and as unwind_table_build(). */
int unwind_build_module(const struct unwind_source *source, const _Atomic bool *is_unwanted,
                        size_t size_max, struct unwind_table **ret);

#endif
