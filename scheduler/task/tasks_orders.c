/* SPDX-License-Identifier: Apache-2.0 */
/* tasks_orders.c: what operators order: create, cancel, extend. Checked here, decided by Redis,
 * worded here. */
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/task/refusals.h"
#include "scheduler/task/tasks_private.h"

struct order {
    struct tasks *tasks;
    tasks_task_fn then;
    void *context;
    struct task_id id; /* of the task that is to be moved */
    char application[APPLICATION_SIZE_MAX + 1];
    char who[AUTHOR_SIZE_MAX + 1];
    void (*send)(struct order *order);
    struct problem problem; /* a refusal that needed no Redis */
};

static void on_answer(void *context, const struct store_answer *answer,
                      const struct problem *problem)
{
    struct order *order = context;
    struct refused_order refused = { order->application[0] ? order->application : NULL,
                                     &order->id };
    struct problem refusal;
    const struct task *task = NULL;

    if (!problem && answer->task) {
        task = &tasks_learn(order->tasks, answer->task, answer->version, NULL)->task;
    }
    if (!problem && refusal_explain(answer, &refused, &refusal) < 0) problem = &refusal;
    order->then(order->context, problem ? NULL : task, problem);
    free(order);
}

static void refuse(void *context)
{
    struct order *order = context;

    order->then(order->context, NULL, &order->problem);
    free(order);
}

/* Creating ---------------------------------------------------------------------------------- */

void tasks_create(struct tasks *tasks, const struct task_spec *spec, tasks_task_fn then,
                  void *context)
{
    struct order *order = mem_zalloc(1, sizeof(*order));

    order->tasks = tasks;
    order->then = then;
    order->context = context;
    if (task_spec_check(spec, store_now_wall_ms(tasks->store), &order->problem) < 0) {
        store_defer(tasks->store, refuse, order);
        return;
    }
    memcpy(order->application, spec->application, sizeof(order->application));
    store_task_create(tasks->store, spec, on_answer, order);
}

/* Moving ------------------------------------------------------------------------------------ */

static void send_cancel(struct order *order)
{
    store_task_cancel(order->tasks->store, text_of(order->application), &order->id,
                      text_of(order->who), on_answer, order);
}

static void send_extend(struct order *order)
{
    store_task_extend(order->tasks->store, text_of(order->application), &order->id,
                      text_of(order->who), on_answer, order);
}

static void on_found(void *context, const struct task *task, const struct problem *problem)
{
    struct order *order = context;

    if (problem) {
        order->problem = *problem;
        refuse(order);
        return;
    }
    memcpy(order->application, task->spec.application, sizeof(order->application));
    order->send(order);
}

/* A task that is not in memory is over, or unknown: Redis is asked which. */
static void find_and_send(struct order *order)
{
    const struct cached_task *cached = cache_task_find(&order->tasks->cache, &order->id);

    if (!cached) {
        store_task_find(order->tasks->store, &order->id, on_found, order);
        return;
    }
    memcpy(order->application, cached->application->name, sizeof(order->application));
    order->send(order);
}

static struct order *order_new(struct tasks *tasks, const struct task_id *id, const char *who)
{
    struct order *order = mem_zalloc(1, sizeof(*order));
    struct text name = text_of(who);

    order->tasks = tasks;
    order->id = *id;
    if (name.size > AUTHOR_SIZE_MAX) name.size = AUTHOR_SIZE_MAX;
    if (name.size > 0) memcpy(order->who, name.data, name.size);
    return order;
}

void tasks_cancel(struct tasks *tasks, const struct task_id *id, const char *who,
                  tasks_task_fn then, void *context)
{
    struct order *order = order_new(tasks, id, who);

    order->then = then;
    order->context = context;
    order->send = send_cancel;
    find_and_send(order);
}

void tasks_extend(struct tasks *tasks, const struct task_id *id, const char *who,
                  tasks_task_fn then, void *context)
{
    struct order *order = order_new(tasks, id, who);

    order->then = then;
    order->context = context;
    order->send = send_extend;
    find_and_send(order);
}
