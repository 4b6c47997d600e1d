/* SPDX-License-Identifier: Apache-2.0 */
/* pacer.h: how often something may happen, for each of many: a burst, and then so many a second.
 *
 *     struct pacer *pacer = pacer_new();
 *     struct pace pace = { .interval_ns = NS_PER_S, .burst = 10 };
 *     wait_ns = pacer_take(pacer, &key, &pace, now_ns);
 *     0: it may; otherwise it may not, until so long from now
 *
 * Bounded: it knows PACER_PLACES keys, and of more it forgets those that have waited the longest.
 * Who is forgotten may do a burst again; nobody is held up by what others did. */
#ifndef STAKEOUT_SCHEDULER_ACCESS_PACER_H
#define STAKEOUT_SCHEDULER_ACCESS_PACER_H

#include <stddef.h>
#include <stdint.h>

enum { PACER_PLACES = 4096, PACER_WAYS = 8 };

struct pacer;

struct pacer_key {
    uint8_t bytes[16];
};

struct pace {
    uint64_t interval_ns; /* between two, in the long run */
    uint32_t burst;       /* so many at once, 1 or more */
};

struct pacer *pacer_new(void);
struct pacer *pacer_free(struct pacer *pacer);
uint64_t pacer_take(struct pacer *pacer, const struct pacer_key *key, const struct pace *pace,
                    uint64_t now_ns);

#endif
