/* SPDX-License-Identifier: Apache-2.0 */
/* store_tasks.c: tasks: creating and moving them, by functions that decide.
 *
 * Creating, step by step: the application enters the list of all (so that whatever the function
 * creates can be found), a pointer from the id to the application is staged for an hour, the
 * function decides, and what it accepted makes the pointer permanent. Should we end in between,
 * the task is there; loading it (store_live) writes its pointer again.
 *
 * The id is made here, by Redis' clock as last measured, because the key needs it; the function
 * refuses (SKEW) when that is more than a second off, and is called again with the right time. */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/model/task_spec.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

enum { CREATE_TRIES_MAX = 3 };

/* One move, from its call to its answer. */
struct move {
    struct store *store;
    struct key_tag tag;
    struct task_id id;
    struct task_spec spec; /* of a creation */
    store_answer_fn then;
    void *context;
    unsigned tries;
    bool skewed, misread;
    struct store_answer answer;
    struct task task;
};

static const struct {
    const char *word;
    enum store_verdict verdict;
} verdicts[] = {
    { "DONE", STORE_DONE },
    { "OVERLAP", STORE_OVERLAP },
    { "TOO_MANY", STORE_TOO_MANY_AT_ONCE },
    { "TOO_MANY_LIVE", STORE_TOO_MANY_LIVE },
    { "NO_TASK", STORE_NO_TASK },
    { "OVER", STORE_OVER },
    { "LONGEST", STORE_LONGEST },
    { "NOT_DUE", STORE_NOT_DUE },
};

static bool read_verdict(struct text word, enum store_verdict *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(verdicts); i++) {
        if (!text_is_equal(word, text_of(verdicts[i].word))) continue;
        *ret = verdicts[i].verdict;
        return true;
    }
    return false;
}

/* A function's answer: verdict, version, now, fields. */
static void read_answer(struct move *move, const struct redis_value *value)
{
    struct text word = redis_value_text(redis_value_at(value, 0));
    const struct redis_value *fields = redis_value_at(value, 3);
    struct store_answer *answer = &move->answer;

    store_note_clock(move->store, redis_value_u64(redis_value_at(value, 2)));
    if (text_is_equal(word, TEXT("SKEW"))) {
        move->skewed = true;
        return;
    }
    answer->version = redis_value_u64(redis_value_at(value, 1));
    if (!read_verdict(word, &answer->verdict)) {
        move->misread = true;
    } else if (answer->verdict == STORE_OVERLAP) {
        move->misread = record_read_conflict(redis_value_text(redis_value_at(fields, 0)),
                                             redis_value_text(redis_value_at(fields, 1)),
                                             &answer->conflict) < 0;
    } else if (redis_value_count(fields) > 0) {
        move->misread = record_read_task(fields, &move->id, &move->task) < 0;
        answer->task = &move->task;
    }
}

static void move_end(struct move *move, const struct problem *problem)
{
    struct problem misread;

    if (!problem && move->misread) {
        store_misread(&misread, "a task");
        problem = &misread;
    }
    if (!problem && move->answer.verdict == STORE_DONE && move->answer.task)
        store_tell_task(move->store, &move->task, move->answer.version, NULL);
    move->then(move->context, problem ? NULL : &move->answer, problem);
    free(move);
}

/* Creating ---------------------------------------------------------------------------------- */

static void create_send(struct move *move);

static void on_settled_pointer(void *my, size_t index, const struct redis_value *value)
{
    (void)my;
    (void)index;
    (void)value;
}

static void on_created(void *my, const struct problem *problem)
{
    move_end(my, problem);
}

/* A task that is there keeps its pointer; that of a refused one goes. */
static void settle_pointer(struct move *move)
{
    struct round *round = round_new(move->store, on_settled_pointer, on_created, move);

    key_add_task_pointer(round_add(round, move->answer.verdict == STORE_DONE ? "PERSIST" : "DEL"),
                         &move->id);
    round_send(round);
}

static void on_create_answer(void *my, size_t index, const struct redis_value *value)
{
    if (index == 2) read_answer(my, value);
}

static void on_create_done(void *my, const struct problem *problem)
{
    struct move *move = my;
    struct problem skew;

    if (!problem && move->skewed && move->tries >= CREATE_TRIES_MAX) {
        problem_set(&skew, PROBLEM_STORE_DOWN, "Redis' clock jumps; try again later.");
        problem = &skew;
    }
    if (problem) {
        move_end(move, problem);
    } else if (move->skewed) {
        create_send(move);
    } else {
        settle_pointer(move);
    }
}

static void create_send(struct move *move)
{
    struct store *store = move->store;
    const struct task_spec *spec = &move->spec;
    struct round *round = round_new(store, on_create_answer, on_create_done, move);
    struct redis_command *command;

    move->id = task_id_make(store_now_wall_ms(store));
    move->skewed = false;
    move->tries++;

    command = round_add(round, "ZADD");
    redis_command_add(command, TEXT(KEY_APPLICATIONS));
    redis_command_add_u64(command, store_now_wall_ms(store));
    redis_command_add(command, text_of(spec->application));

    command = round_add(round, "SET");
    key_add_task_pointer(command, &move->id);
    redis_command_add(command, text_of(spec->application));
    redis_command_add(command, TEXT("PX"));
    redis_command_add_u64(command, POINTER_MS);

    round_then(round);
    command = round_add_function(round, STORE_FUNCTION("create"), 7);
    key_add(command, &move->tag, "live");
    key_add(command, &move->tag, "version");
    key_add(command, &move->tag, "tasks");
    key_add_task(command, &move->tag, &move->id, "");
    key_add_task(command, &move->tag, &move->id, "log");
    key_add(command, &move->tag, "index");
    key_add(command, &move->tag, "indexed");
    redis_command_add(command, text_of(move->id.text));
    redis_command_add(command, text_of(spec->interface));
    redis_command_add_u64(command, spec->start_wall_ms);
    redis_command_add_u64(command, (uint64_t)spec->duration_min);
    redis_command_add_u64(command, TASKS_ACTIVE_MAX);
    redis_command_add_u64(command, STORE_LIVE_MAX);
    redis_command_add(command, text_of(spec->author));
    record_add_spec(command, spec);
    round_send(round);
}

void store_task_create(struct store *store, const struct task_spec *spec, store_answer_fn then,
                       void *context)
{
    struct move *move = mem_zalloc(1, sizeof(*move));

    move->store = store;
    move->tag = key_tag_make(text_of(spec->application));
    move->spec = *spec;
    move->then = then;
    move->context = context;
    create_send(move);
}

/* Moving ------------------------------------------------------------------------------------ */

static void on_move_answer(void *my, size_t index, const struct redis_value *value)
{
    (void)index;
    read_answer(my, value);
}

static void on_move_done(void *my, const struct problem *problem)
{
    move_end(my, problem);
}

void store_add_move_keys(struct redis_command *command, const struct key_tag *tag,
                         const struct task_id *id)
{
    key_add(command, tag, "live");
    key_add(command, tag, "version");
    key_add(command, tag, "ended");
    key_add(command, tag, "stored");
    key_add_task(command, tag, id, "");
    key_add_task(command, tag, id, "log");
    key_add(command, tag, "index");
    key_add(command, tag, "indexed");
}

struct move_order {
    const char *function;
    struct text application;
    const struct task_id *id;
    store_answer_fn then;
    void *context;
};

/* A call of the function with the keys and the id; the caller adds more, and sends. */
static struct round *move_begin(struct store *store, const struct move_order *order,
                                struct redis_command **ret_command)
{
    struct move *move = mem_zalloc(1, sizeof(*move));
    struct round *round = round_new(store, on_move_answer, on_move_done, move);

    move->store = store;
    move->tag = key_tag_make(order->application);
    move->id = *order->id;
    move->then = order->then;
    move->context = order->context;
    *ret_command = round_add_function(round, order->function, STORE_MOVE_KEYS);
    store_add_move_keys(*ret_command, &move->tag, &move->id);
    redis_command_add(*ret_command, text_of(move->id.text));
    return round;
}

void store_task_settle(struct store *store, struct text application, const struct task_id *id,
                       store_answer_fn then, void *context)
{
    struct redis_command *command;

    round_send(move_begin(
        store, &(struct move_order){ STORE_FUNCTION("settle"), application, id, then, context },
        &command));
}

void store_task_cancel(struct store *store, struct text application, const struct task_id *id,
                       struct text who, store_answer_fn then, void *context)
{
    struct redis_command *command;
    struct round *round = move_begin(
        store, &(struct move_order){ STORE_FUNCTION("cancel"), application, id, then, context },
        &command);

    redis_command_add(command, who);
    round_send(round);
}

void store_task_extend(struct store *store, struct text application, const struct task_id *id,
                       struct text who, store_answer_fn then, void *context)
{
    struct redis_command *command;
    struct round *round = move_begin(
        store, &(struct move_order){ STORE_FUNCTION("extend"), application, id, then, context },
        &command);

    redis_command_add(command, who);
    redis_command_add_u64(command, TASKS_ACTIVE_MAX);
#define DURATION(minutes) redis_command_add_u64(command, minutes);
    DURATIONS_MIN(DURATION)
#undef DURATION
    round_send(round);
}
