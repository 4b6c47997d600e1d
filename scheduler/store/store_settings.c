/* SPDX-License-Identifier: Apache-2.0 */
/* store_settings.c: what operators set for applications. As tokens they are few and asked for with
 * every poll, so all of them are in memory; the HASH is read again with every refresh, and after
 * every change made here. Two changes at one time: the one that comes last stands. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

struct settings_change {
    struct store *store;
    struct application_settings settings;
    store_done_fn then;
    void *context;
};

static int by_application(const void *left, const void *right)
{
    const struct application_settings *a = left, *b = right;

    return strcmp(a->application, b->application);
}

void store_on_settings(struct store *store, store_settings_fn on_change, void *context)
{
    store->on_settings = on_change;
    store->on_settings_context = context;
}

void store_settings_request(struct round *round)
{
    redis_command_add(round_add(round, "HGETALL"), TEXT(KEY_SETTINGS));
}

static const struct application_settings *find(const struct application_settings *all, size_t count,
                                               const struct application_settings *like)
{
    return count == 0 ? NULL : bsearch(like, all, count, sizeof(*all), by_application);
}

static void tell(const struct store *store, const struct application_settings *it)
{
    if (store->on_settings) store->on_settings(store->on_settings_context, it);
}

/* Who is not in the other list, or is there as of another time, has changed. */
static void tell_changes(const struct store *store, const struct application_settings *before,
                         size_t count)
{
    const struct application_settings none = { .application = "" };

    for (size_t i = 0; i < store->settings_count; i++) {
        const struct application_settings *now = &store->settings[i];
        const struct application_settings *was = find(before, count, now);

        if (!was || was->changed_wall_ms != now->changed_wall_ms) tell(store, now);
    }
    for (size_t i = 0; i < count; i++) {
        struct application_settings gone = none;

        if (find(store->settings, store->settings_count, &before[i])) continue;
        memcpy(gone.application, before[i].application, sizeof(gone.application));
        tell(store, &gone);
    }
}

void store_settings_read(struct store *store, const struct redis_value *value)
{
    struct application_settings *before = store->settings;
    size_t before_count = store->settings_count, count = redis_value_count(value), kept = 0;

    if (redis_value_is_error(value)) return; /* we go on with what we knew */
    store->settings = mem_zalloc(count / 2 + 1, sizeof(*store->settings));
    for (size_t i = 0; i + 1 < count; i += 2) {
        kept += record_read_settings(redis_value_text(redis_value_at(value, i)),
                                     redis_value_text(redis_value_at(value, i + 1)),
                                     &store->settings[kept]) == 0;
    }
    qsort(store->settings, kept, sizeof(*store->settings), by_application);
    store->settings_count = kept;
    tell_changes(store, before, before_count);
    free(before);
}

const struct application_settings *store_settings_find(const struct store *store,
                                                       struct text application)
{
    struct application_settings like = { .application = "" };

    if (application.size > APPLICATION_SIZE_MAX) return NULL;
    memcpy(like.application, application.data, application.size);
    return find(store->settings, store->settings_count, &like);
}

/* ---- a change ---- */

static void on_answer(void *my, size_t index, const struct redis_value *value)
{
    struct settings_change *change = my;

    if (index == 1) store_settings_read(change->store, value);
}

static void on_done(void *my, const struct problem *problem)
{
    struct settings_change *change = my;

    if (!problem) store_tell_access(change->store);
    change->then(change->context, problem);
    free(change);
}

static void on_too_many(void *my)
{
    struct settings_change *change = my;
    struct problem problem = { 0 };

    problem_set(&problem, PROBLEM_STORE_FULL,
                "%d applications have settings already, which is the most.", SETTINGS_MAX);
    on_done(change, &problem);
}

/* Later than what is there, so that the change shows. */
static uint64_t change_time(const struct store *store, const struct application_settings *before)
{
    uint64_t now_ms = store_now_wall_ms(store);

    return before && before->changed_wall_ms >= now_ms ? before->changed_wall_ms + 1 : now_ms;
}

void store_settings_put(struct store *store, const struct application_settings *settings,
                        store_done_fn then, void *context)
{
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);
    struct settings_change *change = mem_zalloc(1, sizeof(*change));
    const struct application_settings *before =
        store_settings_find(store, text_of(settings->application));
    struct redis_command *command;
    struct round *round;

    *change = (struct settings_change){ store, *settings, then, context };
    if (!before && store->settings_count >= SETTINGS_MAX) {
        store_defer(store, on_too_many, change);
        return;
    }
    change->settings.changed_wall_ms = change_time(store, before);
    record_write_settings(&record, &change->settings);
    round = round_new(store, on_answer, on_done, change);
    command = round_add(round, "HSET");
    redis_command_add(command, TEXT(KEY_SETTINGS));
    redis_command_add(command, text_of(change->settings.application));
    redis_command_add(command, buf_peek(&record));
    store_settings_request(round);
    round_send(round);
}
