/* SPDX-License-Identifier: Apache-2.0 */
/* store_heard.c: which instances any of the schedulers hears, and when it last did: a ZSET of each
 * application. An instance that moves to another scheduler is not gone, and one that goes with its
 * scheduler is. */
#include <stdlib.h>

#include "common/base/check.h"
#include "scheduler/store/store_private.h"

enum { SILENT_MAX = 200 };

static void ignore_answer(void *my, size_t index, const struct redis_value *value)
{
    (void)my;
    (void)index;
    (void)value;
}

static void ignore_end(void *my, const struct problem *problem)
{
    (void)my;
    (void)problem; /* they are heard again soon */
}

void store_heard(struct store *store, struct text application, const struct store_heard *heard,
                 size_t count)
{
    struct round *round = round_new(store, ignore_answer, ignore_end, store);
    uint64_t now_ms = store_now_wall_ms(store);
    struct key_tag tag = key_tag_make(application);
    struct redis_command *command;

    CHECK(count > 0 && count <= STORE_HEARD_MAX);
    round_tolerate(round);
    command = round_add(round, "ZADD");
    key_add(command, &tag, "heard");
    redis_command_add(command, TEXT("GT"));
    for (size_t i = 0; i < count; i++) {
        char incarnation[INCARNATION_SIZE + 1];
        incarnation_format(heard[i].incarnation, incarnation);
        redis_command_add_u64(command, now_ms - heard[i].silent_ms);
        redis_command_add(command, text_of(incarnation));
    }
    round_send(round);
}

/* Who is silent ----------------------------------------------------------------------------- */

struct silent {
    struct store *store;
    struct key_tag tag;
    uint64_t incarnations[SILENT_MAX];
    size_t count;
    store_silent_fn then;
    void *context;
};

static void on_silent_answer(void *my, size_t index, const struct redis_value *value)
{
    struct silent *silent = my;

    (void)index;
    for (size_t i = 0; i < redis_value_count(value) && silent->count < SILENT_MAX; i++) {
        struct text text = redis_value_text(redis_value_at(value, i));
        silent->count += incarnation_parse(text, &silent->incarnations[silent->count]) == 0;
    }
}

static void forget_silent(const struct silent *silent)
{
    struct round *round = round_new(silent->store, ignore_answer, ignore_end, silent->store);
    struct redis_command *command = round_add(round, "ZREM");

    round_tolerate(round);
    key_add(command, &silent->tag, "heard");
    for (size_t i = 0; i < silent->count; i++) {
        char incarnation[INCARNATION_SIZE + 1];
        incarnation_format(silent->incarnations[i], incarnation);
        redis_command_add(command, text_of(incarnation));
    }
    round_send(round);
}

/* They are forgotten behind what the listener sends about them. */
static void on_silent_done(void *my, const struct problem *problem)
{
    struct silent *silent = my;

    silent->then(silent->context, silent->incarnations, problem ? 0 : silent->count, problem);
    if (!problem && silent->count > 0) forget_silent(silent);
    free(silent);
}

void store_silent(struct store *store, struct text application, uint64_t silent_ms,
                  store_silent_fn then, void *context)
{
    struct silent *silent = mem_zalloc(1, sizeof(*silent));
    struct round *round = round_new(store, on_silent_answer, on_silent_done, silent);
    struct redis_command *command = round_add(round, "ZRANGEBYSCORE");

    silent->store = store;
    silent->tag = key_tag_make(application);
    silent->then = then;
    silent->context = context;
    key_add(command, &silent->tag, "heard");
    redis_command_add(command, TEXT("-inf"));
    redis_command_add_u64(command, store_now_wall_ms(store) - silent_ms);
    redis_command_add(command, TEXT("LIMIT"));
    redis_command_add(command, TEXT("0"));
    redis_command_add_u64(command, SILENT_MAX);
    round_send(round);
}
