/* SPDX-License-Identifier: Apache-2.0 */
/* call.h: begin, end and the moves of calls (the public header's functions), and what the rest of
 * the probe must know of their tokens.
 *
 * A token, stakeout_call, is { generation of the record and its index + 1, epoch of the process }:
 * 0 is no call; a call that ended, or one of the parent of a fork, is recognized. */
#ifndef STAKEOUT_PROBE_HOT_CALL_H
#define STAKEOUT_PROBE_HOT_CALL_H

#include <stdint.h>

/* The parts of opaque[0]. */
static inline uint64_t token_make(uint32_t record, uint32_t generation)
{
    return (uint64_t)generation << 32 | (record + 1);
}

static inline uint32_t token_record(uint64_t token)
{
    return (uint32_t)token - 1;
}

static inline uint32_t token_generation(uint64_t token)
{
    return (uint32_t)(token >> 32);
}

/* What runs at the first begin in a forked child, on the thread that begins: the one moment when
 * the probe does more than nothing there. NULL: nothing. Threads: any. */
void call_on_fork_child(void (*on_fork_child)(void));

/* Ends a call that its thread left behind, and counts it as forgotten. */
void call_forget(uint64_t token);

/* The trace ID of a call: the one that was given, or one made of the token and the process's
 * key, always the same for a call. Threads: any. */
struct record_view;
void call_trace(const struct record_view *view, uint64_t ret[2]);

/* Calls in flight, for the cost report. Threads: any. */
uint32_t call_count_running(void);

#endif
