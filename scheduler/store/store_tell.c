/* SPDX-License-Identifier: Apache-2.0 */
/* store_tell.c: telling other schedulers what was changed here; store_news.c is who reads it.
 *
 *   FCALL ..., then XADD news MAXLEN ~ NEWS_MAX * by US application A task T version V sample S...
 *
 * What comes while an earlier telling is under way waits for its answer, and the samples that one
 * task got meanwhile go as one entry. So the first of them is told at once, and under load there
 * is one entry for as many as Redis takes in a turn: an entry for each would cost Redis, which
 * stores it, wakes every reader and hands it out, a tenth of what the report itself does. If the
 * next reports go in this turn, what is told goes with them, and shares their fsync.
 *
 * An entry of another version of the tasks is another entry: readers count versions. Readers of
 * the first release look at the first sample of an entry only.
 *
 * INVARIANT: at most one round of XADDs alone is under way. What waits is told when it ends, or at
 * the end of this turn of the loop. */
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/store_private.h"

enum { NEWS_MAX = 10000 };

struct told {
    struct told *next;
    char application[APPLICATION_SIZE_MAX + 1];
    struct task_id task;
    uint64_t version;
    struct sample_id samples[STORE_TOLD_SAMPLES_MAX];
    size_t count;
};

struct store_tell {
    struct store *store;
    struct told *first, **last;
    bool is_under_way, is_deferred;
};

static void on_told_answer(void *my, size_t index, const struct redis_value *value)
{
    (void)my;
    (void)index;
    (void)value;
}

static void on_told_access(void *my, const struct problem *problem)
{
    (void)my;
    (void)problem; /* the others see it later */
}

static struct redis_command *add_news(struct store *store, struct round *round)
{
    struct redis_command *command = round_add_tolerated(round, "XADD");

    redis_command_add(command, TEXT(KEY_NEWS));
    redis_command_add(command, TEXT("MAXLEN"));
    redis_command_add(command, TEXT("~"));
    redis_command_add_u64(command, NEWS_MAX);
    redis_command_add(command, TEXT("*"));
    redis_command_add(command, TEXT("by"));
    redis_command_add(command, text_of(store->name));
    return command;
}

static void add_field(struct redis_command *command, const char *name, struct text value)
{
    redis_command_add(command, text_of(name));
    redis_command_add(command, value);
}

/* Tasks ------------------------------------------------------------------------------------- */

static struct told *take_first(struct store_tell *tell)
{
    struct told *told = tell->first;

    if (!told) return NULL;
    tell->first = told->next;
    if (!tell->first) tell->last = &tell->first;
    return told;
}

static void add_told(struct store *store, struct round *round, const struct told *told)
{
    struct redis_command *command = add_news(store, round);

    add_field(command, "application", text_of(told->application));
    add_field(command, "task", text_of(told->task.text));
    redis_command_add(command, TEXT("version"));
    redis_command_add_u64(command, told->version);
    for (size_t i = 0; i < told->count; i++) {
        add_field(command, "sample", text_of(told->samples[i].text));
    }
}

static void add_waiting_to(struct store_tell *tell, struct round *round)
{
    struct told *told;

    while ((told = take_first(tell)) != NULL) {
        add_told(tell->store, round, told);
        free(told);
    }
}

void store_tell_along(struct store *store, struct round *round)
{
    add_waiting_to(store->tell, round);
}

static void on_told(void *my, const struct problem *problem);

/* At the end of a turn of the loop. */
static void tell_all(void *context)
{
    struct store_tell *tell = context;
    struct round *round;

    tell->is_deferred = false;
    if (tell->is_under_way || !tell->first || store_reports_go_now(tell->store)) return;
    tell->is_under_way = true;
    round = round_new(tell->store, on_told_answer, on_told, tell);
    add_waiting_to(tell, round);
    round_send(round);
}

static void on_told(void *my, const struct problem *problem)
{
    struct store_tell *tell = my;

    (void)problem; /* the others see it later */
    tell->is_under_way = false;
    tell_all(tell);
}

/* The entry that waits for this sample's likes, and has room. */
static struct told *find_told(struct store_tell *tell, const struct task *task, uint64_t version)
{
    for (struct told *told = tell->first; told; told = told->next) {
        if (told->version == version && told->count > 0 &&
            told->count < ARRAY_COUNT(told->samples) &&
            strcmp(told->task.text, task->id.text) == 0) {
            return told;
        }
    }
    return NULL;
}

static struct told *add_waiting(struct store_tell *tell, const struct task *task, uint64_t version)
{
    struct told *told = mem_zalloc(1, sizeof(*told));

    memcpy(told->application, task->spec.application, sizeof(told->application));
    told->task = task->id;
    told->version = version;
    *tell->last = told;
    tell->last = &told->next;
    return told;
}

void store_tell_task(struct store *store, const struct task *task, uint64_t version,
                     const struct sample_id *sample)
{
    struct store_tell *tell = store->tell;
    struct told *told = sample ? find_told(tell, task, version) : NULL;

    if (!told) told = add_waiting(tell, task, version);
    if (sample) told->samples[told->count++] = *sample;
    if (!tell->is_deferred) store_defer(store, tell_all, tell);
    tell->is_deferred = true;
}

struct store_tell *store_tell_new(struct store *store)
{
    struct store_tell *tell = mem_zalloc(1, sizeof(*tell));

    tell->store = store;
    tell->last = &tell->first;
    return tell;
}

struct store_tell *store_tell_free(struct store_tell *tell)
{
    struct told *told;

    if (!tell) return NULL;
    while ((told = take_first(tell)) != NULL) {
        free(told);
    }
    free(tell);
    return NULL;
}

/* Access ------------------------------------------------------------------------------------ */

void store_add_access_news(struct store *store, struct round *round)
{
    add_field(add_news(store, round), "access", TEXT("changed"));
}

void store_tell_access(struct store *store)
{
    struct round *round = round_new(store, on_told_answer, on_told_access, store);

    store_add_access_news(store, round);
    round_send(round);
}
