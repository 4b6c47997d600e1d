/* SPDX-License-Identifier: Apache-2.0 */
/* tasks_intake.c: what instances bring: reports, ledgers, events; and that they come.
 *
 * Ledgers and events of tasks that are not in memory are passed over: such a task ended more than
 * CACHE_AFTER_END_MS ago, and its books are closed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/model/task_event.h"
#include "scheduler/task/tasks_private.h"

/* Reports ----------------------------------------------------------------------------------- */

struct intake_report {
    struct tasks *tasks;
    struct sample_summary summary;
    tasks_report_fn then;
    void *context;
};

static void summarize(const struct sample *sample, uint64_t at_wall_ms, struct sample_summary *ret)
{
    *ret = (struct sample_summary){
        .id = sample->id,
        .task = sample->task,
        .trace = sample->trace,
        .at_wall_ms = at_wall_ms,
        .elapsed_ns = sample->elapsed_ns,
        .listened_ns = sample->listened_ns,
        .threshold_ns = sample->threshold_ns,
        .incarnation = sample->incarnation,
        .response_code = sample->response_code,
        .thread_id = sample->thread_id,
        .snapshot_count = sample->snapshot_count,
        .revision = sample->revision,
        .running = sample->running,
    };
    memcpy(ret->application, sample->application, sizeof(ret->application));
    memcpy(ret->interface, sample->interface, sizeof(ret->interface));
    memcpy(ret->instance, sample->instance, sizeof(ret->instance));
    memcpy(ret->host_ip, sample->host_ip, sizeof(ret->host_ip));
    memcpy(ret->thread_name, sample->thread_name, sizeof(ret->thread_name));
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        struct weight weight = sample_weight(sample, i);
        ret->running_ns += weight.cpu_ns;
        ret->queued_ns += weight.queue_ns;
        ret->waiting_ns += weight.wait_ns;
    }
}

static void on_commit(void *context, const struct store_commit *commit,
                      const struct problem *problem)
{
    struct intake_report *report = context;
    bool is_new =
        !problem && (commit->outcome == REPORT_ACCEPTED || commit->outcome == REPORT_REPLACED);

    if (!problem && commit->task) {
        tasks_learn(report->tasks, commit->task, commit->version, is_new ? &report->summary : NULL);
    }
    report->then(report->context, problem ? REPORT_NO_TASK : commit->outcome, problem);
    free(report);
}

void tasks_take_report(struct tasks *tasks, const struct sample *sample, struct text bytes,
                       uint64_t at_wall_ms, tasks_report_fn then, void *context)
{
    struct intake_report *report = mem_zalloc(1, sizeof(*report));

    report->tasks = tasks;
    report->then = then;
    report->context = context;
    summarize(sample, at_wall_ms, &report->summary);
    store_report(tasks->store, &report->summary, bytes, on_commit, report);
}

/* Several puts, one end --------------------------------------------------------------------- */

struct puts {
    size_t open; /* one more while they are being sent */
    tasks_done_fn then;
    void *context;
    bool has_problem;
    struct problem problem;
};

static void puts_end(void *context)
{
    struct puts *puts = context;

    puts->then(puts->context, puts->has_problem ? &puts->problem : NULL);
    free(puts);
}

static void on_put(void *context, const struct problem *problem)
{
    struct puts *puts = context;

    if (problem && !puts->has_problem) {
        puts->has_problem = true;
        puts->problem = *problem;
    }
    if (--puts->open == 0) puts_end(puts);
}

static struct puts *puts_new(tasks_done_fn then, void *context)
{
    struct puts *puts = mem_zalloc(1, sizeof(*puts));

    puts->then = then;
    puts->context = context;
    return puts;
}

bool tasks_may_be_of(const struct tasks *tasks, const struct task_id *id, struct text application)
{
    const struct cached_task *cached = cache_task_find(&tasks->cache, id);

    return !cached || text_is_equal(text_of(cached->application->name), application);
}

/* Ledgers ----------------------------------------------------------------------------------- */

void tasks_take_ledgers(struct tasks *tasks, const struct task_ledger *ledgers, size_t count,
                        tasks_done_fn then, void *context)
{
    struct puts *puts = puts_new(then, context);

    for (size_t i = 0; i < count; i++) {
        const struct cached_task *cached = cache_task_find(&tasks->cache, &ledgers[i].task);
        if (!cached) continue;
        puts->open++;
        store_ledger_put(tasks->store, text_of(cached->application->name), &ledgers[i], on_put,
                         puts);
    }
    if (puts->open == 0) store_defer(tasks->store, puts_end, puts);
}

/* Events ------------------------------------------------------------------------------------ */

/* An instance that refused a task says so in its ledger, too. */
static void note_refusal(struct tasks *tasks, const struct cached_task *cached,
                         const struct task_log_event *event, struct puts *puts)
{
    struct task_ledger ledger = { .task = event->task, .incarnation = event->incarnation };

    if (event->event != TASK_EVENT_REFUSED) return;
    memcpy(ledger.instance, event->instance, sizeof(ledger.instance));
    snprintf(ledger.refused, sizeof(ledger.refused), "%.*s", (int)sizeof(ledger.refused) - 1,
             event->detail[0] ? event->detail : "no reason was given");
    puts->open++;
    store_ledger_put(tasks->store, text_of(cached->application->name), &ledger, on_put, puts);
}

void tasks_take_events(struct tasks *tasks, const struct task_log_event *events, size_t count,
                       tasks_done_fn then, void *context)
{
    struct puts *puts = puts_new(then, context);

    for (size_t i = 0, next; i < count; i = next) {
        const struct cached_task *cached = cache_task_find(&tasks->cache, &events[i].task);
        for (next = i + 1; next < count; next++) {
            if (strcmp(events[next].task.text, events[i].task.text) != 0) break;
        }
        if (!cached) continue;
        puts->open++;
        store_events_put(tasks->store, text_of(cached->application->name), events + i, next - i,
                         on_put, puts);
        for (size_t k = i; k < next; k++) {
            note_refusal(tasks, cached, &events[k], puts);
        }
    }
    if (puts->open == 0) store_defer(tasks->store, puts_end, puts);
}

/* Coming and going -------------------------------------------------------------------------- */

struct delivery {
    struct tasks *tasks;
    struct task_id id;
    uint64_t incarnation;
};

/* What could not be written is tried again with the instance's next poll. */
static void on_delivered(void *context, const struct problem *problem)
{
    struct delivery *delivery = context;
    struct cached_task *cached = cache_task_find(&delivery->tasks->cache, &delivery->id);

    if (problem && cached) cache_task_untell(cached, delivery->incarnation);
    free(delivery);
}

static void deliver(struct tasks *tasks, struct cached_task *cached, const struct task_ledger *who)
{
    struct delivery *delivery;

    if (!cache_task_tell(cached, who->incarnation)) return;
    delivery = mem_alloc(sizeof(*delivery));
    *delivery = (struct delivery){ tasks, cached->task.id, who->incarnation };
    store_delivered(tasks->store, text_of(cached->application->name), &cached->task.id, who,
                    on_delivered, delivery);
}

static void copy_text(struct text from, char *ret, size_t size_max)
{
    if (from.size > size_max) from.size = size_max;
    if (from.size > 0) memcpy(ret, from.data, from.size);
    ret[from.size] = '\0';
}

void tasks_delivered(struct tasks *tasks, struct text application, struct text instance,
                     struct text host_ip, uint64_t incarnation)
{
    struct cached_application *cached = cache_application_find(&tasks->cache, application);
    struct task_ledger who = { .incarnation = incarnation };

    if (!cached) return;
    copy_text(instance, who.instance, INSTANCE_SIZE_MAX);
    copy_text(host_ip, who.host_ip, HOST_IP_SIZE_MAX);
    for (size_t i = 0; i < cached->task_count; i++) {
        struct task *task = &cached->tasks[i]->task;
        if (task->state != TASK_ACTIVE || !task_spec_admits(&task->spec, instance, host_ip)) {
            continue;
        }
        deliver(tasks, cached->tasks[i], &who);
    }
}
