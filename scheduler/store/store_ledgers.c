/* SPDX-License-Identifier: Apache-2.0 */
/* store_ledgers.c: writing ledgers and logs: one function call per ledger, one per batch of
 * events. What a task that is gone would get is dropped by the functions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

enum { ALIVE_MS = 40000 }; /* less than a scheduler waits for who is silent */

struct put {
    store_done_fn then;
    void *context;
};

static void on_put_answer(void *my, size_t index, const struct redis_value *value)
{
    (void)my;
    (void)index;
    (void)value;
}

static void on_put_done(void *my, const struct problem *problem)
{
    struct put *put = my;

    put->then(put->context, problem);
    free(put);
}

static struct round *put_begin(struct store *store, store_done_fn then, void *context)
{
    struct put *put = mem_alloc(sizeof(*put));

    *put = (struct put){ then, context };
    return round_new(store, on_put_answer, on_put_done, put);
}

/* The keys of 4_ledgers.lua, and the incarnation. */
static struct redis_command *add_ledger_call(struct round *round, const char *function,
                                             struct text application, const struct task_id *task,
                                             uint64_t incarnation)
{
    struct redis_command *command = round_add_function(round, function, 6);
    struct key_tag tag = key_tag_make(application);
    char text[INCARNATION_SIZE + 1];

    incarnation_format(incarnation, text);
    key_add_task(command, &tag, task, "");
    key_add_task(command, &tag, task, "log");
    key_add_task(command, &tag, task, "ledger");
    key_add_task(command, &tag, task, "gone");
    key_add_task(command, &tag, task, "folded");
    key_add(command, &tag, "heard");
    redis_command_add(command, text_of(text));
    return command;
}

void store_ledger_put(struct store *store, struct text application,
                      const struct task_ledger *ledger, store_done_fn then, void *context)
{
    struct round *round = put_begin(store, then, context);
    struct redis_command *command = add_ledger_call(round, STORE_FUNCTION("ledger"), application,
                                                    &ledger->task, ledger->incarnation);
    OWN(buf_done) struct buf counts = BUF_INIT(RECORD_SIZE_MAX);

    record_write_counts(&counts, &ledger->counts);
    redis_command_add_u64(command, LEDGER_INSTANCES_MAX);
    redis_command_add(command, text_of(ledger->instance));
    redis_command_add(command, text_of(ledger->host_ip));
    redis_command_add_u64(command, ledger->sequence);
    redis_command_add(command, buf_peek(&counts));
    redis_command_add(command, text_of(ledger->refused));
    round_send(round);
}

void store_delivered(struct store *store, struct text application, const struct task_id *task,
                     const struct task_ledger *who, store_done_fn then, void *context)
{
    struct round *round = put_begin(store, then, context);
    struct redis_command *command =
        add_ledger_call(round, STORE_FUNCTION("delivered"), application, task, who->incarnation);

    redis_command_add_u64(command, LEDGER_INSTANCES_MAX);
    redis_command_add(command, text_of(who->instance));
    redis_command_add(command, text_of(who->host_ip));
    round_send(round);
}

void store_gone(struct store *store, struct text application, const struct task_id *task,
                struct store_departure who, store_done_fn then, void *context)
{
    struct round *round = put_begin(store, then, context);
    struct redis_command *command =
        add_ledger_call(round, STORE_FUNCTION("gone"), application, task, who.incarnation);

    redis_command_add(command, who.said_goodbye ? TEXT("1") : TEXT("0"));
    redis_command_add_u64(command, ALIVE_MS);
    round_send(round);
}

/* One call per run of events of the same incarnation: their sequences are compared with its. */
static void add_events_call(struct round *round, const struct key_tag *tag,
                            const struct task_log_event *events, size_t count)
{
    struct redis_command *command = round_add_function(round, STORE_FUNCTION("events"), 3);
    char incarnation[INCARNATION_SIZE + 1];

    incarnation_format(events[0].incarnation, incarnation);
    key_add_task(command, tag, &events[0].task, "");
    key_add_task(command, tag, &events[0].task, "log");
    key_add_task(command, tag, &events[0].task, "seen");
    redis_command_add(command, text_of(incarnation));
    for (size_t i = 0; i < count; i++) {
        OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);
        record_write_event(&record, &events[i]);
        redis_command_add_u64(command, events[i].sequence);
        redis_command_add(command, buf_peek(&record));
    }
}

void store_events_put(struct store *store, struct text application,
                      const struct task_log_event *events, size_t count, store_done_fn then,
                      void *context)
{
    enum { EVENTS_PER_CALL_MAX = 256 };
    struct round *round = put_begin(store, then, context);
    struct key_tag tag = key_tag_make(application);
    size_t first = 0;

    for (size_t i = 1; i <= count; i++) {
        if (i < count && events[i].incarnation == events[first].incarnation &&
            i - first < EVENTS_PER_CALL_MAX) {
            continue;
        }
        add_events_call(round, &tag, events + first, i - first);
        first = i;
    }
    round_send(round);
}
