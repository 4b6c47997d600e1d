/* SPDX-License-Identifier: Apache-2.0 */
/* store_lease.c: which of the schedulers on one Redis does what one should do (7_leases.lua). */
#include <stdlib.h>

#include "common/base/check.h"
#include "scheduler/store/store_private.h"

struct lease {
    bool is_held;
    store_lease_fn then;
    void *context;
};

static void on_answer(void *my, size_t index, const struct redis_value *value)
{
    struct lease *lease = my;

    (void)index;
    lease->is_held = redis_value_u64(value) == 1;
}

static void on_done(void *my, const struct problem *problem)
{
    struct lease *lease = my;

    lease->then(lease->context, lease->is_held, problem);
    free(lease);
}

void store_lease(struct store *store, const char *what, uint32_t lasts_ms, store_lease_fn then,
                 void *context)
{
    struct lease *lease = mem_zalloc(1, sizeof(*lease));
    struct round *round = round_new(store, on_answer, on_done, lease);
    struct redis_command *command = round_add_function(round, STORE_FUNCTION("lease"), 1);

    lease->then = then;
    lease->context = context;
    redis_command_add_format(command, KEY_LEASE "%s", what);
    redis_command_add(command, text_of(store->name));
    redis_command_add_u64(command, lasts_ms);
    round_send(round);
}
