/* SPDX-License-Identifier: Apache-2.0 */
/* store_live.c: the tasks of an application that live, or ended lately: what a scheduler holds in
 * memory to answer polls.
 *
 * Two rounds: which there are, with the version that they make together; then each one's fields.
 * On the way each task's pointer is written again: a creation may have been killed before that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

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
    round_then(round);
    key_add(round_add(round, "HKEYS"), &load->tag, "live");
    round_then(round); /* what ends meanwhile is in both, not in neither */
    ended = round_add(round, "ZRANGEBYSCORE");
    key_add(ended, &load->tag, "ended");
    redis_command_add_u64(ended, now_ms > ended_ms ? now_ms - ended_ms : 0);
    redis_command_add(ended, TEXT("+inf"));
    round_send(round);
}
