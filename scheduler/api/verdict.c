/* SPDX-License-Identifier: Apache-2.0 */
/* verdict.c: the questions are asked in the order in which a call meets the obstacles: has the
 * task begun, did an instance get it, did somebody call, was a call slow, was it sampled? The
 * first "no" is the sentence. */
#include "scheduler/api/verdict.h"

#include "common/base/wall_time.h"

#include <inttypes.h>
#include <stdio.h>

/* Three digits: 1.84, 18.4, 184. */
static void write_digits(double value, const char *unit, struct buf *to)
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

    buf_printf(to, "%.*f %s", decimals, value, unit);
}

void verdict_duration(uint64_t ns, struct buf *to)
{
    double value = (double)ns;

    if (value < 999.5e3)
        write_digits(value / 1e3, "µs", to);
    else if (value < 999.5e6)
        write_digits(value / 1e6, "ms", to);
    else if (value < 59.95e9)
        write_digits(value / 1e9, "s", to);
    else
        buf_printf(to, "%" PRIu64 " min %" PRIu64 " s", ns / UINT64_C(1000000000) / 60,
                   ns / UINT64_C(1000000000) % 60);
}

void verdict_count(uint64_t count, struct buf *to)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%" PRIu64, count);

    for (int i = 0; i < size; i++) {
        buf_append(to, &digits[i], 1);
        if (i + 1 < size && (size - i - 1) % 3 == 0) buf_append(to, ",", 1);
    }
}

/* "1 instance", "2 instances" */
static void write_things(uint64_t count, const char *one, struct buf *to)
{
    verdict_count(count, to);
    buf_printf(to, " %s%s", one, count == 1 ? "" : "s");
}

static struct ledger add_up(const struct verdict_facts *facts)
{
    struct ledger totals = { 0 };

    for (size_t i = 0; i < facts->ledger_count; i++) {
        ledger_add(&totals, &facts->ledgers[i].counts);
    }
    return totals;
}

static bool was_delivered(const struct verdict_facts *facts)
{
    for (size_t i = 0; i < facts->ledger_count; i++) {
        if (facts->ledgers[i].delivered_wall_ms != 0 && !facts->ledgers[i].refused[0]) return true;
        if (facts->ledgers[i].counts.seen > 0) return true;
    }
    return false;
}

static const char *refusal(const struct verdict_facts *facts)
{
    for (size_t i = 0; i < facts->ledger_count; i++) {
        if (facts->ledgers[i].refused[0]) return facts->ledgers[i].refused;
    }
    return NULL;
}

static void write_not_begun(const struct task *task, struct buf *to)
{
    char at[WALL_TIME_SIZE];

    if (task->state == TASK_CANCELLED) {
        buf_text(to, TEXT("The task was cancelled before it started."));
        return;
    }
    wall_time_format(task->spec.start_wall_ms, at);
    buf_printf(to, "The task starts at %s.", at);
}

void verdict_names(const struct text *names, size_t count, struct buf *to)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(to, "%s '%.*s'", i == 0 ? " Nearest:" : ",", TEXT_ARGS(names[i]));
    }
    if (count > 0) buf_text(to, TEXT("."));
}

static void write_not_delivered(const struct verdict_facts *facts, struct buf *to)
{
    const char *application = facts->task->spec.application;

    if (refusal(facts)) {
        buf_printf(to, "Not delivered: no instance took the task; it was refused: %s",
                   refusal(facts));
        return;
    }
    if (facts->instance_count == 0) {
        buf_printf(to, "No instance: no process of '%s' polls this scheduler.", application);
        verdict_names(facts->applications, facts->application_count, to);
        return;
    }
    buf_text(to, facts->admitted_count == 0 ? TEXT("No instance: the task admits none of the ")
                                            : TEXT("Not delivered: the task was fetched by none "
                                                   "of the "));
    write_things(facts->instance_count, "instance", to);
    buf_printf(to, " of '%s' that poll%s this scheduler.", application,
               facts->instance_count == 1 ? "s" : "");
}

static void write_nearest(const struct verdict_facts *facts, struct buf *to)
{
    for (size_t i = 0; i < facts->nearest_count; i++) {
        const struct verdict_name *name = &facts->nearest[i];

        buf_text(to, i == 0 ? TEXT(" Nearest: ") : TEXT(", "));
        buf_printf(to, "'%.*s' (", TEXT_ARGS(name->interface));
        write_things(name->count, "call", to);
        if (name->count > 0) {
            buf_text(to, TEXT(", the slowest took "));
            verdict_duration(name->max_ns, to);
        }
        buf_text(to, TEXT(")"));
    }
    if (facts->nearest_count > 0) buf_text(to, TEXT("."));
}

static void write_no_call(const struct verdict_facts *facts, struct buf *to)
{
    const struct task *task = facts->task;

    if (facts->interface_was_seen) {
        buf_printf(to, "No call of '%s' %s.", task->spec.interface,
                   task_state_is_final(task->state) ? "ended while the task was active"
                                                    : "has ended since the task started");
        return;
    }
    buf_printf(to, "No such interface: no instance %s '%s'.",
               task_state_is_final(task->state) ? "called" : "has called", task->spec.interface);
    write_nearest(facts, to);
}

static void write_all_faster(const struct verdict_facts *facts, const struct ledger *totals,
                             struct buf *to)
{
    bool is_over = task_state_is_final(facts->task->state);

    if (is_over && totals->seen > 1) buf_text(to, TEXT("All "));
    write_things(totals->seen, "call", to);
    if (is_over)
        buf_printf(to, " %s faster than ", totals->seen == 1 ? "was" : "were");
    else
        buf_printf(to, " so far, %sbelow ", totals->seen == 1 ? "" : "all ");
    verdict_duration((uint64_t)facts->task->spec.threshold_ms * 1000000, to);
    buf_text(to, TEXT("; the slowest took "));
    verdict_duration(totals->slowest_below_ns, to);
    buf_text(to, TEXT("."));
}

static void write_drops(const struct ledger *totals, struct buf *to)
{
    for (int drop = 0; drop < CALL_DROP_COUNT; drop++) {
        if (totals->drops[drop] == 0) continue;
        buf_text(to, TEXT("; "));
        verdict_count(totals->drops[drop], to);
        buf_printf(to, " dropped (%s: %s)", call_drop_slug((enum call_drop)drop),
                   call_drop_says((enum call_drop)drop));
    }
}

/* A sample may be here a moment before the ledger that counts its call. */
static void write_slow_calls(const struct verdict_facts *facts, const struct ledger *totals,
                             struct buf *to)
{
    uint64_t sampled = facts->task->sample_count;
    uint64_t slow = totals->triggered > sampled ? totals->triggered : sampled;

    verdict_count(sampled, to);
    buf_text(to, TEXT(" of "));
    write_things(slow, "slow call", to);
    buf_text(to, TEXT(" sampled"));
    if (totals->over_cap > 0) {
        buf_text(to, TEXT("; "));
        verdict_count(totals->over_cap, to);
        buf_text(to, TEXT(" came after the sample cap was reached"));
    }
    write_drops(totals, to);
    if (totals->pending > 0) {
        buf_text(to, TEXT("; "));
        verdict_count(totals->pending, to);
        buf_printf(to, " %s still being listened to", totals->pending == 1 ? "is" : "are");
    }
    buf_text(to, TEXT("."));
}

void verdict_write(const struct verdict_facts *facts, struct buf *to)
{
    const struct task *task = facts->task;
    struct ledger totals = add_up(facts);

    if (totals.triggered > 0 || task->sample_count > 0)
        write_slow_calls(facts, &totals, to);
    else if (totals.seen > 0)
        write_all_faster(facts, &totals, to);
    else if (task->started_wall_ms == 0)
        write_not_begun(task, to);
    else if (was_delivered(facts))
        write_no_call(facts, to);
    else
        write_not_delivered(facts, to);
}
