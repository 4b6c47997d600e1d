/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/pulser.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/model/problem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

int pulser_init(struct pulser *pulser, const struct pulse_source *source, uint64_t sequence)
{
    *pulser = (struct pulser){ .source = *source, .pulse = pulse_new(sequence) };
    return pulser->pulse ? 0 : -ENOMEM;
}

void pulser_done(struct pulser *pulser)
{
    pulser->pulse = pulse_free(pulser->pulse);
}

void pulser_hasten(struct pulser *pulser)
{
    atomic_store_explicit(&pulser->is_due, true, memory_order_relaxed);
}

/* ---- the reading ---- */

static void add_interface(void *context, const struct interface_statistics *statistics)
{
    pulse_add_interface(context, statistics);
}

static void add_books(struct pulser *pulser, const struct task_books *books, uint32_t count)
{
    pulser->has_open_books = false;
    for (uint32_t i = 0; i < count; i++) {
        pulse_add_books(pulser->pulse, &books[i]);
        pulser->has_open_books = pulser->has_open_books || !books[i].is_final;
    }
}

static void take_reading(struct pulser *pulser)
{
    struct task_books *books = calloc(SAMPLER_TASKS_MAX, sizeof *books);

    pulse_begin(pulser->pulse);
    pulser->source.interfaces(add_interface, pulser->pulse);
    if (books) add_books(pulser, books, pulser->source.ledgers(books, SAMPLER_TASKS_MAX));
    free(books);
}

static bool is_busy(const struct pulser *pulser, const struct pulse_moment *moment)
{
    return pulser->has_open_books || moment->has_active_task;
}

void pulser_read(struct pulser *pulser, const struct pulse_moment *moment)
{
    bool is_due;

    if (pulser->is_under_way) return;
    is_due = atomic_exchange_explicit(&pulser->is_due, false, memory_order_relaxed) ||
             moment->is_last || moment->now_ns >= pulser->due_ns;
    if (!is_due && !is_busy(pulser, moment)) return;
    take_reading(pulser);
    if (!is_due && !pulse_has_news(pulser->pulse)) return;
    pulser->is_under_way = true;
    pulser->due_ns = moment->now_ns + ms_to_ns(PULSE_INTERVAL_MS);
}

uint64_t pulser_next_ns(const struct pulser *pulser, const struct pulse_moment *moment)
{
    uint64_t soon_ns = moment->now_ns + ms_to_ns(PULSE_ACTIVE_INTERVAL_MS);

    if (atomic_load_explicit(&pulser->is_due, memory_order_relaxed)) return moment->now_ns;
    if (is_busy(pulser, moment) && soon_ns < pulser->due_ns) return soon_ns;
    return pulser->due_ns;
}

/* ---- its way ---- */

static void finish(struct pulser *pulser)
{
    struct task_id final[SAMPLER_TASKS_MAX];
    uint32_t count = pulse_final_tasks(pulser->pulse, final, SAMPLER_TASKS_MAX);

    pulser->is_under_way = false;
    pulser->source.interfaces_acknowledged();
    for (uint32_t i = 0; i < count; i++) {
        pulser->source.release(&final[i]);
    }
}

int pulser_body(struct pulser *pulser, const struct wire_pulse *head, struct text *ret)
{
    int rc;

    if (!pulser->is_under_way) return -ENODATA;
    rc = pulse_body(pulser->pulse, head, ret);
    if (rc == -ENODATA) finish(pulser);
    return rc;
}

int pulser_answer(struct pulser *pulser, struct text body)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_pulse_answer answer;
    struct problem problem;

    if (wire_pulse_answer_decode(body, &arena, &answer, &problem) < 0) return -EPROTO;
    if (pulse_acknowledge(pulser->pulse, answer.epoch)) pulser_hasten(pulser);
    return 0;
}

void pulser_refuse(struct pulser *pulser)
{
    pulse_abandon(pulser->pulse);
}
