/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/one_task.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/wire/messages.h"

#include <stdio.h>
#include <string.h>

static struct task_id armed;

int one_task_start(const struct sampler_options *options)
{
    sampler_set_budget(SAMPLER_BUDGET_NONE, SAMPLER_BUDGET_NONE);
    return sampler_start(options, false);
}

int one_task_stop(void **state)
{
    (void)state;
    sampler_stop();
    return 0;
}

struct task_order one_task_order(const struct one_task *task)
{
    struct task_order order = { .id = task_id_make(clock_wall_ns() / NS_PER_MS),
                                .state = TASK_ACTIVE,
                                .threshold_ns = task->threshold_ms * NS_PER_MS,
                                .frequency_ns = task->frequency_ms * NS_PER_MS,
                                .sample_cap = 100,
                                .lookback = task->lookback,
                                .ends_monotonic_ns = clock_monotonic_ns() + 600 * NS_PER_S };

    snprintf(order.interface, sizeof order.interface, "%s", task->interface);
    return order;
}

stakeout_interface_id one_task_arm(const struct one_task *task)
{
    struct task_order order = one_task_order(task);

    armed = order.id;
    sampler_set_tasks(&order, 1);
    return stakeout_interface(task->interface);
}

struct ledger one_task_ledger(void)
{
    static struct task_books books[SAMPLER_TASKS_MAX];
    uint32_t count = sampler_ledgers(books, SAMPLER_TASKS_MAX), i = 0;

    while (i < count && strcmp(books[i].task.text, armed.text) != 0) {
        i++;
    }
    CHECK(i < count && ledger_is_sound(&books[i].ledger));
    return books[i].ledger;
}

void one_task_accept(const struct sample *sample)
{
    sampler_settle(&(struct settlement){
        .sample = sample->id, .revision = sample->revision, .outcome = REPORT_ACCEPTED });
}
