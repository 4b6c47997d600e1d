/* SPDX-License-Identifier: Apache-2.0 */
/* drop_counts.h: what ledgers say was lost, as counters that only grow.
 *
 * Ledgers are absolute and come again and again; metrics want what was added since. So the last
 * ledger of each task and instance is kept, DROP_LEDGERS_MAX of them; the one that was not heard
 * of for longest makes room. */
#ifndef STAKEOUT_SCHEDULER_INTAKE_DROP_COUNTS_H
#define STAKEOUT_SCHEDULER_INTAKE_DROP_COUNTS_H

#include "common/model/task.h"

enum { DROP_LEDGERS_MAX = 4096 }; /* 64 tasks of 64 instances; about 1 MB */

struct drop_counts;
struct metrics;

struct drop_counts *drop_counts_new(struct metrics *metrics);
struct drop_counts *drop_counts_free(struct drop_counts *counts);

/* Adds what the ledger has more than the last one of its task and instance. `known_for_ns`: since
 * when we know the instance. A ledger that we see for the first time, and that was armed for longer
 * than that, has a past that we did not see: it is where counting begins. */
void drop_counts_take(struct drop_counts *counts, const struct task_ledger *ledger,
                      uint64_t known_for_ns);

#endif
