/* SPDX-License-Identifier: Apache-2.0 */
/* pulse.c: statistics go to the census, ledgers to the store.
 *
 * It is answered when the store has the ledgers: a probe that stops waits for that. A ledger
 * whose sums do not hold is left out, and counted: one bad ledger should not blind us for the
 * rest of what an instance says. */
#include "scheduler/intake/drop_counts.h"
#include "scheduler/intake/private.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"

#include <stdio.h>
#include <stdlib.h>

static void take_drops(struct ledger *to, const struct wire_pulse_ledger *said)
{
    for (uint32_t i = 0; i < said->drops_count; i++) {
        enum call_drop drop;

        /* A reason of a newer probe: the call was not sampled, and the sums must hold. */
        if (call_drop_parse(said->drops[i].reason, &drop) < 0) drop = CALL_DROP_NO_SAMPLE;
        to->drops[drop] += said->drops[i].count;
    }
    for (uint32_t i = 0; i < said->snapshot_drops_count; i++) {
        enum snapshot_drop drop;

        if (snapshot_drop_parse(said->snapshot_drops[i].reason, &drop) < 0) continue;
        to->snapshot_drops[drop] += said->snapshot_drops[i].count;
    }
}

/* Returns whether the ledger is one: of a task of the sender's application, and sums that hold. */
static bool take_ledger(struct intake *intake, const struct wire_pulse *pulse,
                        const struct wire_pulse_ledger *said, struct task_ledger *ret)
{
    *ret = (struct task_ledger){
        .incarnation = pulse->incarnation,
        .sequence = pulse->sequence,
        .counts = {
            .seen = said->seen,
            .below = said->below,
            .triggered = said->triggered,
            .sampled = said->sampled,
            .over_cap = said->over_cap,
            .pending = said->pending,
            .snapshots = said->snapshots,
            .signals = said->signals,
            .perf = said->perf,
            .reads = said->reads,
            .repeats = said->repeats,
            .interrupted = said->interrupted,
            .slowest_below_ns = said->slowest_below_ns,
            .late_ns_max = said->late_ns_max,
            .pause_ns_p50 = said->pause_ns_p50,
            .pause_ns_p99 = said->pause_ns_p99,
            .cpu_ns = said->cpu_ns,
            .armed_ns = said->armed_ns,
            .stretched_ns = said->stretched_ns,
        },
    };
    if (task_id_parse(said->task, &ret->task) < 0) return false;
    if (!tasks_may_be_of(intake->tasks, &ret->task, pulse->application)) return false;
    snprintf(ret->instance, sizeof ret->instance, "%.*s", TEXT_ARGS(pulse->instance));
    snprintf(ret->host_ip, sizeof ret->host_ip, "%.*s", TEXT_ARGS(pulse->host_ip));
    take_drops(&ret->counts, said);
    return ledger_is_sound(&ret->counts);
}

static size_t take_ledgers(struct intake *intake, const struct wire_pulse *pulse,
                           struct task_ledger *ret)
{
    size_t count = 0;

    for (uint32_t i = 0; i < pulse->ledgers_count; i++) {
        if (take_ledger(intake, pulse, &pulse->ledgers[i], &ret[count]))
            count++;
        else
            metrics_add(intake->metrics, METRIC_INTAKE, "ledger", "unsound", 1);
    }
    return count;
}

static void answer(struct intake *intake, struct http_request *request)
{
    OWN(buf_done) struct buf body = BUF_INIT(64);
    struct wire_pulse_answer said = { .protocol = WIRE_PROTOCOL,
                                      .epoch = census_epoch(intake->census) };

    CHECK(wire_pulse_answer_encode(&said, &body) == 0);
    intake_answer(intake, request, "pulse", "accepted", buf_peek(&body));
}

static void on_ledgers_taken(void *context, const struct problem *problem)
{
    struct in_flight *it = context;
    struct intake *intake = it->intake;
    struct http_request *request = in_flight_end(it);

    if (!request) return;
    if (problem)
        intake_refuse(intake, request, "pulse", problem);
    else
        answer(intake, request);
}

static void say_goodbye(struct intake *intake, const struct wire_pulse *pulse)
{
    tasks_instance_gone(intake->tasks, pulse->application, pulse->incarnation, true);
}

static void count_drops(struct intake *intake, const struct wire_pulse *pulse,
                        const struct task_ledger *ledgers, size_t count)
{
    const struct census_instance *known =
        census_instance_find(intake->census, pulse->application, pulse->incarnation);
    uint64_t known_for_ns = known ? clock_monotonic_ns() - known->first_seen_ns : 0;

    for (size_t i = 0; i < count; i++) {
        drop_counts_take(intake->drop_counts, &ledgers[i], known_for_ns);
    }
}

static void give_ledgers(struct intake *intake, struct http_request *request,
                         const struct wire_pulse *pulse)
{
    struct task_ledger *ledgers = mem_zalloc(pulse->ledgers_count + 1, sizeof *ledgers);
    size_t count = take_ledgers(intake, pulse, ledgers);
    struct in_flight *it = count > 0 ? in_flight_begin(intake, request, "pulse") : NULL;

    count_drops(intake, pulse, ledgers, count);
    if (it)
        tasks_take_ledgers(intake->tasks, ledgers, count, on_ledgers_taken, it);
    else if (count == 0)
        answer(intake, request);
    free(ledgers);
}

void pulse_take(struct intake *intake, struct http_request *request)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_pulse pulse;
    struct problem problem;

    if (wire_pulse_decode(http_body(request), &arena, &pulse, &problem) < 0 ||
        sender_check(request,
                     &(struct sender){ pulse.application, pulse.instance, pulse.incarnation },
                     &problem) < 0 ||
        census_pulse(intake->census, &pulse, http_peer(request), clock_monotonic_ns(),
                     clock_wall_ns(), &problem) < 0) {
        intake_refuse(intake, request, "pulse", &problem);
        return;
    }
    give_ledgers(intake, request, &pulse);
    if (pulse.is_last) say_goodbye(intake, &pulse);
}
