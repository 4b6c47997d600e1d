/* SPDX-License-Identifier: Apache-2.0 */
/* history.c: life, and what the look-ups share. */
#include "scheduler/history/history.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "scheduler/history/history_private.h"

struct history *history_new(struct store *store)
{
    struct history *history = mem_zalloc(1, sizeof(*history));

    history->store = store;
    return history;
}

struct history *history_free(struct history *history)
{
    free(history);
    return NULL;
}

int cursor_refuse(struct text cursor, struct problem *problem)
{
    bool is_shown = cursor.size <= CURSOR_SIZE_MAX && text_is_printable(cursor);

    return problem_set_field(problem, "cursor",
                             "'cursor' is '%.*s'; it must be the \"next\" of the page before, "
                             "unchanged.",
                             is_shown ? (int)cursor.size : 3, is_shown ? cursor.data : "...");
}

int cursor_read_number(struct text cursor, uint64_t *ret, struct problem *problem)
{
    uint64_t number = 0;

    if (cursor.size > 0 && (text_to_u64(cursor, &number) < 0 || number > INT32_MAX)) {
        return cursor_refuse(cursor, problem);
    }
    *ret = number;
    return 0;
}

int limit_check(uint32_t limit, struct problem *problem)
{
    if (limit >= 1 && limit <= PAGE_LIMIT_MAX) return 0;
    return problem_set_field(problem, "limit", "'limit' is %u; it must be 1 to %d.",
                             (unsigned)limit, PAGE_LIMIT_MAX);
}
