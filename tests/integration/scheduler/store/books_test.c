/* SPDX-License-Identifier: Apache-2.0 */
/* A task's books: its log, and its ledgers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/random.h"
#include "common/model/task_event.h"
#include "common/wire/report.h"
#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

struct answer {
    bool done;
    enum problem_code code;
    struct task_log_event *events;
    struct task_ledger *rows;
    size_t count;
    uint32_t folded;
    char next[CURSOR_SIZE_MAX + 1];
};

static void answer_done(struct answer *answer)
{
    free(answer->events);
    free(answer->rows);
    *answer = (struct answer){ 0 };
}

static void answer_end(struct answer *answer, const struct problem *problem)
{
    if (answer->done) fail_msg("a callback came twice");
    answer->done = true;
    answer->code = problem ? problem->code : PROBLEM_NONE;
}

static bool is_done(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct answer *)context)->done;
}

static void on_log(void *context, const struct history_log *log, const struct problem *problem)
{
    struct answer *answer = context;

    answer_end(answer, problem);
    if (problem) return;
    answer->count = log->count;
    answer->events = mem_zalloc(log->count + 1, sizeof(*answer->events));
    if (log->count) memcpy(answer->events, log->events, log->count * sizeof(*answer->events));
    memcpy(answer->next, log->next, sizeof(answer->next));
}

static void read_log(struct fixture *fixture, const struct task *task, const char *cursor,
                     uint32_t limit, struct answer *answer)
{
    answer_done(answer);
    history_log(fixture->history, &task->id, text_of(cursor), limit, on_log, answer);
    fixture_wait(fixture, is_done, answer);
}

static void on_ledger(void *context, const struct task *task, const struct history_ledger *ledger,
                      const struct problem *problem)
{
    struct answer *answer = context;

    (void)task;
    answer_end(answer, problem);
    if (problem) return;
    answer->count = ledger->count;
    answer->folded = ledger->folded;
    answer->rows = mem_zalloc(ledger->count + 1, sizeof(*answer->rows));
    if (ledger->count)
        memcpy(answer->rows, ledger->instances, ledger->count * sizeof(*answer->rows));
}

static void read_ledger(struct fixture *fixture, const struct task *task, struct answer *answer)
{
    answer_done(answer);
    history_ledger(fixture->history, &task->id, on_ledger, answer);
    fixture_wait(fixture, is_done, answer);
}

static void on_done(void *context, const struct problem *problem)
{
    struct answer *answer = context;

    if (problem) fail_msg("%s", problem->detail);
    answer_end(answer, problem);
}

static struct task new_task(struct fixture *fixture)
{
    struct task_spec spec = spec_of("shop", "GET /a");

    return create_ok(fixture, &spec);
}

/* Logs -------------------------------------------------------------------------------------- */

static void put_events(struct fixture *fixture, const struct task_log_event *events, size_t count)
{
    struct answer answer = { 0 };

    tasks_take_events(fixture->tasks, events, count, on_done, &answer);
    assert_false(answer.done);
    fixture_wait(fixture, is_done, &answer);
}

static struct task_log_event event_of(const struct task *task, uint64_t sequence)
{
    struct task_log_event event = { .task = task->id,
                                    .event = TASK_EVENT_ARMED,
                                    .at_wall_ms = 1000 + sequence,
                                    .incarnation = 0xabcdef,
                                    .sequence = sequence,
                                    .count = 1 };

    snprintf(event.instance, sizeof(event.instance), "host:1");
    return event;
}

static void the_log_tells_the_life_of_a_task(void **state)
{
    static const uint32_t kinds[] = { TASK_EVENT_CREATED, TASK_EVENT_STARTED, TASK_EVENT_EXTENDED,
                                      TASK_EVENT_SAMPLED, TASK_EVENT_FILLED,  TASK_EVENT_OVER_CAP };
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    OWN(sample_freep) struct sample *taken = NULL, *late = NULL;
    struct answer log = { 0 };
    struct task task;

    spec.sample_cap = 1;
    task = create_ok(fixture, &spec);
    extend(fixture, &task.id);
    taken = sample_of(&task);
    late = sample_of(&task);
    report(fixture, taken);
    report(fixture, late);
    read_log(fixture, &task, "", 100, &log);
    assert_int_equal(log.count, ARRAY_COUNT(kinds));
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        assert_int_equal(log.events[i].event, kinds[i]);
        assert_true(log.events[i].at_wall_ms >= task.created_wall_ms);
    }
    assert_string_equal(log.events[0].detail, "by ann");
    assert_string_equal(log.events[2].detail, "to 10 minutes by bob");
    assert_string_equal(log.events[3].detail, taken->id.text);
    assert_string_equal(log.events[5].instance, late->instance);
    answer_done(&log);
}

/* At most a line per second and instance; and yet the lines add up. */
static void every_refusal_is_in_the_log(void **state)
{
    enum { LATE = 20 };
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    struct answer log = { 0 };
    uint64_t count = 0, lines = 0;
    struct task task;

    spec.sample_cap = 1;
    task = create_ok(fixture, &spec);
    for (size_t i = 0; i < 1 + LATE; i++) {
        OWN(sample_freep) struct sample *sample = sample_of(&task);

        sample->incarnation = 0xabcdef;
        report(fixture, sample);
    }
    read_log(fixture, &task, "", 100, &log);
    for (size_t i = 0; i < log.count; i++) {
        if (log.events[i].event != TASK_EVENT_OVER_CAP) continue;
        count += log.events[i].count;
        lines++;
        assert_int_equal(log.events[i].incarnation, 0xabcdef);
    }
    assert_int_equal(count, LATE);
    assert_true(lines < LATE / 2); /* 20 reports take no ten seconds */
    answer_done(&log);
}

static void an_event_is_taken_once(void **state)
{
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_log_event events[4];
    struct answer log = { 0 };

    for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
        events[i] = event_of(&task, i + 1);
    }
    put_events(fixture, events, 3);
    put_events(fixture, events, 4); /* sent again, with one more */
    events[0].incarnation++;        /* another process, with the same sequence */
    put_events(fixture, events, 1);
    read_log(fixture, &task, "", 100, &log);
    assert_int_equal(log.count, 2 + 4 + 1);
    assert_int_equal(log.events[5].sequence, 4);
    assert_string_equal(log.events[5].instance, "host:1");
    assert_int_equal(log.events[6].incarnation, 0xabcdf0);
    answer_done(&log);
}

static void a_full_log_counts_what_it_cuts_and_keeps_room_for_the_end(void **state)
{
    enum { BATCH = 250, SENT = 10000 };
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct answer log = { 0 };
    uint64_t count = 0, cut = 0, sequence = 0;
    char cursor[CURSOR_SIZE_MAX + 1] = "";
    uint32_t last = 0;

    while (sequence < SENT) {
        struct task_log_event events[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            events[i] = event_of(&task, ++sequence);
        }
        put_events(fixture, events, BATCH);
    }
    cancel(fixture, &task.id);
    do {
        read_log(fixture, &task, cursor, 999, &log);
        for (size_t i = 0; i < log.count; i++) {
            if (log.events[i].event == TASK_EVENT_DROPPED) {
                cut = log.events[i].count;
            } else {
                count++;
                last = log.events[i].event;
            }
        }
        memcpy(cursor, log.next, sizeof(cursor));
    } while (cursor[0]);
    assert_int_equal(last, TASK_EVENT_CANCELLED);
    assert_true(count <= TASK_EVENTS_MAX);
    assert_int_equal(count + cut, SENT + 3); /* created, started, cancelled */
    assert_true(cut > 0);
    answer_done(&log);
}

/* Ledgers ----------------------------------------------------------------------------------- */

static struct task_ledger ledger_of(const struct task *task, uint64_t incarnation,
                                    uint64_t sequence, uint64_t seen)
{
    struct task_ledger ledger = { .task = task->id,
                                  .incarnation = incarnation,
                                  .sequence = sequence,
                                  .host_ip = "10.0.0.1",
                                  .counts = { .seen = seen,
                                              .below = seen - 3,
                                              .triggered = 3,
                                              .sampled = 1,
                                              .pending = 1,
                                              .late_ns_max = seen } };

    ledger.counts.drops[CALL_DROP_QUEUE_FULL] = 1;
    ledger.counts.snapshot_drops[SNAPSHOT_DROP_MOVED] = 2;
    snprintf(ledger.instance, sizeof(ledger.instance), "host:%u", (unsigned)incarnation);
    return ledger;
}

static void put_ledger(struct fixture *fixture, const struct task_ledger *ledger)
{
    struct answer answer = { 0 };

    tasks_take_ledgers(fixture->tasks, ledger, 1, on_done, &answer);
    assert_false(answer.done);
    fixture_wait(fixture, is_done, &answer);
}

static void the_last_sequence_of_a_ledger_wins(void **state)
{
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_ledger second = ledger_of(&task, 7, 2, 20), first = ledger_of(&task, 7, 1, 10);
    struct answer ledger = { 0 };

    put_ledger(fixture, &second);
    put_ledger(fixture, &first); /* late */
    read_ledger(fixture, &task, &ledger);
    assert_int_equal(ledger.count, 1);
    assert_memory_equal(&ledger.rows[0].counts, &second.counts, sizeof(second.counts));
    assert_string_equal(ledger.rows[0].instance, "host:7");
    assert_string_equal(ledger.rows[0].host_ip, "10.0.0.1");
    assert_int_equal(ledger.rows[0].delivered_wall_ms, 0);
    answer_done(&ledger);
}

static void delivery_is_noted_once_per_incarnation(void **state)
{
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct answer ledger = { 0 }, log = { 0 };

    for (unsigned i = 0; i < 3; i++) {
        tasks_delivered(fixture->tasks, TEXT("shop"), TEXT("host:9"), TEXT("10.0.0.9"), 9);
    }
    tasks_delivered(fixture->tasks, TEXT("other"), TEXT("host:9"), TEXT("10.0.0.9"), 10);
    read_ledger(fixture, &task, &ledger); /* behind them, on the same connection */
    assert_int_equal(ledger.count, 1);
    assert_true(ledger.rows[0].delivered_wall_ms >= task.created_wall_ms);
    read_log(fixture, &task, "", 100, &log);
    assert_int_equal(log.count, 3);
    assert_int_equal(log.events[2].event, TASK_EVENT_DELIVERED);
    assert_string_equal(log.events[2].detail, "10.0.0.9");
    answer_done(&ledger);
    answer_done(&log);
}

static void what_is_pending_of_an_instance_that_is_gone_is_lost(void **state)
{
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_ledger row = ledger_of(&task, 7, 1, 10);
    struct answer ledger = { 0 }, log = { 0 };

    put_ledger(fixture, &row);
    tasks_instance_gone(fixture->tasks, TEXT("shop"), 7, false);
    tasks_instance_gone(fixture->tasks, TEXT("shop"), 7, false);
    read_ledger(fixture, &task, &ledger);
    assert_true(ledger.rows[0].is_gone);
    assert_int_equal(ledger.rows[0].counts.pending, 0);
    assert_int_equal(ledger.rows[0].counts.drops[CALL_DROP_INSTANCE_LOST], 1);
    assert_true(ledger_is_sound(&ledger.rows[0].counts));
    read_log(fixture, &task, "", 100, &log);
    assert_int_equal(log.count, 3);
    assert_int_equal(log.events[2].event, TASK_EVENT_INSTANCE_LOST);
    assert_string_equal(log.events[2].detail, "1 call was pending");

    row.sequence = 2; /* it was only out of reach */
    put_ledger(fixture, &row);
    read_ledger(fixture, &task, &ledger);
    assert_false(ledger.rows[0].is_gone);
    assert_int_equal(ledger.rows[0].counts.pending, 1);
    answer_done(&ledger);
    answer_done(&log);
}

/* As another scheduler says, or this one. */
static void hear(struct fixture *fixture, const char *application, uint64_t incarnation,
                 uint64_t silent_ms)
{
    store_heard(fixture->store, text_of(application),
                &(struct store_heard){ incarnation, silent_ms }, 1);
}

static bool is_gone(struct fixture *fixture, const struct task *task)
{
    struct answer ledger = { 0 };
    bool is;

    read_ledger(fixture, task, &ledger);
    assert_true(ledger.count > 0);
    is = ledger.rows[0].is_gone;
    answer_done(&ledger);
    return is;
}

struct silence {
    bool done;
    uint64_t incarnation;
    size_t count;
};

static void on_silent(void *context, const uint64_t *incarnations, size_t count,
                      const struct problem *problem)
{
    struct silence *silence = context;

    if (problem) fail_msg("%s", problem->detail);
    silence->done = true;
    silence->count = count;
    if (count > 0) silence->incarnation = incarnations[0];
}

static bool is_told(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct silence *)context)->done;
}

static struct silence ask_silent(struct fixture *fixture, const char *application,
                                 uint64_t silent_ms)
{
    struct silence silence = { .done = false };

    store_silent(fixture->store, text_of(application), silent_ms, on_silent, &silence);
    fixture_wait(fixture, is_told, &silence);
    return silence;
}

/* It is silent here, because it speaks to another scheduler. */
static void who_is_heard_elsewhere_is_not_gone(void **state)
{
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_ledger ledger = ledger_of(&task, 7, 1, 10);

    put_ledger(fixture, &ledger);
    hear(fixture, "shop", 7, 100);
    hear(fixture, "shop", 7, 50000); /* what this one last heard is older */
    tasks_instance_gone(fixture->tasks, TEXT("shop"), 7, false);
    assert_false(is_gone(fixture, &task));

    tasks_instance_gone(fixture->tasks, TEXT("shop"), 7, true); /* it says so itself */
    assert_true(is_gone(fixture, &task));
}

/* And nobody is left who would miss it. Of an application that the scheduler of the fixture has
 * never heard of, so that it does not ask first. */
static void whom_nobody_hears_is_told_of_once(void **state)
{
    enum { MINUTE_MS = 60000 };
    struct fixture *fixture = *state;
    struct silence silence;

    hear(fixture, "quiet", 7, MINUTE_MS + 1000);
    hear(fixture, "quiet", 8, 100);
    silence = ask_silent(fixture, "quiet", MINUTE_MS);
    assert_int_equal(silence.count, 1);
    assert_int_equal(silence.incarnation, 7);
    assert_int_equal(ask_silent(fixture, "quiet", MINUTE_MS).count, 0);
}

static void who_was_heard_long_ago_is_gone(void **state)
{
    enum { MINUTE_MS = 60000 };
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_ledger ledger = ledger_of(&task, 7, 1, 10);

    put_ledger(fixture, &ledger);
    hear(fixture, "shop", 7, MINUTE_MS);
    tasks_instance_gone(fixture->tasks, TEXT("shop"), 7, false);
    assert_true(is_gone(fixture, &task));
}

static bool only_8_is_here(void *context, struct text application, uint64_t incarnation)
{
    (void)context;
    return text_is_equal(application, TEXT("shop")) && incarnation == 8;
}

static void who_went_while_no_scheduler_ran_is_gone_and_who_is_here_is_not(void **state)
{
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_ledger gone = ledger_of(&task, 7, 1, 10), here = ledger_of(&task, 8, 1, 10);
    struct answer ledger = { 0 };

    put_ledger(fixture, &gone);
    put_ledger(fixture, &here);
    tasks_sweep_strangers(fixture->tasks, only_8_is_here, NULL);
    read_ledger(fixture, &task, &ledger); /* behind the roll-call's reading */
    read_ledger(fixture, &task, &ledger); /* and behind what it wrote */
    assert_int_equal(ledger.count, 2);
    for (size_t i = 0; i < ledger.count; i++) {
        bool is_gone = ledger.rows[i].incarnation == 7;

        assert_int_equal(ledger.rows[i].is_gone, is_gone);
        assert_int_equal(ledger.rows[i].counts.drops[CALL_DROP_INSTANCE_LOST], is_gone ? 1 : 0);
        assert_true(ledger_is_sound(&ledger.rows[i].counts));
    }
    answer_done(&ledger);
}

/* The scheduler came back when the task was forgotten already: nobody will ever notice. */
static void what_is_pending_when_the_books_are_closed_is_lost(void **state)
{
    static const struct {
        uint64_t ended_ms_ago, pending;
    } moments[] = { { BOOKS_AFTER_END_MS - 30000, 1 }, { BOOKS_AFTER_END_MS, 0 } };
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_ledger row = ledger_of(&task, 7, 1, 10);
    struct answer ledger = { 0 };
    uint64_t passed_ms = 0;

    put_ledger(fixture, &row);
    pass_time(fixture, &task, BOOKS_AFTER_END_MS); /* of a task that is not over: nothing */
    read_ledger(fixture, &task, &ledger);
    assert_int_equal(ledger.rows[0].counts.pending, 1);
    assert_int_equal(cancel(fixture, &task.id).code, PROBLEM_NONE);
    for (size_t i = 0; i < ARRAY_COUNT(moments); i++) {
        pass_time(fixture, &task, moments[i].ended_ms_ago - passed_ms);
        passed_ms = moments[i].ended_ms_ago;
        read_ledger(fixture, &task, &ledger);
        assert_int_equal(ledger.count, 1);
        assert_int_equal(ledger.rows[0].counts.pending, moments[i].pending);
        assert_int_equal(ledger.rows[0].counts.drops[CALL_DROP_INSTANCE_LOST],
                         1 - moments[i].pending);
        assert_true(ledger_is_sound(&ledger.rows[0].counts));
    }
    answer_done(&ledger);
}

static void a_refusal_stands_in_the_ledger(void **state)
{
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_log_event event = event_of(&task, 1);
    struct answer ledger = { 0 };

    event.event = TASK_EVENT_REFUSED;
    snprintf(event.detail, sizeof(event.detail), "the signal is taken");
    put_events(fixture, &event, 1);
    read_ledger(fixture, &task, &ledger);
    assert_int_equal(ledger.count, 1);
    assert_string_equal(ledger.rows[0].refused, "the signal is taken");
    answer_done(&ledger);
}

static void ended_instances_beyond_the_bound_are_added_up(void **state)
{
    enum { MORE = 20 };
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct answer ledger = { 0 };
    struct ledger sum = { 0 };
    const struct task_ledger *folded;

    for (uint64_t i = 1; i <= LEDGER_INSTANCES_MAX + MORE; i++) {
        struct task_ledger row = ledger_of(&task, i, 1, 100 + i);
        put_ledger(fixture, &row);
        if (i <= 2 * MORE) tasks_instance_gone(fixture->tasks, TEXT("shop"), i, false);
    }
    read_ledger(fixture, &task, &ledger);
    assert_int_equal(ledger.count, LEDGER_INSTANCES_MAX + 1); /* and their sum */
    folded = &ledger.rows[ledger.count - 1];
    assert_int_equal(folded->incarnation, 0);
    assert_int_equal(ledger.folded, MORE);
    for (size_t i = 0; i < ledger.count; i++) {
        assert_true(ledger_is_sound(&ledger.rows[i].counts));
        ledger_add(&sum, &ledger.rows[i].counts);
    }
    assert_int_equal(sum.triggered, 3 * (LEDGER_INSTANCES_MAX + MORE));
    assert_int_equal(sum.drops[CALL_DROP_INSTANCE_LOST], 2 * MORE);
    assert_int_equal(sum.late_ns_max, 100 + LEDGER_INSTANCES_MAX + MORE);

    struct task_ledger ghost = ledger_of(&task, 1, 2, 500); /* folded already */
    put_ledger(fixture, &ghost);
    read_ledger(fixture, &task, &ledger);
    assert_int_equal(ledger.count, LEDGER_INSTANCES_MAX + 1); /* and their sum */
    answer_done(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        CASE(the_log_tells_the_life_of_a_task),
        CASE(every_refusal_is_in_the_log),
        CASE(an_event_is_taken_once),
        CASE(a_full_log_counts_what_it_cuts_and_keeps_room_for_the_end),
        CASE(the_last_sequence_of_a_ledger_wins),
        CASE(delivery_is_noted_once_per_incarnation),
        CASE(what_is_pending_of_an_instance_that_is_gone_is_lost),
        CASE(who_went_while_no_scheduler_ran_is_gone_and_who_is_here_is_not),
        CASE(who_is_heard_elsewhere_is_not_gone),
        CASE(who_was_heard_long_ago_is_gone),
        CASE(whom_nobody_hears_is_told_of_once),
        CASE(what_is_pending_when_the_books_are_closed_is_lost),
        CASE(a_refusal_stands_in_the_ledger),
        CASE(ended_instances_beyond_the_bound_are_added_up),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
