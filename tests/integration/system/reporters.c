/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/system/reporters.h"

#include "common/base/check.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <string.h>
#include <time.h>

enum { SEND_AGAIN_NS = 20 * 1000000, AWAIT_MS = 90000 };

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = SEND_AGAIN_NS }, NULL);
}

/* Until it is answered: what the answer says counts, also if an earlier one was lost. */
static enum report_outcome report_until_answered(struct reporters *reporters,
                                                 const struct sample_id *id)
{
    struct fake_sample sample = { .task = reporters->task.text, .id = id };
    enum report_outcome outcome;

    while (fake_probe_try_report(&reporters->probe, &sample, &outcome) < 0) {
        atomic_fetch_add(&reporters->again_count, 1);
        pause_briefly();
    }
    return outcome;
}

static void report_one(struct reporters *reporters)
{
    struct sample_id id = sample_id_make();
    enum report_outcome outcome = report_until_answered(reporters, &id);

    if (outcome == REPORT_ACCEPTED || outcome == REPORT_KNOWN) {
        unsigned place = atomic_fetch_add(&reporters->taken_count, 1);

        CHECK(place < ARRAY_COUNT(reporters->taken));
        reporters->taken[place] = id;
    } else {
        atomic_fetch_add(&reporters->refused_count, 1);
        pause_briefly();
    }
}

static void *run_reporter(void *context)
{
    struct reporters *reporters = context;

    while (!atomic_load(&reporters->is_stopping)) {
        if (reporters_have_come_on(reporters)) {
            pause_briefly();
        } else {
            report_one(reporters);
        }
    }
    return NULL;
}

void reporters_start(struct reporters *reporters, struct house *house, const char *application)
{
    memset(reporters, 0, sizeof *reporters);
    reporters->house = house;
    reporters->probe = FAKE_PROBE(house->scheduler.port, application, "reporter");
    house_order(house,
                &(struct order){ .application = application,
                                 .interface = "POST /checkout",
                                 .sample_cap = REPORTERS_CAP },
                &reporters->task);
    for (int i = 0; i < REPORTERS_COUNT; i++) {
        CHECK(pthread_create(&reporters->threads[i], NULL, run_reporter, reporters) == 0);
    }
}

void reporters_allow(struct reporters *reporters, unsigned count)
{
    atomic_store(&reporters->allowed, count);
}

bool reporters_have_come_on(struct reporters *reporters)
{
    return atomic_load(&reporters->taken_count) >= atomic_load(&reporters->allowed);
}

bool reporters_are_refused(struct reporters *reporters)
{
    return atomic_load(&reporters->refused_count) > 0;
}

static bool have_come_on(void *context)
{
    return reporters_have_come_on(context);
}

bool reporters_await_allowed(struct reporters *reporters)
{
    return wait_until(have_come_on, reporters, AWAIT_MS);
}

static bool are_refused(void *context)
{
    return reporters_are_refused(context);
}

bool reporters_await_full(struct reporters *reporters)
{
    return wait_until(are_refused, reporters, AWAIT_MS);
}

struct again {
    struct reporters *reporters;
    unsigned count;
};

static bool have_tried_again(void *context)
{
    const struct again *again = context;

    return atomic_load(&again->reporters->again_count) >= again->count;
}

bool reporters_await_again(struct reporters *reporters, unsigned again_count)
{
    struct again again = { reporters, again_count };

    return wait_until(have_tried_again, &again, AWAIT_MS);
}

void reporters_stop(struct reporters *reporters)
{
    atomic_store(&reporters->is_stopping, true);
    for (int i = 0; i < REPORTERS_COUNT; i++) {
        pthread_join(reporters->threads[i], NULL);
    }
}

static unsigned count_of(const json_t *samples, const char *id)
{
    json_t *sample;
    unsigned count = 0;
    size_t i;

    json_array_foreach((json_t *)samples, i, sample)
    {
        count += strcmp(json_string_value(json_object_get(sample, "id")), id) == 0;
    }
    return count;
}

void reporters_assert_nothing_was_lost(struct reporters *reporters)
{
    json_t *list =
        house_get(reporters->house, "/api/v1/tasks/%s/samples?limit=1000", reporters->task.text);
    json_t *samples = json_object_get(list, "samples");

    assert_int_equal(reporters->taken_count, REPORTERS_CAP);
    assert_int_equal(json_array_size(samples), REPORTERS_CAP);
    for (unsigned i = 0; i < REPORTERS_CAP; i++) {
        const char *id = reporters->taken[i].text;
        json_t *sample = house_get(reporters->house, "/api/v1/samples/%s", id);

        assert_int_equal(count_of(samples, id), 1);
        assert_int_equal(json_integer_value(json_object_get(sample, "snapshots")), 2);
        json_decref(sample);
    }
    json_decref(list);
}
