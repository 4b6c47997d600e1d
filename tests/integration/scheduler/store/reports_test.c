/* SPDX-License-Identifier: Apache-2.0 */
/* The cap and the revisions: (sample id, revision), by DESIGN section 3. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/wire/report.h"
#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

static struct task task_with_cap(struct fixture *fixture, int64_t cap)
{
    struct task_spec spec = spec_of("shop", "*");

    spec.sample_cap = cap;
    return create_ok(fixture, &spec);
}

static enum report_outcome report_new(struct fixture *fixture, const struct task *task)
{
    OWN(sample_freep) struct sample *sample = sample_of(task);
    struct told told = report(fixture, sample);

    if (told.code != PROBLEM_NONE) fail_msg("%s", told.problem.detail);
    return told.outcome;
}

static enum report_outcome report_again(struct fixture *fixture, struct sample *sample,
                                        uint32_t revision)
{
    struct told told;

    sample->revision = revision;
    told = report(fixture, sample);
    if (told.code != PROBLEM_NONE) fail_msg("%s", told.problem.detail);
    return told.outcome;
}

/* Blobs, rows and the byte counter agree; returns how many there are. */
static unsigned assert_sane(struct fixture *fixture, const struct task *task)
{
    static const char *const sum =
        "local n = 0; for _, k in ipairs(redis.call('KEYS', 'stakeout:*:b[lo]*[by]:*')) do"
        " if redis.call('PTTL', k) == -1 then n = n + redis.call('STRLEN', k) end end return n";
    char command[1024];
    unsigned rows;

    snprintf(command, sizeof(command), "EVAL \"%s\" 0", sum);
    assert_int_equal(
        fixture_sum(fixture, command),
        strtoul(redis_process_ask(&fixture->redis, "GET 'stakeout:{shop}:bytes'"), NULL, 10));
    snprintf(command, sizeof(command), "HLEN 'stakeout:{shop}:task:%s:samples'", task->id.text);
    rows = (unsigned)strtoul(redis_process_ask(&fixture->redis, command), NULL, 10);
    assert_int_equal(rows, find(fixture, &task->id).task.sample_count);
    return rows;
}

static void the_last_place_fills_the_task_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct task task = task_with_cap(fixture, 2);

    assert_int_equal(report_new(fixture, &task), REPORT_ACCEPTED);
    assert_int_equal(find(fixture, &task.id).task.state, TASK_ACTIVE);
    assert_int_equal(report_new(fixture, &task), REPORT_ACCEPTED);
    assert_int_equal(find(fixture, &task.id).task.state, TASK_FILLED);
    assert_int_equal(report_new(fixture, &task), REPORT_OVER_CAP);
    assert_int_equal(fixture->last_change.state, TASK_FILLED);
    assert_int_equal(assert_sane(fixture, &task), 2);
}

static void a_revision_replaces_lower_ones_and_takes_no_place(void **state)
{
    struct fixture *fixture = *state;
    struct task task = task_with_cap(fixture, 1);
    OWN(sample_freep) struct sample *sample = sample_of(&task);

    assert_int_equal(report_again(fixture, sample, 3), REPORT_ACCEPTED);
    assert_int_equal(find(fixture, &task.id).task.state, TASK_FILLED);
    assert_int_equal(report_again(fixture, sample, 3), REPORT_KNOWN);
    assert_int_equal(report_again(fixture, sample, 2), REPORT_KNOWN);
    assert_int_equal(report_again(fixture, sample, 4), REPORT_REPLACED); /* in a final state */
    assert_int_equal(report_again(fixture, sample, 9), REPORT_REPLACED); /* some were lost */
    assert_int_equal(report_again(fixture, sample, 4), REPORT_KNOWN);
    assert_int_equal(assert_sane(fixture, &task), 1);
}

static void of_a_cancelled_task_nothing_new_is_taken(void **state)
{
    struct fixture *fixture = *state;
    struct task task = task_with_cap(fixture, 5);
    OWN(sample_freep) struct sample *sample = sample_of(&task);

    assert_int_equal(report_again(fixture, sample, 1), REPORT_ACCEPTED);
    cancel(fixture, &task.id);
    assert_int_equal(report_again(fixture, sample, 1), REPORT_KNOWN);
    assert_int_equal(report_again(fixture, sample, 2), REPORT_NO_TASK);
    assert_int_equal(report_new(fixture, &task), REPORT_NO_TASK);
    assert_int_equal(assert_sane(fixture, &task), 1);
}

static void reports_are_taken_120_s_after_the_end_and_no_later(void **state)
{
    struct fixture *fixture = *state;
    struct task task = task_with_cap(fixture, 2);
    OWN(sample_freep) struct sample *sample = sample_of(&task);

    assert_int_equal(report_again(fixture, sample, 1), REPORT_ACCEPTED);
    pass_time(fixture, &task, 5 * 60000 + ACCEPT_AFTER_END_MS - 20000);
    assert_int_equal(report_new(fixture, &task), REPORT_ACCEPTED);
    assert_int_equal(find(fixture, &task.id).task.state, TASK_EXPIRED); /* full, but not FILLED */
    assert_int_equal(report_new(fixture, &task), REPORT_OVER_CAP);

    task = task_with_cap(fixture, 2);
    pass_time(fixture, &task, 5 * 60000 + ACCEPT_AFTER_END_MS + 1000);
    assert_int_equal(report_new(fixture, &task), REPORT_TASK_OVER);
}

static void a_report_of_no_task_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct task task = task_with_cap(fixture, 2);
    OWN(sample_freep) struct sample *sample = sample_of(&task);

    sample->task = task_id_make(1);
    assert_int_equal(report_again(fixture, sample, 1), REPORT_NO_TASK);
    sample->task = task.id;
    snprintf(sample->application, sizeof(sample->application), "another");
    assert_int_equal(report_again(fixture, sample, 1), REPORT_NO_TASK);
    assert_int_equal(assert_sane(fixture, &task), 0);
}

/* A place is taken by whoever comes: also a task that starts only now, by Redis' clock. */
static void a_task_that_is_due_is_started_by_its_first_report(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "*");
    struct task task;

    spec.start_wall_ms = tasks_now_wall_ms(fixture->tasks) + 600000;
    task = create_ok(fixture, &spec);
    assert_int_equal(report_new(fixture, &task), REPORT_NO_TASK);
    pass_time(fixture, &task, 600000);
    assert_int_equal(report_new(fixture, &task), REPORT_ACCEPTED);
    assert_int_equal(find(fixture, &task.id).task.state, TASK_ACTIVE);
}

/* A staged copy that is about to run out is not taken for one that was committed. */
static void a_staged_blob_that_expired_is_staged_again(void **state)
{
    struct fixture *fixture = *state;
    struct task task = task_with_cap(fixture, 2);
    OWN(sample_freep) struct sample *sample = sample_of(&task);
    char key[128], command[256];

    fixture_blob_key(fixture, &sample->id, key, sizeof(key));
    snprintf(command, sizeof(command), "SET '%s' x PX 60000", key);
    redis_process_ask(&fixture->redis, command);
    assert_int_equal(report_again(fixture, sample, 1), REPORT_ACCEPTED);
    snprintf(command, sizeof(command), "PTTL '%s'", key);
    assert_string_equal(redis_process_ask(&fixture->redis, command), "-1");
}

static void on_large(void *context, const struct store_commit *commit,
                     const struct problem *problem)
{
    struct told *told = context;

    told->done = true;
    told->code = problem ? problem->code : PROBLEM_NONE;
    if (commit) told->outcome = commit->outcome;
}

static bool was_told(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct told *)context)->done;
}

static void a_report_may_have_a_megabyte_and_not_one_byte_more(void **state)
{
    struct fixture *fixture = *state;
    struct task task = task_with_cap(fixture, 2);
    struct sample_summary summary = { .task = task.id,
                                      .revision = 1,
                                      .incarnation = 1,
                                      .id = sample_id_make(),
                                      .application = "shop" };
    char *bytes = mem_zalloc(1, REPORT_SIZE_MAX + 1);
    struct told told = { 0 };

    store_report(fixture->store, &summary, (struct text){ bytes, REPORT_SIZE_MAX + 1 }, on_large,
                 &told);
    assert_false(told.done);
    fixture_wait(fixture, was_told, &told);
    assert_int_equal(told.code, PROBLEM_TOO_LARGE);
    assert_int_equal(assert_sane(fixture, &task), 0);

    told.done = false;
    summary.trace = trace_id_make();
    store_report(fixture->store, &summary, (struct text){ bytes, REPORT_SIZE_MAX }, on_large,
                 &told);
    fixture_wait(fixture, was_told, &told);
    assert_int_equal(told.code, PROBLEM_NONE);
    assert_int_equal(told.outcome, REPORT_ACCEPTED);
    assert_int_equal(assert_sane(fixture, &task), 1);
    free(bytes);
}

/* The cap under 8 schedulers, each sending every sample twice ------------------------------- */

enum { RIVALS = 8, PER_RIVAL = 30 };

struct rivalry {
    unsigned open, accepted, known, over_cap, other;
};

static void on_rival_report(void *context, enum report_outcome outcome,
                            const struct problem *problem)
{
    struct rivalry *rivalry = context;

    rivalry->open--;
    rivalry->accepted += !problem && outcome == REPORT_ACCEPTED;
    rivalry->known += !problem && outcome == REPORT_KNOWN;
    rivalry->over_cap += !problem && outcome == REPORT_OVER_CAP;
    rivalry->other += problem || outcome > REPORT_OVER_CAP || outcome == REPORT_REPLACED;
}

static bool all_came(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct rivalry *)context)->open == 0;
}

/* Exits with how many were accepted; 255 if something else was odd. */
static _Noreturn void be_a_rival(const struct fixture *fixture, const struct task *task)
{
    struct fixture *mine = fixture_join(fixture);
    struct rivalry rivalry = { 0 };

    for (unsigned i = 0; i < PER_RIVAL; i++) {
        OWN(sample_freep) struct sample *sample = sample_of(task);
        rivalry.open += 2;
        report_send(mine, sample, on_rival_report, &rivalry);
        report_send(mine, sample, on_rival_report, &rivalry);
    }
    fixture_wait(mine, all_came, &rivalry);
    /* Every sample was accepted and then known, or refused twice. */
    if (rivalry.other || rivalry.known != rivalry.accepted ||
        rivalry.over_cap != 2 * (PER_RIVAL - rivalry.accepted)) {
        _exit(255);
    }
    _exit((int)rivalry.accepted);
}

static void the_cap_is_exact_under_8_schedulers_with_duplicates(void **state)
{
    static const int64_t caps[] = { 1, 7, 100 };
    struct fixture *fixture = *state;

    for (size_t c = 0; c < ARRAY_COUNT(caps); c++) {
        struct task task = task_with_cap(fixture, caps[c]);
        pid_t rivals[RIVALS];
        unsigned accepted = 0;

        for (unsigned i = 0; i < RIVALS; i++) {
            rivals[i] = fork();
            if (rivals[i] == 0) be_a_rival(fixture, &task);
            assert_true(rivals[i] > 0);
        }
        for (unsigned i = 0; i < RIVALS; i++) {
            int status = 0;
            assert_int_equal(waitpid(rivals[i], &status, 0), rivals[i]);
            assert_true(WIFEXITED(status));
            assert_int_not_equal(WEXITSTATUS(status), 255);
            accepted += (unsigned)WEXITSTATUS(status);
        }
        assert_int_equal(accepted, caps[c]);
        assert_int_equal(find(fixture, &task.id).task.state, TASK_FILLED);
        assert_int_equal(find(fixture, &task.id).task.sample_count, caps[c]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        CASE(the_last_place_fills_the_task_at_once),
        CASE(a_revision_replaces_lower_ones_and_takes_no_place),
        CASE(of_a_cancelled_task_nothing_new_is_taken),
        CASE(reports_are_taken_120_s_after_the_end_and_no_later),
        CASE(a_report_of_no_task_is_refused),
        CASE(a_task_that_is_due_is_started_by_its_first_report),
        CASE(a_staged_blob_that_expired_is_staged_again),
        CASE(a_report_may_have_a_megabyte_and_not_one_byte_more),
        CASE(the_cap_is_exact_under_8_schedulers_with_duplicates),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
