/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/scheduler/store/storm.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "tests/support/test.h"

/* Sends samples one after the other, each until it is acknowledged, one way or the other. */
struct sender {
    struct fixture *fixture;
    const struct task *task; /* of the round */
    struct sample *sample;
    bool is_open, is_over; /* a report is under way; it is to stop */
    char taken[STORM_CAP][SAMPLE_ID_SIZE + 1];
    unsigned taken_count, again;
};

static void on_report(void *context, enum report_outcome outcome, const struct problem *problem)
{
    struct sender *sender = context;

    sender->is_open = false;
    if (problem) {
        sender->again++; /* the outcome is unknown: the same again, with the next turn */
        return;
    }
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
    struct fixture *fixture, *beside; /* NULL: nobody */
    struct task task;
    struct sender senders[STORM_SENDERS];
    unsigned wanted, turns;
};

static unsigned taken_in_all(const struct storm *storm)
{
    unsigned taken = 0;

    for (size_t i = 0; i < STORM_SENDERS; i++) {
        taken += storm->senders[i].taken_count;
    }
    return taken;
}

static bool has_taken(struct fixture *fixture, void *context)
{
    struct storm *storm = context;

    if (storm->beside) event_base_loop(storm->beside->base, EVLOOP_NONBLOCK);
    for (size_t i = 0; store_is_up(fixture->store) && i < STORM_SENDERS; i++) {
        send_next(&storm->senders[i]);
    }
    return taken_in_all(storm) >= storm->wanted;
}

static bool has_turned(struct fixture *fixture, void *context)
{
    struct storm *storm = context;

    has_taken(fixture, context);
    return storm->turns-- == 0;
}

static bool is_quiet(struct fixture *fixture, void *context)
{
    struct storm *storm = context;
    bool quiet = true;

    for (size_t i = 0; i < STORM_SENDERS; i++) {
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
    assert_int_equal(listing.count, STORM_CAP);
    for (size_t i = 0; i < STORM_SENDERS; i++) {
        for (unsigned k = 0; k < storm->senders[i].taken_count; k++) {
            if (!holds(&listing, storm->senders[i].taken[k])) fail_msg("a sample was lost");
        }
    }
    free(listing.samples);
    history_whole_task(fixture->history, &task->id, on_whole, &whole);
    fixture_wait(fixture, is_whole, &whole);
    assert_int_equal(whole.count, STORM_CAP); /* with all their stacks */
}

struct storm *storm_new(struct fixture *fixture)
{
    struct storm *storm = mem_zalloc(1, sizeof(*storm));
    struct task_spec spec = spec_of("shop", "*");

    spec.sample_cap = STORM_CAP;
    storm->fixture = fixture;
    storm->task = create_ok(fixture, &spec);
    for (size_t i = 0; i < STORM_SENDERS; i++) {
        storm->senders[i].fixture = fixture;
        storm->senders[i].task = &storm->task;
    }
    return storm;
}

void storm_until(struct storm *storm, unsigned taken)
{
    storm->wanted = taken;
    fixture_wait(storm->fixture, has_taken, storm);
}

void storm_beside(struct storm *storm, struct fixture *other)
{
    storm->beside = other;
}

void storm_turn(struct storm *storm, unsigned turns)
{
    storm->turns = turns;
    fixture_wait(storm->fixture, has_turned, storm);
}

unsigned storm_again(const struct storm *storm)
{
    unsigned again = 0;

    for (size_t i = 0; i < STORM_SENDERS; i++) {
        again += storm->senders[i].again;
    }
    return again;
}

void storm_end(struct storm *storm)
{
    const struct task_id *id = &storm->task.id;

    storm_until(storm, STORM_CAP);
    fixture_wait(storm->fixture, is_quiet, storm);
    assert_int_equal(taken_in_all(storm), STORM_CAP);
    assert_int_equal(find(storm->fixture, id).task.state, TASK_FILLED);
    assert_int_equal(find(storm->fixture, id).task.sample_count, STORM_CAP);
    assert_all_are_there(storm->fixture, storm, &storm->task);
    free(storm);
}
