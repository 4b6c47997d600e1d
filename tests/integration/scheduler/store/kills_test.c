/* SPDX-License-Identifier: Apache-2.0 */
/* Ten times kill -9 of Redis under load, with appendfsync always and reports that are sent again
 * until they are acknowledged: nothing that was acknowledged is lost, nothing is counted twice,
 * the cap is exact. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/wire/report.h"
#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

enum { KILLS = 10, SENDERS = 8, CAP = 100 };

/* Sends samples one after the other, each until it is acknowledged, one way or the other. */
struct sender {
    struct fixture *fixture;
    const struct task *task; /* of the round */
    struct sample *sample;
    bool is_open, is_over; /* a report is under way; it is to stop */
    char taken[CAP][SAMPLE_ID_SIZE + 1];
    unsigned taken_count;
};

static void on_report(void *context, enum report_outcome outcome, const struct problem *problem)
{
    struct sender *sender = context;

    sender->is_open = false;
    if (problem) return; /* the outcome is unknown: the same again, with the next turn */
    if (outcome == REPORT_ACCEPTED || outcome == REPORT_KNOWN) {
        memcpy(sender->taken[sender->taken_count++], sender->sample->id.text, SAMPLE_ID_SIZE + 1);
    }
    sender->sample = sample_free(sender->sample);
}

static void send_next(struct sender *sender)
{
    if (sender->is_open || (sender->is_over && !sender->sample)) return;
    if (!sender->sample) sender->sample = sample_of(sender->task);
    sender->is_open = true;
    report_send(sender->fixture, sender->sample, on_report, sender);
}

struct storm {
    struct sender senders[SENDERS];
    unsigned wanted;
};

static unsigned taken_in_all(const struct storm *storm)
{
    unsigned taken = 0;

    for (size_t i = 0; i < SENDERS; i++) {
        taken += storm->senders[i].taken_count;
    }
    return taken;
}

static bool has_taken(struct fixture *fixture, void *context)
{
    struct storm *storm = context;

    for (size_t i = 0; store_is_up(fixture->store) && i < SENDERS; i++) {
        send_next(&storm->senders[i]);
    }
    return taken_in_all(storm) >= storm->wanted;
}

static bool is_quiet(struct fixture *fixture, void *context)
{
    struct storm *storm = context;
    bool quiet = true;

    for (size_t i = 0; i < SENDERS; i++) {
        storm->senders[i].is_over = true;
        if (store_is_up(fixture->store)) send_next(&storm->senders[i]);
        if (storm->senders[i].is_open || storm->senders[i].sample) quiet = false;
    }
    return quiet;
}

struct listing {
    bool done;
    struct sample_summary *samples;
    size_t count;
};

static void on_samples(void *context, const struct history_samples *page,
                       const struct problem *problem)
{
    struct listing *listing = context;

    if (problem) fail_msg("%s", problem->detail);
    listing->done = true;
    listing->count = page->count;
    listing->samples = mem_zalloc(page->count + 1, sizeof(*listing->samples));
    memcpy(listing->samples, page->samples, page->count * sizeof(*listing->samples));
}

static bool is_listed(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct listing *)context)->done;
}

static bool holds(const struct listing *listing, const char *id)
{
    unsigned found = 0;

    for (size_t i = 0; i < listing->count; i++) {
        found += strcmp(listing->samples[i].id.text, id) == 0;
    }
    return found == 1;
}

struct whole {
    bool done;
    size_t count;
};

static void on_whole(void *context, struct sample **samples, size_t count,
                     const struct problem *problem)
{
    struct whole *whole = context;

    (void)samples;
    if (problem) fail_msg("%s", problem->detail);
    whole->done = true;
    whole->count = count;
}

static bool is_whole(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct whole *)context)->done;
}

static void assert_all_are_there(struct fixture *fixture, const struct storm *storm,
                                 const struct task *task)
{
    struct listing listing = { 0 };
    struct whole whole = { 0 };

    history_samples(fixture->history, &task->id, TEXT(""), PAGE_LIMIT_MAX, on_samples, &listing);
    fixture_wait(fixture, is_listed, &listing);
    assert_int_equal(listing.count, CAP);
    for (size_t i = 0; i < SENDERS; i++) {
        for (unsigned k = 0; k < storm->senders[i].taken_count; k++) {
            if (!holds(&listing, storm->senders[i].taken[k])) fail_msg("a sample was lost");
        }
    }
    free(listing.samples);
    history_whole_task(fixture->history, &task->id, on_whole, &whole);
    fixture_wait(fixture, is_whole, &whole);
    assert_int_equal(whole.count, CAP); /* with all their stacks */
}

static void ten_kills_lose_nothing_and_count_nothing_twice(void **state)
{
    struct fixture *fixture = fixture_new("appendonly yes\nappendfsync always\n");
    struct task_spec spec = spec_of("shop", "*");
    struct storm *storm = mem_zalloc(1, sizeof(*storm));
    struct task task;

    (void)state;
    spec.sample_cap = CAP;
    task = create_ok(fixture, &spec);
    for (size_t i = 0; i < SENDERS; i++) {
        storm->senders[i].fixture = fixture;
        storm->senders[i].task = &task;
    }
    for (unsigned kill = 0; kill < KILLS; kill++) {
        storm->wanted = (kill + 1) * (CAP / (KILLS + 1));
        fixture_wait(fixture, has_taken, storm);
        redis_process_kill(&fixture->redis); /* with up to SENDERS reports under way */
        fixture_wait_down(fixture);
        redis_process_restart(&fixture->redis);
        fixture_wait_ready(fixture);
    }
    storm->wanted = CAP;
    fixture_wait(fixture, has_taken, storm);
    fixture_wait(fixture, is_quiet, storm);

    /* Those that were acknowledged are exactly those that are there. */
    assert_int_equal(taken_in_all(storm), CAP);
    assert_int_equal(find(fixture, &task.id).task.state, TASK_FILLED);
    assert_int_equal(find(fixture, &task.id).task.sample_count, CAP);
    assert_all_are_there(fixture, storm, &task);
    free(storm);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_kills_lose_nothing_and_count_nothing_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
