/* SPDX-License-Identifier: Apache-2.0 */
/* verdict.h: what became of a task, in one sentence: what it caught, or why it caught nothing.
 *
 * Past tense, no advice, no blame; the figures are the ledger's. Pure. */
#ifndef STAKEOUT_SCHEDULER_API_VERDICT_H
#define STAKEOUT_SCHEDULER_API_VERDICT_H

#include "common/base/buf.h"
#include "common/model/task.h"

enum { VERDICT_SIZE_MAX = 4096, VERDICT_NEAREST_MAX = 3 };

/* A name that was seen, of the last 15 minutes. */
struct verdict_name {
    struct text interface;
    uint64_t count, max_ns;
};

struct verdict_facts {
    const struct task *task;
    const struct task_ledger *ledgers; /* one per instance that ever had it */
    size_t ledger_count;
    uint32_t instance_count; /* that poll for the application now */
    uint32_t admitted_count; /* of them, those that the task's `instances` admit */
    bool interface_was_seen; /* by anybody, lately */
    struct text applications[VERDICT_NEAREST_MAX]; /* nearest names, if this one is not known */
    size_t application_count;
    struct verdict_name nearest[VERDICT_NEAREST_MAX];
    size_t nearest_count;
};

/* " Nearest: 'shop', 'shop-eu'." Nothing, if there is no name. */
void verdict_names(const struct text *names, size_t count, struct buf *to);

void verdict_write(const struct verdict_facts *facts, struct buf *to);

/* Three digits, as people say them: "184 ms", "1.84 s", "1 min 12 s"; and "2,104". */
void verdict_duration(uint64_t ns, struct buf *to);
void verdict_count(uint64_t count, struct buf *to);

#endif
