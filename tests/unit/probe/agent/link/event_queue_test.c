/* SPDX-License-Identifier: Apache-2.0 */
/* Sequence, merging, batches and the bound of event_queue.c, and backoff.h. */
#include "probe/agent/link/event_queue.h"

#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "probe/agent/link/backoff.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TASK "0123456789abcdef0123"

static struct event event_of(uint32_t kind, const char *detail)
{
    struct event event = { .event = kind, .task = { TASK } };

    snprintf(event.detail, sizeof event.detail, "%s", detail);
    return event;
}

static void add(struct event_queue *queue, uint32_t kind, const char *detail, uint64_t now_ns)
{
    struct event event = event_of(kind, detail);

    event_queue_add(queue, &event, now_ns);
}

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct event_queue));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void the_same_event_within_a_second_is_one_with_a_count(void **state)
{
    struct event_queue *queue = *state;
    struct wire_log_event batch[EVENTS_MAX];

    add(queue, 12, "queue-full", NS_PER_S);
    add(queue, 12, "queue-full", 2 * NS_PER_S - 1);
    add(queue, 12, "no-sample", 2 * NS_PER_S - 1);
    add(queue, 12, "queue-full", 2 * NS_PER_S);
    assert_int_equal(event_queue_batch(queue, 3 * NS_PER_S, batch, EVENTS_MAX), 3);
    assert_int_equal(batch[0].count, 2);
    assert_int_equal(batch[0].age_ns, 2 * NS_PER_S);
    assert_int_equal(batch[1].count, 1);
    assert_int_equal(batch[2].count, 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(batch[i].sequence, i + 1);
    }
}

static void a_batch_stays_what_it_was_until_it_is_acknowledged(void **state)
{
    struct event_queue *queue = *state;
    struct wire_log_event batch[EVENTS_MAX];

    add(queue, 6, "", NS_PER_S);
    assert_int_equal(event_queue_batch(queue, NS_PER_S, batch, EVENTS_MAX), 1);
    add(queue, 6, "", NS_PER_S);
    assert_int_equal(event_queue_batch(queue, 2 * NS_PER_S, batch, EVENTS_MAX), 1);
    assert_int_equal(batch[0].sequence, 1);
    assert_int_equal(batch[0].count, 1);
    event_queue_acknowledge(queue);
    assert_int_equal(event_queue_batch(queue, 2 * NS_PER_S, batch, EVENTS_MAX), 1);
    assert_int_equal(batch[0].sequence, 2);
    event_queue_acknowledge(queue);
    assert_int_equal(event_queue_batch(queue, 2 * NS_PER_S, batch, EVENTS_MAX), 0);
}

static void what_does_not_fit_is_counted(void **state)
{
    struct event_queue *queue = *state;
    struct wire_log_event batch[EVENTS_MAX];
    char detail[16];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < EVENTS_MAX; i++) {
            snprintf(detail, sizeof detail, "%d", i);
            add(queue, 12, detail, (uint64_t)round * NS_PER_S);
        }
        assert_int_equal(queue->lost, 0);
        assert_int_equal(event_queue_batch(queue, 9 * NS_PER_S, batch, EVENTS_MAX), EVENTS_MAX);
        assert_int_equal(batch[EVENTS_MAX - 1].sequence, (round + 1) * EVENTS_MAX);
        if (round < 2) event_queue_acknowledge(queue);
    }
    add(queue, 12, "one more", 0);
    assert_int_equal(queue->lost, 1);
}

static void delays_double_up_to_their_bound_and_keep_their_jitter(void **state)
{
    struct backoff backoff = { 0 };
    uint64_t bound_ns = BACKOFF_NS_MIN;

    (void)state;
    for (int i = 0; i < 12; i++) {
        struct backoff copy = backoff;

        assert_int_equal(backoff_next_ns(&copy, 0, 0), 0);
        copy = backoff;
        assert_int_equal(backoff_next_ns(&copy, 0, bound_ns), bound_ns);
        copy = backoff;
        assert_int_equal(backoff_next_ns(&copy, 7, 5), 7 * NS_PER_S + 5);
        backoff = copy;
        bound_ns = bound_ns * 2 < BACKOFF_NS_MAX ? bound_ns * 2 : BACKOFF_NS_MAX;
    }
    assert_int_equal(bound_ns, BACKOFF_NS_MAX);
    backoff_reset(&backoff);
    assert_int_equal(backoff_next_ns(&backoff, 0, BACKOFF_NS_MIN), BACKOFF_NS_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_event_within_a_second_is_one_with_a_count, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_batch_stays_what_it_was_until_it_is_acknowledged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_counted, setup, teardown),
        cmocka_unit_test(delays_double_up_to_their_bound_and_keep_their_jitter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
