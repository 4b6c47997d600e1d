/* SPDX-License-Identifier: Apache-2.0 */
/* store_index.c: an application's tasks by interface and state: reading the index, and bringing it
 * up to date, step by step (functions/1_index.lua says what is in it, and when it is complete).
 *
 *   first step   MGET version indexed: equal, and nothing is to be done; or FCALL index_begin
 *   each         the ids of INDEX_STEP tasks, FCALL index_some
 *   last         FCALL index_end; in vain: from the beginning */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/store_private.h"

enum { INDEX_STEP = 200 };

/* Reading ----------------------------------------------------------------------------------- */

struct index_list {
    store_ids_fn then;
    void *context;
    size_t prefix_size;
    struct task_id *ids;
    size_t count;
    bool is_behind;
};

/* MGET version indexed */
static bool index_is_behind(const struct redis_value *versions)
{
    struct text version = redis_value_text(redis_value_at(versions, 0));
    struct text indexed = redis_value_text(redis_value_at(versions, 1));

    return !text_is_equal(version, indexed);
}

static void read_members(struct index_list *list, const struct redis_value *members)
{
    size_t count = redis_value_count(members);

    list->ids = mem_zalloc(count + 1, sizeof(*list->ids));
    for (size_t i = 0; i < count; i++) {
        struct text member = redis_value_text(redis_value_at(members, i));
        if (member.size < list->prefix_size) continue;
        member.data += list->prefix_size;
        member.size -= list->prefix_size;
        if (task_id_parse(member, &list->ids[list->count]) == 0) list->count++;
    }
}

static void on_index(void *my, size_t index, const struct redis_value *value)
{
    struct index_list *list = my;

    if (index == 0) {
        list->is_behind = index_is_behind(value);
    } else {
        read_members(list, value);
    }
}

static void on_index_done(void *my, const struct problem *problem)
{
    struct index_list *list = my;
    struct store_ids ids = { list->ids, list->count, list->is_behind };

    list->then(list->context, problem ? NULL : &ids, problem);
    free(list->ids);
    free(list);
}

static void add_versions(struct round *round, const struct key_tag *tag)
{
    struct redis_command *command = round_add(round, "MGET");

    key_add(command, tag, "version");
    key_add(command, tag, "indexed");
}

void store_index_ids(struct store *store, struct text application, const struct store_kind *kind,
                     const struct store_range *range, store_ids_fn then, void *context)
{
    static const char letters[] = { [TASK_SCHEDULED] = 'S',
                                    [TASK_ACTIVE] = 'A',
                                    [TASK_EXPIRED] = 'E',
                                    [TASK_FILLED] = 'F',
                                    [TASK_CANCELLED] = 'C' };
    struct index_list *list = mem_zalloc(1, sizeof(*list));
    struct round *round = round_new(store, on_index, on_index_done, list);
    struct key_tag tag = key_tag_make(application);
    char prefix[INTERFACE_SIZE_MAX + 3];
    struct redis_command *command;

    CHECK(kind->interface.size <= INTERFACE_SIZE_MAX);
    snprintf(prefix, sizeof(prefix), "%.*s\n%c", TEXT_ARGS(kind->interface), letters[kind->state]);
    list->prefix_size = strlen(prefix);
    list->then = then;
    list->context = context;
    add_versions(round, &tag);
    round_then(round);
    command = round_add(round, "ZREVRANGEBYLEX");
    key_add(command, &tag, "index");
    redis_command_add_format(command, "(%s%.*s", prefix,
                             TEXT_ARGS(range->before.size ? range->before : TEXT("\x7f")));
    redis_command_add_format(command, "[%s%.*s", prefix, TEXT_ARGS(range->first));
    redis_command_add(command, TEXT("LIMIT"));
    redis_command_add(command, TEXT("0"));
    redis_command_add_u64(command, range->max);
    round_send(round);
}

/* Bringing it up to date -------------------------------------------------------------------- */

struct index_step {
    struct store *store;
    struct key_tag tag;
    struct store_index_walk walk;
    struct task_id ids[INDEX_STEP];
    size_t count;
    bool is_behind;
    store_index_fn then;
    void *context;
};

static void step_end(struct index_step *step, const struct problem *problem)
{
    step->then(step->context, problem ? NULL : &step->walk, problem);
    free(step);
}

static void ignore_answer(void *my, size_t index, const struct redis_value *value)
{
    (void)my;
    (void)index;
    (void)value;
}

static void on_step_done(void *my, const struct problem *problem)
{
    step_end(my, problem);
}

static void on_end_answer(void *my, size_t index, const struct redis_value *value)
{
    struct index_step *step = my;

    (void)index;
    step->walk = (struct store_index_walk){ .more = redis_value_u64(value) == 0 };
}

/* Of index_begin and index_end. */
static void send_mark(struct index_step *step, const char *function, round_answer_fn on_answer)
{
    struct round *round = round_new(step->store, on_answer, on_step_done, step);
    struct redis_command *command = round_add_function(round, function, 2);

    key_add(command, &step->tag, "version");
    key_add(command, &step->tag, "indexed");
    redis_command_add(command, text_of(step->store->name));
    round_send(round);
}

static void send_some(struct index_step *step)
{
    struct round *round = round_new(step->store, ignore_answer, on_step_done, step);
    struct redis_command *command =
        round_add_function(round, STORE_FUNCTION("index_some"), 1 + (unsigned)step->count);

    key_add(command, &step->tag, "index");
    for (size_t i = 0; i < step->count; i++) {
        key_add_task(command, &step->tag, &step->ids[i], "");
    }
    for (size_t i = 0; i < step->count; i++) {
        redis_command_add(command, text_of(step->ids[i].text));
    }
    memcpy(step->walk.before, step->ids[step->count - 1].text, sizeof(step->walk.before));
    round_send(round);
}

static void on_tasks(void *context, const struct store_ids *ids, const struct problem *problem)
{
    struct index_step *step = context;

    if (problem) {
        step_end(step, problem);
        return;
    }
    step->count = ids->count;
    if (ids->count > 0) {
        memcpy(step->ids, ids->ids, ids->count * sizeof(*step->ids));
        send_some(step);
    } else {
        send_mark(step, STORE_FUNCTION("index_end"), on_end_answer);
    }
}

static void on_versions(void *my, size_t index, const struct redis_value *value)
{
    struct index_step *step = my;

    (void)index;
    step->is_behind = index_is_behind(value);
}

static void on_versions_done(void *my, const struct problem *problem)
{
    struct index_step *step = my;

    if (problem || !step->is_behind) {
        step_end(step, problem);
        return;
    }
    step->walk.has_begun = step->walk.more = true;
    send_mark(step, STORE_FUNCTION("index_begin"), ignore_answer);
}

void store_index(struct store *store, struct text application, const struct store_index_walk *walk,
                 store_index_fn then, void *context)
{
    struct index_step *step = mem_zalloc(1, sizeof(*step));
    struct round *round;

    step->store = store;
    step->tag = key_tag_make(application);
    step->walk = *walk;
    step->then = then;
    step->context = context;
    if (walk->has_begun) {
        store_task_ids(
            store, application,
            &(struct store_range){ .before = text_of(step->walk.before), .max = INDEX_STEP },
            on_tasks, step);
        return;
    }
    round = round_new(store, on_versions, on_versions_done, step);
    add_versions(round, &step->tag);
    round_send(round);
}
