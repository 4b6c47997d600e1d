/* SPDX-License-Identifier: Apache-2.0 */
/* turns.h: large work takes turns: so much at once, and the rest waits in line.
 *
 *     turn_wait(turns, &job->turn, begin, job);   0: begin(job) is called, now or later
 *     ...
 *     turn_end(turns);                            when the job is done with; begins the next
 *
 * A struct turn belongs to the caller and stays where it is until `begin` is called. Who waits
 * cannot leave the line: whoever need not begin any more ends as soon as it has begun.
 *
 * One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_API_TURNS_H
#define STAKEOUT_SCHEDULER_API_TURNS_H

#include <sys/queue.h>

struct turns;

typedef void (*turn_fn)(void *context);

struct turn {
    TAILQ_ENTRY(turn) link;
    turn_fn begin;
    void *context;
};

struct turns *turns_new(unsigned at_once_max, unsigned waiting_max);
struct turns *turns_free(struct turns *turns); /* nothing is at work, nothing waits */

/* 0, and `begin` is called before or after this returns; or -EBUSY, the line being full. */
int turn_wait(struct turns *turns, struct turn *turn, turn_fn begin, void *context);
void turn_end(struct turns *turns);

#endif
