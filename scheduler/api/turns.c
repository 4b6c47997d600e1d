/* SPDX-License-Identifier: Apache-2.0 */
/* turns.c: a count and a line. Something waits only while as much as may be is at work, so the end
 * of one is the beginning of the next. */
#include "scheduler/api/turns.h"

#include "common/base/check.h"

#include <errno.h>
#include <stdlib.h>

struct turns {
    unsigned at_once_max, waiting_max;
    unsigned at_once, waiting;
    TAILQ_HEAD(, turn) line;
};

struct turns *turns_new(unsigned at_once_max, unsigned waiting_max)
{
    struct turns *turns = mem_zalloc(1, sizeof *turns);

    turns->at_once_max = at_once_max;
    turns->waiting_max = waiting_max;
    TAILQ_INIT(&turns->line);
    return turns;
}

struct turns *turns_free(struct turns *turns)
{
    if (!turns) return NULL;
    CHECK(turns->at_once == 0 && turns->waiting == 0);
    free(turns);
    return NULL;
}

int turn_wait(struct turns *turns, struct turn *turn, turn_fn begin, void *context)
{
    turn->begin = begin;
    turn->context = context;
    if (turns->at_once < turns->at_once_max) {
        turns->at_once++;
        begin(context);
        return 0;
    }
    if (turns->waiting == turns->waiting_max) return -EBUSY;
    TAILQ_INSERT_TAIL(&turns->line, turn, link);
    turns->waiting++;
    return 0;
}

void turn_end(struct turns *turns)
{
    struct turn *next = TAILQ_FIRST(&turns->line);

    CHECK(turns->at_once > 0);
    if (!next) {
        turns->at_once--;
        return;
    }
    TAILQ_REMOVE(&turns->line, next, link);
    turns->waiting--;
    next->begin(next->context);
}
