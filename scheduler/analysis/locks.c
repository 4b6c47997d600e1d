/* SPDX-License-Identifier: Apache-2.0 */
/* locks.c: which locks were waited for, and what their owners were doing meanwhile.
 *
 * A row is one lock, and one function of the application in which its owner was: so the same lock
 * held by load_prices() and by save_order() is two rows, whichever threads ran them. Of a row's
 * owners the one that was waited for the longest stands for all: its name and its stack are shown.
 * Waiting whose owner is not known has a row of its own, so that the rows of a lock add up.
 *
 * INVARIANT: the sum of the rows is the cost of waiting for locks of the whole analysis. */
#include "common/base/check.h"
#include "scheduler/analysis/private.h"
#include "scheduler/analysis/room.h"

#include <stdlib.h>
#include <string.h>

struct locking {
    struct analysis *analysis;
    struct guilt *guilts;  /* by holder */
    struct tally rows;     /* (lock's text, 1 + symbol of the owner's function; 0: not known) */
    struct tally threads;  /* (row, thread's name) */
    struct tally holders;  /* (row, holder) */
    uint64_t *counts;      /* by row: its snapshots */
    uint32_t row_capacity; /* of counts */
};

uint32_t holder_add(struct analysis *analysis, struct holder holder)
{
    room_for_one(&analysis->holders, analysis->holder_count, &analysis->holder_capacity,
                 sizeof *analysis->holders);
    analysis->holders[analysis->holder_count++] = holder;
    return analysis->holder_count;
}

/* What the owner of a moment's lock was in; 0: not known. */
static uint32_t held_in(struct locking *locking, const struct moment *moment)
{
    const struct analysis *analysis = locking->analysis;
    struct guilt *guilt;

    if (moment->holder == 0) return 0;
    guilt = &locking->guilts[moment->holder - 1];
    if (!guilt->is_known)
        *guilt = guilt_find(&analysis->frames, &analysis->holder_paths,
                            analysis->holders[moment->holder - 1].path);
    return guilt->own == FRAME_NONE ? 0 : 1 + frame_symbol(&analysis->frames, guilt->own);
}

static void lock_moment(struct locking *locking, struct moment *moment)
{
    uint64_t ns = moment->cost.ns[COST_LOCK];
    uint32_t row, capacity = locking->row_capacity;

    if (ns == 0) return;
    row = tally_add(&locking->rows, moment->waiting_for, held_in(locking, moment), ns);
    room_for_one(&locking->counts, row, &locking->row_capacity, sizeof *locking->counts);
    if (locking->row_capacity > capacity)
        memset(locking->counts + capacity, 0,
               (locking->row_capacity - capacity) * sizeof *locking->counts);
    locking->counts[row]++;
    moment->lock = 1 + row;
    if (moment->holder == 0) return;
    tally_add(&locking->holders, row, moment->holder - 1, ns);
    tally_add(&locking->threads, row, locking->analysis->holders[moment->holder - 1].thread_name,
              ns);
}

static void lock_fill(const struct locking *locking, struct lock *lock, uint32_t holder)
{
    lock->holder = 1 + holder;
    lock->own = locking->guilts[holder].own;
    lock->called = locking->guilts[holder].called;
}

static struct lock_list lock_list_of(const struct locking *locking)
{
    struct lock_list list = { .count = locking->rows.count };
    OWN(mem_freep) uint32_t *heaviest = mem_zalloc(list.count + 1, sizeof *heaviest);

    list.rows = mem_zalloc(list.count + 1, sizeof *list.rows);
    tally_heaviest(&locking->holders, heaviest, list.count);
    for (uint32_t i = 0; i < list.count; i++) {
        struct lock *lock = &list.rows[i];

        *lock = (struct lock){ .row = i,
                               .waiting_for = locking->rows.rows[i].of,
                               .own = FRAME_NONE,
                               .called = FRAME_NONE,
                               .ns = locking->rows.rows[i].ns,
                               .count = locking->counts[i] };
        if (heaviest[i] != HASH_NONE)
            lock_fill(locking, lock, locking->holders.rows[heaviest[i]].part);
    }
    for (uint32_t i = 0; i < locking->threads.count; i++)
        list.rows[locking->threads.rows[i].of].thread_count++;
    return list;
}

static int lock_compare(const void *left_item, const void *right_item)
{
    const struct lock *left = left_item, *right = right_item;

    if (left->ns != right->ns) return left->ns > right->ns ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

/* The longest first; the moments follow. */
static void lock_list_sort(struct lock_list *list, struct analysis *analysis)
{
    OWN(mem_freep) uint32_t *places = mem_zalloc(list->count + 1, sizeof *places);

    qsort(list->rows, list->count, sizeof *list->rows, lock_compare);
    for (uint32_t i = 0; i < list->count; i++)
        places[list->rows[i].row] = i;
    for (size_t i = 0; i < analysis->moment_count; i++) {
        struct moment *moment = &analysis->moments[i];

        if (moment->lock > 0) moment->lock = 1 + places[moment->lock - 1];
    }
}

struct lock_list lock_list_make(struct analysis *analysis)
{
    struct locking locking = { .analysis = analysis };
    struct lock_list list;

    locking.guilts = mem_zalloc(analysis->holder_count + 1, sizeof *locking.guilts);
    for (size_t i = 0; i < analysis->moment_count; i++)
        lock_moment(&locking, &analysis->moments[i]);
    list = lock_list_of(&locking);
    lock_list_sort(&list, analysis);
    free(locking.guilts);
    free(locking.counts);
    tally_done(&locking.rows);
    tally_done(&locking.threads);
    tally_done(&locking.holders);
    return list;
}
