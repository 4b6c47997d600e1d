/* SPDX-License-Identifier: Apache-2.0 */
/* interrupted_work.h: calls that do nothing but enter system calls, and count what they see of us.
 *
 *     work_open();
 *     pthread_create(..., work_main, &worker)        each with its kind; until worker.may_end
 *     ... worker.eintr, worker.shorts ...
 *
 * Each turn runs for a few microseconds and enters one system call: of those that give up with
 * EINTR under any handler, SA_RESTART or not, and of those that write or read in parts. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_INTERRUPTED_WORK_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_INTERRUPTED_WORK_H

#include "probe/include/stakeout/stakeout.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ENTRIES_KEPT = 1 << 16 };

struct worker {
    uint32_t kind; /* of work_kinds */
    stakeout_interface_id interface;
    _Atomic bool may_end;
    _Atomic uint32_t tid;
    uint64_t turns, eintr, shorts; /* written by the thread, read after it ended */
    uint64_t random;
    _Atomic uint64_t entry_count; /* of the system calls that it entered, and when: */
    _Atomic uint64_t entries[ENTRIES_KEPT];
};

struct work_kind {
    const char *name;
    bool is_exact;    /* at any age: nothing of ours is ever seen in it */
    bool is_repaired; /* all but never, on a machine that keeps up */
    bool is_stream;   /* of which there is one: one worker at most */
    /* One system call. False: it ended otherwise than it should, errno says how; *ret_short: with
     * less than it was asked for. */
    bool (*turn)(struct worker *worker, bool *ret_short);
};

extern const struct work_kind work_kinds[];
extern const uint32_t work_kind_count;

int work_open(void); /* what the kinds need; -1 if it cannot be had */
void work_close(void);
void *work_main(void *worker);

/* Did the thread enter a system call within `ns` of this moment, of late? Threads: any. */
bool work_was_near_entry(const struct worker *worker, uint64_t at_ns, uint64_t ns);

#endif
