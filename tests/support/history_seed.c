/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/history_seed.h"

#include "tests/support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { AT_ONCE = 5000 }; /* Redis stands still meanwhile: a tenth of a second */

void history_seed(const struct history_seed *seed)
{
    for (size_t first = 0; first < seed->count; first += AT_ONCE) {
        size_t count = seed->count - first < AT_ONCE ? seed->count - first : AT_ONCE;
        char command[1024];

        snprintf(command, sizeof command,
                 "--eval " HISTORY_SEED_LUA " , '%s' %u %s %zu %zu %" PRIu64 " %" PRIu64 " %u",
                 seed->application, seed->place, seed->template, first, count, seed->base_ms,
                 seed->step_ms, seed->events);
        if (strtoull(redis_process_ask(seed->redis, command), NULL, 10) != count)
            fail_msg("the history was not made");
    }
}

void history_seed_cursor(const struct history_seed *seed, size_t number, char ret[TASK_ID_SIZE + 1])
{
    snprintf(ret, TASK_ID_SIZE + 1, "%011" PRIx64 "000000000",
             seed->base_ms + number * seed->step_ms);
}
