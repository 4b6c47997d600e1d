/* SPDX-License-Identifier: Apache-2.0 */
/* store_trim.c: forgetting, one task at a time.
 *
 *   1  GET bytes, ZRANGEBYSCORE ended LIMIT 1, ZRANGE stored 0 0     whose turn is it?
 *   2  HGETALL samples                                               what does it hold?
 *      in a Cluster, PEXPIRE of their bodies: should we end before 4, they end by themselves
 *   3  FCALL forget | shed, with those blobs as keys                 AGAIN if that changed
 *   4  the pointers: DEL sample..., ZREM trace..., DEL task
 *   or, of an application that has had no task for an hour: FCALL retire
 *
 * Pointers go last: one that leads nowhere is no harm, a sample without one cannot be found. If
 * we end between 3 and 4, those few pointers stay (about 100 bytes each). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

struct trim {
    struct store *store;
    struct text application; /* of application_data */
    char application_data[APPLICATION_SIZE_MAX + 1];
    struct key_tag tag;
    uint64_t cutoff_ms, bytes_max, bytes;
    store_trimmed_fn then;
    void *context;
    struct task_id id;
    bool is_empty;                  /* it has no tasks at all */
    bool is_old, is_heavy, is_done; /* to be forgotten; to be shed; the function agreed */
    struct sample_summary *samples;
    size_t count;
};

static void trim_end(struct trim *trim, const struct problem *problem)
{
    struct store_trimmed trimmed = {
        .tasks = trim->is_done && trim->is_old,
        .samples = trim->is_done ? (uint32_t)trim->count : 0,
        .more = trim->is_old || trim->is_heavy,
    };

    trim->then(trim->context, problem ? NULL : &trimmed, problem);
    free(trim->samples);
    free(trim);
}

static void on_pointers_answer(void *my, size_t index, const struct redis_value *value)
{
    (void)my;
    (void)index;
    (void)value;
}

static void on_pointers_done(void *my, const struct problem *problem)
{
    trim_end(my, problem);
}

/* This command for each body, which the function cannot reach: it has another slot. */
static void add_bodies(struct round *round, const struct trim *trim, const char *name)
{
    for (size_t i = 0; i < trim->count; i++) {
        struct redis_command *command = round_add(round, name);

        key_add_body(command, &trim->samples[i].id, trim->samples[i].revision);
        if (strcmp(name, "PEXPIRE") == 0) redis_command_add_u64(command, STAGED_MS);
    }
}

static void drop_pointers(struct trim *trim)
{
    struct round *round = round_new(trim->store, on_pointers_answer, on_pointers_done, trim);

    for (size_t i = 0; i < trim->count; i++) {
        struct redis_command *trace;
        key_add_sample_pointer(round_add(round, "DEL"), &trim->samples[i].id);
        trace = round_add(round, "ZREM");
        key_add_trace(trace, &trim->samples[i].trace);
        redis_command_add(trace, text_of(trim->samples[i].id.text));
    }
    if (trim->is_old) key_add_task_pointer(round_add(round, "DEL"), &trim->id);
    if (trim->store->cluster) add_bodies(round, trim, "UNLINK");
    round_send(round);
}

static void on_forget_answer(void *my, size_t index, const struct redis_value *value)
{
    struct trim *trim = my;

    (void)index;
    trim->is_done = text_is_equal(redis_value_text(value), TEXT("DONE"));
}

/* It was not done: the samples are others now, or it is not its turn any more. */
static void keep_bodies(struct trim *trim)
{
    struct round *round = round_new(trim->store, on_pointers_answer, on_pointers_done, trim);

    add_bodies(round, trim, "PERSIST");
    round_send(round);
}

static void on_forget_done(void *my, const struct problem *problem)
{
    struct trim *trim = my;

    if (!problem && trim->is_done) {
        drop_pointers(trim);
    } else if (!problem && trim->store->cluster) {
        keep_bodies(trim);
    } else {
        trim_end(trim, problem);
    }
}

static void add_forget_keys(struct redis_command *command, const struct trim *trim)
{
    static const char *const ours[] = { "tasks", "ended", "stored", "bytes", "index" };
    static const char *const its[] = { "", "samples", "log", "seen", "ledger", "gone", "folded" };

    for (size_t i = 0; i < ARRAY_COUNT(ours); i++) {
        key_add(command, &trim->tag, ours[i]);
    }
    for (size_t i = 0; i < ARRAY_COUNT(its); i++) {
        key_add_task(command, &trim->tag, &trim->id, its[i]);
    }
}

static void add_shed_keys(struct redis_command *command, const struct trim *trim)
{
    key_add(command, &trim->tag, "stored");
    key_add(command, &trim->tag, "bytes");
    key_add_task(command, &trim->tag, &trim->id, "");
    key_add_task(command, &trim->tag, &trim->id, "log");
    key_add_task(command, &trim->tag, &trim->id, "samples");
}

static void forget_or_shed(struct trim *trim)
{
    enum { FORGET_KEYS = 12, SHED_KEYS = 5 };
    struct round *round = round_new(trim->store, on_forget_answer, on_forget_done, trim);
    bool is_apart = trim->store->cluster;
    unsigned keys = trim->is_old ? FORGET_KEYS : SHED_KEYS;
    struct redis_command *command =
        round_add_function(round, trim->is_old ? STORE_FUNCTION("forget") : STORE_FUNCTION("shed"),
                           keys + (is_apart ? 0 : (unsigned)trim->count));

    if (trim->is_old) {
        add_forget_keys(command, trim);
    } else {
        add_shed_keys(command, trim);
    }
    for (size_t i = 0; i < trim->count && !is_apart; i++) {
        key_add_blob(command, &trim->tag, &trim->samples[i].id, trim->samples[i].revision);
    }
    redis_command_add(command, text_of(trim->id.text));
    if (trim->is_old) redis_command_add_u64(command, trim->cutoff_ms);
    for (size_t i = 0; i < trim->count; i++) {
        redis_command_add(command, text_of(trim->samples[i].id.text));
        redis_command_add_u64(command, trim->samples[i].revision);
    }
    round_send(round);
}

static void on_held(void *my, const struct problem *problem)
{
    struct trim *trim = my;

    if (problem)
        trim_end(trim, problem);
    else
        forget_or_shed(trim);
}

static void let_bodies_end(struct trim *trim)
{
    struct round *round = round_new(trim->store, on_pointers_answer, on_held, trim);

    add_bodies(round, trim, "PEXPIRE");
    round_send(round);
}

static void on_held_samples(void *my, const struct store_samples *samples,
                            const struct problem *problem)
{
    struct trim *trim = my;

    if (!problem) {
        trim->count = samples->count;
        trim->samples = mem_zalloc(samples->count + 1, sizeof(*trim->samples));
        if (samples->count) {
            memcpy(trim->samples, samples->summaries, samples->count * sizeof(*trim->samples));
        }
    }
    if (!problem && trim->store->cluster)
        let_bodies_end(trim);
    else
        on_held(trim, problem);
}

enum { RETIRE_AFTER_MS = 3600 * 1000 };

enum turn_step { TURN_BYTES, TURN_OLD, TURN_HEAVY, TURN_TASKS };

static void on_turn_answer(void *my, size_t index, const struct redis_value *value)
{
    struct trim *trim = my;
    struct text first = redis_value_text(redis_value_at(value, 0));

    switch ((enum turn_step)index) {
    case TURN_BYTES:
        trim->bytes = redis_value_u64(value);
        break;
    case TURN_OLD:
        trim->is_old = task_id_parse(first, &trim->id) == 0;
        break;
    case TURN_HEAVY:
        if (trim->is_old || trim->bytes_max == 0 || trim->bytes <= trim->bytes_max) return;
        trim->is_heavy = task_id_parse(first, &trim->id) == 0;
        break;
    case TURN_TASKS:
        trim->is_empty = redis_value_u64(value) == 0;
        break;
    }
}

static void retire(struct trim *trim)
{
    struct round *round = round_new(trim->store, on_pointers_answer, on_pointers_done, trim);
    struct redis_command *command = round_add_function(round, STORE_FUNCTION("retire"), 1);
    uint64_t now_ms = store_now_wall_ms(trim->store);

    redis_command_add(command, TEXT(KEY_APPLICATIONS));
    redis_command_add(command, trim->application);
    redis_command_add_u64(command, now_ms > RETIRE_AFTER_MS ? now_ms - RETIRE_AFTER_MS : 0);
    round_send(round);
}

static void on_turn(void *my, const struct problem *problem)
{
    struct trim *trim = my;

    if (!problem && trim->is_empty) {
        retire(trim);
    } else if (problem || (!trim->is_old && !trim->is_heavy)) {
        trim_end(trim, problem);
    } else {
        store_samples(trim->store, trim->application, &trim->id, on_held_samples, trim);
    }
}

void store_trim(struct store *store, struct text application, uint64_t keep_ms, uint64_t bytes_max,
                store_trimmed_fn then, void *context)
{
    struct trim *trim = mem_zalloc(1, sizeof(*trim));
    struct round *round = round_new(store, on_turn_answer, on_turn, trim);
    uint64_t now_ms = store_now_wall_ms(store);
    struct redis_command *command;

    trim->store = store;
    memcpy(trim->application_data, application.data, application.size);
    trim->application = (struct text){ trim->application_data, application.size };
    trim->tag = key_tag_make(application);
    trim->cutoff_ms = now_ms > keep_ms ? now_ms - keep_ms : 0;
    trim->bytes_max = bytes_max;
    trim->then = then;
    trim->context = context;

    key_add(round_add(round, "GET"), &trim->tag, "bytes");
    command = round_add(round, "ZRANGEBYSCORE");
    key_add(command, &trim->tag, "ended");
    redis_command_add(command, TEXT("-inf"));
    redis_command_add_u64(command, trim->cutoff_ms);
    redis_command_add(command, TEXT("LIMIT"));
    redis_command_add(command, TEXT("0"));
    redis_command_add(command, TEXT("1"));
    command = round_add(round, "ZRANGE");
    key_add(command, &trim->tag, "stored");
    redis_command_add(command, TEXT("0"));
    redis_command_add(command, TEXT("0"));
    key_add(round_add(round, "ZCARD"), &trim->tag, "tasks");
    round_send(round);
}
