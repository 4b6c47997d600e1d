/* SPDX-License-Identifier: Apache-2.0 */
/* store_tasks.c: tasks: creating and moving them by functions, and reading those that live.
 *
 * Creating, step by step: the application enters the list of all (so that whatever the function
 * creates can be found), a pointer from the id to the application is staged for an hour, the
 * function decides, and what it accepted makes the pointer permanent. Should we end in between,
 * the task is there; loading it (store_live) writes its pointer again.
 *
 * The id is made here, by Redis' clock as last measured, because the key needs it; the function
 * refuses (SKEW) when that is more than a second off, and is called again with the right time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
    bool is_creation, skewed, misread;
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

    command = round_add_function(round, STORE_FUNCTION("create"), 5);
    key_add(command, &move->tag, "live");
    key_add(command, &move->tag, "version");
    key_add(command, &move->tag, "tasks");
    key_add_task(command, &move->tag, &move->id, "");
    key_add_task(command, &move->tag, &move->id, "log");
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
    move->is_creation = true;
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

/* What lives -------------------------------------------------------------------------------- */

struct live_load {
    struct store *store;
    char application[APPLICATION_SIZE_MAX + 1];
    struct key_tag tag;
    store_live_fn then;
    void *context;
    struct task_id *ids;
    struct task *tasks;
    size_t id_count, task_count;
    uint64_t version;
    bool misread;
};

static void live_end(struct live_load *load, const struct problem *problem)
{
    struct store_live live = { load->tasks, load->task_count, load->version };
    struct problem misread;

    if (!problem && load->misread) {
        store_misread(&misread, "tasks");
        problem = &misread;
    }
    load->then(load->context, problem ? NULL : &live, problem);
    free(load->ids);
    free(load->tasks);
    free(load);
}

/* Two answers per task: its pointer was written, its fields. */
static void on_live_task(void *my, size_t index, const struct redis_value *value)
{
    struct live_load *load = my;
    int rc;

    if (index % 2 == 0) return;
    rc = record_read_task(value, &load->ids[index / 2], &load->tasks[load->task_count]);
    if (rc == -EBADMSG) load->misread = true;
    if (rc == 0) load->task_count++;
}

static void on_live_tasks(void *my, const struct problem *problem)
{
    live_end(my, problem);
}

static void live_add_ids(struct live_load *load, const struct redis_value *list, size_t step)
{
    size_t count = redis_value_count(list);

    load->ids = mem_grow(load->ids, (load->id_count + count + 1) * sizeof(*load->ids));
    for (size_t i = 0; i < count; i += step) {
        if (task_id_parse(redis_value_text(redis_value_at(list, i)), &load->ids[load->id_count]) ==
            0) {
            load->id_count++;
        }
    }
}

static void on_live_ids(void *my, size_t index, const struct redis_value *value)
{
    struct live_load *load = my;

    if (index == 0) load->version = redis_value_u64(value);
    if (index > 0) live_add_ids(load, value, 1);
}

static void on_live_list(void *my, const struct problem *problem)
{
    struct live_load *load = my;
    struct round *round;

    if (problem) {
        live_end(load, problem);
        return;
    }
    load->tasks = mem_zalloc(load->id_count + 1, sizeof(*load->tasks));
    round = round_new(load->store, on_live_task, on_live_tasks, load);
    for (size_t i = 0; i < load->id_count; i++) {
        struct redis_command *pointer = round_add(round, "SET");
        key_add_task_pointer(pointer, &load->ids[i]);
        redis_command_add(pointer, text_of(load->application));
        key_add_task(round_add(round, "HGETALL"), &load->tag, &load->ids[i], "");
    }
    round_send(round);
}

void store_live(struct store *store, struct text application, uint64_t ended_ms, store_live_fn then,
                void *context)
{
    struct live_load *load = mem_zalloc(1, sizeof(*load));
    struct round *round = round_new(store, on_live_ids, on_live_list, load);
    uint64_t now_ms = store_now_wall_ms(store);
    struct redis_command *ended;

    load->store = store;
    load->tag = key_tag_make(application);
    memcpy(load->application, application.data, application.size);
    load->then = then;
    load->context = context;
    key_add(round_add(round, "GET"), &load->tag, "version");
    key_add(round_add(round, "HKEYS"), &load->tag, "live");
    ended = round_add(round, "ZRANGEBYSCORE");
    key_add(ended, &load->tag, "ended");
    redis_command_add_u64(ended, now_ms > ended_ms ? now_ms - ended_ms : 0);
    redis_command_add(ended, TEXT("+inf"));
    round_send(round);
}

/* All applications -------------------------------------------------------------------------- */

struct application_list {
    struct store *store;
    store_applications_fn then;
    void *context;
    char **names; /* owned, each too */
    struct text *texts;
    uint64_t *versions;
    size_t count;
};

static void applications_end(struct application_list *list, const struct problem *problem)
{
    struct store_applications all = { list->texts, list->versions, list->count };

    list->then(list->context, problem ? NULL : &all, problem);
    for (size_t i = 0; i < list->count; i++) {
        free(list->names[i]);
    }
    free(list->names);
    free(list->texts);
    free(list->versions);
    free(list);
}

static void on_application_version(void *my, size_t index, const struct redis_value *value)
{
    struct application_list *list = my;

    list->versions[index] = redis_value_u64(value);
}

static void on_application_versions(void *my, const struct problem *problem)
{
    applications_end(my, problem);
}

static int compare_names(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;

    return strcmp(*a, *b);
}

static void on_application_names(void *my, size_t index, const struct redis_value *value)
{
    struct application_list *list = my;
    size_t count = redis_value_count(value);

    (void)index;
    list->names = mem_zalloc(count + 1, sizeof(*list->names));
    list->texts = mem_zalloc(count + 1, sizeof(*list->texts));
    list->versions = mem_zalloc(count + 1, sizeof(*list->versions));
    for (size_t i = 0; i < count; i++) {
        struct text name = redis_value_text(redis_value_at(value, i));
        if (name.size == 0 || name.size > APPLICATION_SIZE_MAX) continue;
        list->names[list->count++] = mem_text(name.data, name.size);
    }
    qsort(list->names, list->count, sizeof(*list->names), compare_names);
}

static void on_application_list(void *my, const struct problem *problem)
{
    struct application_list *list = my;
    struct round *round;

    if (problem) {
        applications_end(list, problem);
        return;
    }
    round = round_new(list->store, on_application_version, on_application_versions, list);
    for (size_t i = 0; i < list->count; i++) {
        struct key_tag tag;
        list->texts[i] = text_of(list->names[i]);
        tag = key_tag_make(list->texts[i]);
        key_add(round_add(round, "GET"), &tag, "version");
    }
    round_send(round);
}

void store_applications(struct store *store, store_applications_fn then, void *context)
{
    struct application_list *list = mem_zalloc(1, sizeof(*list));
    struct round *round = round_new(store, on_application_names, on_application_list, list);
    struct redis_command *range = round_add(round, "ZRANGE");

    list->store = store;
    list->then = then;
    list->context = context;
    redis_command_add(range, TEXT(KEY_APPLICATIONS));
    redis_command_add(range, TEXT("0"));
    redis_command_add(range, TEXT("-1"));
    round_send(round);
}
