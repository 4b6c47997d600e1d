/* SPDX-License-Identifier: Apache-2.0 */
/* task_state.c: the life of a task (declared in task_spec.h).
 *
 *     SCHEDULED --start reached--> ACTIVE --duration over------> EXPIRED
 *         |                          |------cap reached--------> FILLED
 *         +--------------------------+------operator cancels---> CANCELLED
 *
 * The right-hand column is final: the state of a task in it never changes again. Its samples may
 * come and be replaced for ACCEPT_AFTER_END_MS, except a cancelled one's. */
#include "common/model/task_spec.h"

#include <errno.h>

#define TO(state) (1u << TASK_##state)

/* clang-format off */
static const struct {
    const char *name;
    unsigned moves;
} states[TASK_STATE_COUNT] = {
    [TASK_SCHEDULED] = { "SCHEDULED", TO(ACTIVE) | TO(CANCELLED) },
    [TASK_ACTIVE]    = { "ACTIVE",    TO(EXPIRED) | TO(FILLED) | TO(CANCELLED) },
    [TASK_EXPIRED]   = { "EXPIRED",   0 },
    [TASK_FILLED]    = { "FILLED",    0 },
    [TASK_CANCELLED] = { "CANCELLED", 0 },
};
/* clang-format on */

static bool is_state(enum task_state state)
{
    return (unsigned)state < TASK_STATE_COUNT;
}

const char *task_state_name(enum task_state state)
{
    return is_state(state) ? states[state].name : "UNKNOWN";
}

int task_state_parse(struct text text, enum task_state *ret)
{
    for (unsigned i = 0; i < TASK_STATE_COUNT; i++) {
        if (text_is_equal(text_of(states[i].name), text)) {
            *ret = (enum task_state)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool task_state_is_final(enum task_state state)
{
    return is_state(state) && states[state].moves == 0;
}

bool task_may_move(enum task_state from, enum task_state to)
{
    return is_state(from) && is_state(to) && (states[from].moves & 1u << to) != 0;
}
