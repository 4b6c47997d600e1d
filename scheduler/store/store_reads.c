/* SPDX-License-Identifier: Apache-2.0 */
/* store_reads.c: reading tasks: one by its id, ids in order, many at once.
 *
 * By id it begins with a pointer, which is a hint: what it points to may be gone, and that is
 * the same as if the pointer were. Pages are plain range reads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

/* One task ---------------------------------------------------------------------------------- */

struct find {
    struct store *store;
    struct task_id id;
    char application[APPLICATION_SIZE_MAX + 1]; /* empty: no pointer */
    store_task_fn then;
    void *context;
    struct task task;
    int rc;
};

static void find_end(struct find *find, const struct problem *problem)
{
    struct problem own;

    if (!problem && find->rc == -ENOENT) {
        problem_set(&own, PROBLEM_NO_SUCH_TASK, "No task has the id '%s'.", find->id.text);
        problem = &own;
    } else if (!problem && find->rc < 0) {
        store_misread(&own, "this task");
        problem = &own;
    }
    find->then(find->context, problem ? NULL : &find->task, problem);
    free(find);
}

static void on_found_task(void *my, size_t index, const struct redis_value *value)
{
    struct find *find = my;

    (void)index;
    find->rc = record_read_task(value, &find->id, &find->task);
}

static void on_found_task_done(void *my, const struct problem *problem)
{
    find_end(my, problem);
}

static void on_task_pointer(void *my, size_t index, const struct redis_value *value)
{
    struct find *find = my;
    struct text application = redis_value_text(value);

    (void)index;
    if (application.size > APPLICATION_SIZE_MAX) return;
    memcpy(find->application, application.data, application.size);
}

static void on_task_pointer_done(void *my, const struct problem *problem)
{
    struct find *find = my;
    struct round *round;
    struct key_tag tag;

    find->rc = -ENOENT;
    if (problem || !find->application[0]) {
        find_end(find, problem);
        return;
    }
    round = round_new(find->store, on_found_task, on_found_task_done, find);
    tag = key_tag_make(text_of(find->application));
    key_add_task(round_add(round, "HGETALL"), &tag, &find->id, "");
    round_send(round);
}

void store_task_find(struct store *store, const struct task_id *id, store_task_fn then,
                     void *context)
{
    struct find *find = mem_zalloc(1, sizeof(*find));
    struct round *round = round_new(store, on_task_pointer, on_task_pointer_done, find);

    find->store = store;
    find->id = *id;
    find->then = then;
    find->context = context;
    key_add_task_pointer(round_add(round, "GET"), id);
    round_send(round);
}

/* Many tasks -------------------------------------------------------------------------------- */

struct id_list {
    store_ids_fn then;
    void *context;
    struct task_id *ids;
    size_t count;
};

static void on_ids(void *my, size_t index, const struct redis_value *value)
{
    struct id_list *list = my;
    size_t count = redis_value_count(value);

    (void)index;
    list->ids = mem_zalloc(count + 1, sizeof(*list->ids));
    for (size_t i = 0; i < count; i++) {
        struct text text = redis_value_text(redis_value_at(value, i));
        if (task_id_parse(text, &list->ids[list->count]) == 0) list->count++;
    }
}

static void on_ids_done(void *my, const struct problem *problem)
{
    struct id_list *list = my;
    struct store_ids ids = { list->ids, list->count, false };

    list->then(list->context, problem ? NULL : &ids, problem);
    free(list->ids);
    free(list);
}

void store_task_ids(struct store *store, struct text application, const struct store_range *range,
                    store_ids_fn then, void *context)
{
    struct id_list *list = mem_zalloc(1, sizeof(*list));
    struct round *round = round_new(store, on_ids, on_ids_done, list);
    struct redis_command *command = round_add(round, "ZREVRANGEBYLEX");
    struct key_tag tag = key_tag_make(application);

    list->then = then;
    list->context = context;
    key_add(command, &tag, "tasks");
    if (range->before.size) {
        redis_command_add_format(command, "(%.*s", TEXT_ARGS(range->before));
    } else {
        redis_command_add(command, TEXT("+"));
    }
    if (range->first.size) {
        redis_command_add_format(command, "[%.*s", TEXT_ARGS(range->first));
    } else {
        redis_command_add(command, TEXT("-"));
    }
    redis_command_add(command, TEXT("LIMIT"));
    redis_command_add(command, TEXT("0"));
    redis_command_add_u64(command, range->max);
    round_send(round);
}

struct task_list {
    store_tasks_fn then;
    void *context;
    struct task_id *ids;
    struct task *tasks;
    size_t count;
    bool misread;
};

static void on_listed_task(void *my, size_t index, const struct redis_value *value)
{
    struct task_list *list = my;
    int rc = record_read_task(value, &list->ids[index], &list->tasks[index]);

    if (rc == -EBADMSG) list->misread = true;
}

static void on_listed_tasks(void *my, const struct problem *problem)
{
    struct task_list *list = my;
    struct problem misread;

    if (!problem && list->misread) {
        store_misread(&misread, "tasks");
        problem = &misread;
    }
    list->then(list->context, problem ? NULL : list->tasks, problem ? 0 : list->count, problem);
    free(list->ids);
    free(list->tasks);
    free(list);
}

void store_tasks_get(struct store *store, const struct store_ref *refs, size_t count,
                     store_tasks_fn then, void *context)
{
    struct task_list *list = mem_zalloc(1, sizeof(*list));
    struct round *round = round_new(store, on_listed_task, on_listed_tasks, list);

    list->then = then;
    list->context = context;
    list->count = count;
    list->ids = mem_zalloc(count + 1, sizeof(*list->ids));
    list->tasks = mem_zalloc(count + 1, sizeof(*list->tasks));
    for (size_t i = 0; i < count; i++) {
        struct key_tag tag = key_tag_make(refs[i].application);
        list->ids[i] = refs[i].id;
        key_add_task(round_add(round, "HGETALL"), &tag, &refs[i].id, "");
    }
    round_send(round);
}
