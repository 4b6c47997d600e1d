/* SPDX-License-Identifier: Apache-2.0 */
/* history_books.c: a task, its log and its ledger. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/model/task_event.h"
#include "common/model/task_spec.h"
#include "scheduler/history/history_private.h"

void history_task(struct history *history, const struct task_id *id, history_task_fn then,
                  void *context)
{
    store_task_find(history->store, id, then, context);
}

/* Log --------------------------------------------------------------------------------------- */

struct log_page {
    struct history *history;
    struct task_id task;
    uint64_t from;
    uint32_t limit;
    history_log_fn then;
    void *context;
    struct problem problem;
};

static void log_fail(void *context)
{
    struct log_page *page = context;

    page->then(page->context, NULL, &page->problem);
    free(page);
}

static void log_refuse(struct log_page *page, const struct problem *problem)
{
    page->problem = *problem;
    log_fail(page);
}

/* The last line of a log that was full: nothing is lost in silence. */
static struct task_log_event cut_event(const struct log_page *page, const struct store_log *log)
{
    struct task_log_event event = { .task = page->task,
                                    .event = TASK_EVENT_DROPPED,
                                    .count = log->cut };

    if (log->count > 0) event.at_wall_ms = log->events[log->count - 1].at_wall_ms;
    snprintf(event.detail, sizeof(event.detail),
             "the log was full: events after its %d-th were counted only", TASK_EVENTS_MAX);
    return event;
}

static void on_log(void *context, const struct store_log *log, const struct problem *problem)
{
    struct log_page *page = context;
    struct history_log result = { 0 };
    bool is_last;

    if (problem) {
        log_refuse(page, problem);
        return;
    }
    result.count = log->count;
    result.events = mem_zalloc(log->count + 1, sizeof(*result.events));
    if (log->count) memcpy(result.events, log->events, log->count * sizeof(*result.events));
    is_last = page->from + log->count >= log->total;
    if (!is_last) snprintf(result.next, sizeof(result.next), "%" PRIu64, page->from + log->count);
    if (is_last && log->cut > 0) result.events[result.count++] = cut_event(page, log);
    page->then(page->context, &result, NULL);
    free(result.events);
    free(page);
}

static void on_log_task(void *context, const struct task *task, const struct problem *problem)
{
    struct log_page *page = context;

    if (problem) {
        log_refuse(page, problem);
    } else {
        store_log(page->history->store, text_of(task->spec.application), &page->task, page->from,
                  page->limit, on_log, page);
    }
}

void history_log(struct history *history, const struct task_id *task, struct text cursor,
                 uint32_t limit, history_log_fn then, void *context)
{
    struct log_page *page = mem_zalloc(1, sizeof(*page));

    *page = (struct log_page){
        .history = history, .task = *task, .limit = limit, .then = then, .context = context
    };
    if (limit_check(limit, &page->problem) < 0 ||
        cursor_read_number(cursor, &page->from, &page->problem) < 0) {
        store_defer(history->store, log_fail, page);
        return;
    }
    store_task_find(history->store, task, on_log_task, page);
}

/* Ledger ------------------------------------------------------------------------------------ */

struct ledger_page {
    struct history *history;
    struct task task;
    history_ledger_fn then;
    void *context;
};

static void ledger_end(struct ledger_page *page, const struct history_ledger *ledger,
                       const struct problem *problem)
{
    page->then(page->context, problem ? NULL : &page->task, ledger, problem);
    free(page);
}

/* Nobody writes into the books of a task that ended so long ago (scheduler/task). */
static bool books_are_closed(const struct ledger_page *page)
{
    uint64_t now_ms = store_now_wall_ms(page->history->store);

    return task_state_is_final(page->task.state) &&
           now_ms > page->task.ended_wall_ms + BOOKS_AFTER_END_MS;
}

/* What is still pending then is of an instance that went while no scheduler ran to notice. */
static void close_row(struct task_ledger *row)
{
    row->counts.drops[CALL_DROP_INSTANCE_LOST] += row->counts.pending;
    row->counts.pending = 0;
}

static void on_ledger(void *context, const struct store_ledgers *ledgers,
                      const struct problem *problem)
{
    struct ledger_page *page = context;
    struct history_ledger result = { 0 };

    if (problem) {
        ledger_end(page, NULL, problem);
        return;
    }
    result.count = ledgers->count;
    result.folded = ledgers->folded;
    result.instances = mem_zalloc(ledgers->count + 1, sizeof(*result.instances));
    if (ledgers->count) {
        memcpy(result.instances, ledgers->rows, ledgers->count * sizeof(*result.instances));
    }
    for (size_t i = 0; i < result.count && books_are_closed(page); i++) {
        close_row(&result.instances[i]);
    }
    ledger_end(page, &result, NULL);
    free(result.instances);
}

static void on_ledger_task(void *context, const struct task *task, const struct problem *problem)
{
    struct ledger_page *page = context;

    if (problem) {
        ledger_end(page, NULL, problem);
        return;
    }
    page->task = *task;
    store_ledgers(page->history->store, text_of(task->spec.application), &task->id, on_ledger,
                  page);
}

void history_ledger(struct history *history, const struct task_id *task, history_ledger_fn then,
                    void *context)
{
    struct ledger_page *page = mem_zalloc(1, sizeof(*page));

    page->history = history;
    page->then = then;
    page->context = context;
    store_task_find(history->store, task, on_ledger_task, page);
}
