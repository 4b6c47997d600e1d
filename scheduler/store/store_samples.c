/* SPDX-License-Identifier: Apache-2.0 */
/* store_samples.c: reading samples: rows of a task's HASH, and blobs by revision.
 *
 * By id they begin with a pointer, which is a hint: what it points to may be gone, and that is
 * the same as if the pointer were. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/blob.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

enum { TRACE_SAMPLES_MAX = PAGE_LIMIT_MAX };

/* A task's --------------------------------------------------------------------------------- */

struct sample_row {
    struct sample_summary summary;
    uint64_t order;
};

struct sample_list {
    struct task_id task;
    char application[APPLICATION_SIZE_MAX + 1];
    store_samples_fn then;
    void *context;
    struct sample_row *rows;
    size_t count;
    bool misread;
};

static int compare_orders(const void *left, const void *right)
{
    const struct sample_row *a = left, *b = right;

    return a->order < b->order ? -1 : a->order > b->order;
}

/* What a row does not say: its ids are in its keys. */
static int read_sample(struct text row, struct text application, const struct task_id *task,
                       struct sample_row *ret)
{
    int rc = record_read_sample(row, &ret->summary, &ret->order);

    if (rc < 0) return rc;
    ret->summary.task = *task;
    memcpy(ret->summary.application, application.data, application.size);
    return 0;
}

static void on_sample_rows(void *my, size_t index, const struct redis_value *value)
{
    struct sample_list *list = my;
    size_t count = redis_value_count(value);

    (void)index;
    list->rows = mem_zalloc(count / 2 + 1, sizeof(*list->rows));
    for (size_t i = 0; i + 1 < count; i += 2) {
        struct sample_row *row = &list->rows[list->count];
        if (read_sample(redis_value_text(redis_value_at(value, i + 1)), text_of(list->application),
                        &list->task, row) < 0 ||
            sample_id_parse(redis_value_text(redis_value_at(value, i)), &row->summary.id) < 0) {
            list->misread = true;
            return;
        }
        list->count++;
    }
    qsort(list->rows, list->count, sizeof(*list->rows), compare_orders);
}

static void on_sample_rows_done(void *my, const struct problem *problem)
{
    struct sample_list *list = my;
    struct sample_summary *summaries = mem_zalloc(list->count + 1, sizeof(*summaries));
    uint64_t *orders = mem_zalloc(list->count + 1, sizeof(*orders));
    struct store_samples samples = { summaries, orders, list->count };
    struct problem misread;

    if (!problem && list->misread) {
        store_misread(&misread, "this task's samples");
        problem = &misread;
    }
    for (size_t i = 0; i < list->count; i++) {
        summaries[i] = list->rows[i].summary;
        orders[i] = list->rows[i].order;
    }
    list->then(list->context, problem ? NULL : &samples, problem);
    free(summaries);
    free(orders);
    free(list->rows);
    free(list);
}

void store_samples(struct store *store, struct text application, const struct task_id *task,
                   store_samples_fn then, void *context)
{
    struct sample_list *list = mem_zalloc(1, sizeof(*list));
    struct round *round = round_new(store, on_sample_rows, on_sample_rows_done, list);
    struct key_tag tag = key_tag_make(application);

    list->task = *task;
    memcpy(list->application, application.data, application.size);
    list->then = then;
    list->context = context;
    key_add_task(round_add(round, "HGETALL"), &tag, task, "samples");
    round_send(round);
}

struct sample_find {
    struct store *store;
    struct sample_id id;
    struct task_id task;
    char application[APPLICATION_SIZE_MAX + 1]; /* empty: no pointer */
    store_sample_fn then;
    void *context;
    struct sample_row row;
    int rc;
};

static void sample_find_end(struct sample_find *find, const struct problem *problem)
{
    struct problem own;

    if (!problem && find->rc == -ENOENT) {
        problem_set(&own, PROBLEM_NO_SUCH_SAMPLE, "No sample has the id '%s'.", find->id.text);
        problem = &own;
    } else if (!problem && find->rc < 0) {
        store_misread(&own, "this sample");
        problem = &own;
    }
    find->then(find->context, problem ? NULL : &find->row.summary, problem);
    free(find);
}

static void on_sample_row(void *my, size_t index, const struct redis_value *value)
{
    struct sample_find *find = my;

    (void)index;
    if (redis_value_is_nil(value)) return;
    find->rc =
        read_sample(redis_value_text(value), text_of(find->application), &find->task, &find->row);
    find->row.summary.id = find->id;
}

static void on_sample_row_done(void *my, const struct problem *problem)
{
    sample_find_end(my, problem);
}

/* "TASK APPLICATION" */
static void on_sample_pointer(void *my, size_t index, const struct redis_value *value)
{
    struct sample_find *find = my;
    struct text pointer = redis_value_text(value);
    size_t head = TASK_ID_SIZE + 1;

    (void)index;
    if (pointer.size <= head || pointer.size > head + APPLICATION_SIZE_MAX) return;
    if (task_id_parse((struct text){ pointer.data, TASK_ID_SIZE }, &find->task) < 0) return;
    memcpy(find->application, pointer.data + head, pointer.size - head);
}

static void on_sample_pointer_done(void *my, const struct problem *problem)
{
    struct sample_find *find = my;
    struct redis_command *command;
    struct round *round;
    struct key_tag tag;

    find->rc = -ENOENT;
    if (problem || !find->application[0]) {
        sample_find_end(find, problem);
        return;
    }
    tag = key_tag_make(text_of(find->application));
    round = round_new(find->store, on_sample_row, on_sample_row_done, find);
    command = round_add(round, "HGET");
    key_add_task(command, &tag, &find->task, "samples");
    redis_command_add(command, text_of(find->id.text));
    round_send(round);
}

void store_sample_find(struct store *store, const struct sample_id *id, store_sample_fn then,
                       void *context)
{
    struct sample_find *find = mem_zalloc(1, sizeof(*find));
    struct round *round = round_new(store, on_sample_pointer, on_sample_pointer_done, find);

    find->store = store;
    find->id = *id;
    find->then = then;
    find->context = context;
    key_add_sample_pointer(round_add(round, "GET"), id);
    round_send(round);
}

struct trace_find {
    struct trace_id trace;
    store_trace_fn then;
    void *context;
    struct sample_id *ids;
    size_t count;
};

static void on_trace(void *my, size_t index, const struct redis_value *value)
{
    struct trace_find *find = my;
    size_t count = redis_value_count(value);

    (void)index;
    find->ids = mem_zalloc(count + 1, sizeof(*find->ids));
    for (size_t i = 0; i < count; i++) {
        struct text text = redis_value_text(redis_value_at(value, i));
        if (sample_id_parse(text, &find->ids[find->count]) == 0) find->count++;
    }
}

static void on_trace_done(void *my, const struct problem *problem)
{
    struct trace_find *find = my;

    find->then(find->context, problem ? NULL : find->ids, problem ? 0 : find->count, problem);
    free(find->ids);
    free(find);
}

void store_trace_find(struct store *store, const struct trace_id *trace, store_trace_fn then,
                      void *context)
{
    struct trace_find *find = mem_zalloc(1, sizeof(*find));
    struct round *round = round_new(store, on_trace, on_trace_done, find);
    struct redis_command *command = round_add(round, "ZRANGE");

    find->trace = *trace;
    find->then = then;
    find->context = context;
    key_add_trace(command, trace);
    redis_command_add(command, TEXT("0"));
    redis_command_add_u64(command, TRACE_SAMPLES_MAX - 1);
    round_send(round);
}

void store_add_blob_key(const struct store *store, struct redis_command *command,
                        const struct key_tag *tag, const struct sample_id *sample,
                        uint64_t revision)
{
    if (store->cluster)
        key_add_body(command, sample, revision);
    else
        key_add_blob(command, tag, sample, revision);
}

struct bytes_find {
    struct sample_id id;
    store_bytes_fn then;
    void *context;
    struct buf bytes;
    int rc;
};

static void on_blob(void *my, size_t index, const struct redis_value *value)
{
    struct bytes_find *find = my;

    (void)index;
    find->rc = redis_value_is_nil(value)
                   ? -ENOENT
                   : blob_unpack(redis_value_text(value), REPORT_SIZE_MAX, &find->bytes);
}

static void on_blob_done(void *my, const struct problem *problem)
{
    struct bytes_find *find = my;
    struct problem own;

    if (!problem && find->rc == -ENOENT) {
        problem_set(&own, PROBLEM_NO_SUCH_SAMPLE,
                    "The stacks of sample '%s' are not here any more.", find->id.text);
        problem = &own;
    } else if (!problem && find->rc < 0) {
        problem_set(&own, PROBLEM_INTERNAL, "The stacks of sample '%s' are damaged in Redis.",
                    find->id.text);
        problem = &own;
    }
    find->then(find->context, problem ? TEXT("") : buf_peek(&find->bytes), problem);
    buf_done(&find->bytes);
    free(find);
}

void store_sample_bytes(struct store *store, const struct sample_summary *summary,
                        store_bytes_fn then, void *context)
{
    struct bytes_find *find = mem_zalloc(1, sizeof(*find));
    struct round *round = round_new(store, on_blob, on_blob_done, find);
    struct key_tag tag = key_tag_make(text_of(summary->application));

    find->id = summary->id;
    find->then = then;
    find->context = context;
    find->bytes = BUF_INIT(REPORT_SIZE_MAX + 1);
    store_add_blob_key(store, round_add(round, "GET"), &tag, &summary->id, summary->revision);
    round_send(round);
}
