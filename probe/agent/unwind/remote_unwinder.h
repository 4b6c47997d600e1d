/* SPDX-License-Identifier: Apache-2.0 */
/* remote_unwinder.h: the one door to libunwind: it steps over frames that our rows cannot express,
 * and over all of them in modules that have no table yet.
 *
 *     remote_unwinder_begin(remote, &view);              a walk begins; costs nothing
 *     result = remote_unwinder_step(remote, 3, &frame);  from its fourth frame to that one's caller
 *
 * It reads nothing but the copy and the segments of known modules, the latter without faulting.
 *
 * Threads: one at a time, as the unwinder. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_REMOTE_UNWINDER_H
#define STAKEOUT_PROBE_AGENT_UNWIND_REMOTE_UNWINDER_H

#include "probe/agent/unwind/unwind_step.h"

#include <stddef.h>

struct modules;
struct remote_unwinder;
struct stack_view;

/* `modules` must outlive it. Without libunwind on this machine, and in a static program, every step
 * is STEP_OTHER; so it is until the loader, which the host may keep busy, has opened it. 0 or
 * -ENOMEM. */
int remote_unwinder_open(const struct modules *modules, struct remote_unwinder **ret);
struct remote_unwinder *remote_unwinder_close(struct remote_unwinder *remote); /* returns NULL */
bool remote_unwinder_has_library(const struct remote_unwinder *remote);        /* or will have */

/* Modules came or went: forgets what it kept of them. */
void remote_unwinder_flush(struct remote_unwinder *remote);

/* The view must live until the walk's last step. */
void remote_unwinder_begin(struct remote_unwinder *remote, const struct stack_view *view);

/* From the walk's frame `index` (0: the innermost), which must be *frame, to its caller. Indexes
 * only rise within a walk. */
enum step_result remote_unwinder_step(struct remote_unwinder *remote, uint32_t index,
                                      struct frame_state *frame);

/* The whole walk of a view by libunwind alone, program counters as it gives them: the reference
 * that tests and benches measure ours against. Returns how many; *ret_complete: it is whole. */
uint32_t remote_unwinder_walk(struct remote_unwinder *remote, const struct stack_view *view,
                              uint64_t *ret_pcs, uint32_t count_max, bool *ret_complete);

/* Was a register asked for, since the walk began, that is not known? */
bool remote_unwinder_lacked(const struct remote_unwinder *remote);

/* Where the unwind entry that holds an address begins, by the module's own table; 0: unknown. */
uint64_t remote_unwinder_function(struct remote_unwinder *remote, uint64_t pc);

/* Where the one behind it begins: there the code that it is about has ended, at the latest. */
uint64_t remote_unwinder_function_end(struct remote_unwinder *remote, uint64_t pc);

/* Reads bytes of a known module, from pages that are kept. False: not all are readable. */
bool remote_unwinder_read(struct remote_unwinder *remote, uint64_t address, void *ret, size_t size);

uint64_t remote_unwinder_size(const struct remote_unwinder *remote); /* bytes held */

#endif
