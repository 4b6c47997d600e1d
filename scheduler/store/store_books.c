/* SPDX-License-Identifier: Apache-2.0 */
/* store_books.c: reading logs, by index, and ledgers, whole (at most
 * LEDGER_INSTANCES_MAX rows and their sum). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

/* Logs -------------------------------------------------------------------------------------- */

struct log_read {
    struct task_id task;
    store_log_fn then;
    void *context;
    struct task_log_event *events;
    struct store_log log;
    bool misread;
};

enum log_step { LOG_LINES, LOG_TOTAL, LOG_CUT };

static void log_read_lines(struct log_read *read, const struct redis_value *value)
{
    size_t count = redis_value_count(value);

    read->events = mem_zalloc(count + 1, sizeof(*read->events));
    for (size_t i = 0; i < count; i++) {
        struct task_log_event *event = &read->events[i];
        if (record_read_event(redis_value_text(redis_value_at(value, i)), event) < 0) {
            read->misread = true;
        }
        event->task = read->task;
    }
    read->log.count = count;
}

static void on_log_answer(void *my, size_t index, const struct redis_value *value)
{
    struct log_read *read = my;

    switch ((enum log_step)index) {
    case LOG_LINES:
        log_read_lines(read, value);
        break;
    case LOG_TOTAL:
        read->log.total = redis_value_u64(value);
        break;
    case LOG_CUT:
        read->log.cut = redis_value_u64(value);
        break;
    }
}

static void on_log_done(void *my, const struct problem *problem)
{
    struct log_read *read = my;
    struct problem misread;

    if (!problem && read->misread) {
        store_misread(&misread, "this task's log");
        problem = &misread;
    }
    read->log.events = read->events;
    read->then(read->context, problem ? NULL : &read->log, problem);
    free(read->events);
    free(read);
}

void store_log(struct store *store, struct text application, const struct task_id *task,
               uint64_t from, uint32_t max, store_log_fn then, void *context)
{
    struct log_read *read = mem_zalloc(1, sizeof(*read));
    struct round *round = round_new(store, on_log_answer, on_log_done, read);
    struct key_tag tag = key_tag_make(application);
    struct redis_command *command = round_add(round, "LRANGE");

    CHECK(max > 0 && from <= INT32_MAX);
    read->task = *task;
    read->then = then;
    read->context = context;
    key_add_task(command, &tag, task, "log");
    redis_command_add_u64(command, from);
    redis_command_add_u64(command, from + max - 1);
    key_add_task(round_add(round, "LLEN"), &tag, task, "log");
    command = round_add(round, "HGET");
    key_add_task(command, &tag, task, "");
    redis_command_add(command, TEXT("log_cut"));
    round_send(round);
}

/* Ledgers ----------------------------------------------------------------------------------- */

struct ledger_read {
    struct task_id task;
    store_ledgers_fn then;
    void *context;
    struct task_ledger *rows, folded;
    size_t count;
    bool misread;
};

static void on_ledger_rows(void *my, size_t index, const struct redis_value *value)
{
    struct ledger_read *read = my;
    size_t count = redis_value_count(value);

    (void)index;
    read->rows = mem_zalloc(count / 2 + 1, sizeof(*read->rows));
    for (size_t i = 0; i + 1 < count; i += 2) {
        struct text field = redis_value_text(redis_value_at(value, i));
        struct text record = redis_value_text(redis_value_at(value, i + 1));
        bool is_folded = text_is_equal(field, TEXT("folded"));
        struct task_ledger *row = is_folded ? &read->folded : &read->rows[read->count];
        if (record_read_ledger(record, row) < 0 ||
            (!is_folded && incarnation_parse(field, &row->incarnation) < 0)) {
            read->misread = true;
            return;
        }
        row->task = read->task;
        read->count += !is_folded;
    }
}

static int compare_ledgers(const void *left, const void *right)
{
    const struct task_ledger *a = left, *b = right;
    int order = strcmp(a->instance, b->instance);

    if (order != 0) return order;
    return a->incarnation < b->incarnation ? -1 : a->incarnation > b->incarnation;
}

static void on_ledger_done(void *my, const struct problem *problem)
{
    struct ledger_read *read = my;
    struct store_ledgers ledgers = { .folded = (uint32_t)read->folded.sequence };
    struct problem misread;

    if (!problem && read->misread) {
        store_misread(&misread, "this task's ledger");
        problem = &misread;
    }
    if (!problem) {
        qsort(read->rows, read->count, sizeof(*read->rows), compare_ledgers);
        if (ledgers.folded > 0) read->rows[read->count++] = read->folded;
        ledgers.rows = read->rows;
        ledgers.count = read->count;
    }
    read->then(read->context, problem ? NULL : &ledgers, problem);
    free(read->rows);
    free(read);
}

void store_ledgers(struct store *store, struct text application, const struct task_id *task,
                   store_ledgers_fn then, void *context)
{
    struct ledger_read *read = mem_zalloc(1, sizeof(*read));
    struct round *round = round_new(store, on_ledger_rows, on_ledger_done, read);
    struct key_tag tag = key_tag_make(application);

    read->task = *task;
    read->then = then;
    read->context = context;
    key_add_task(round_add(round, "HGETALL"), &tag, task, "ledger");
    round_send(round);
}
