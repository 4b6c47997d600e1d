/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "scheduler/live/live.h"

#include <event2/event.h>
#include <string.h>

static struct event_base *base;
static struct live *live;
static size_t woken;

static int open_live(void **state)
{
    (void)state;
    base = event_base_new();
    live = live_new(base);
    woken = 0;
    return base && live ? 0 : -1;
}

static int close_live(void **state)
{
    (void)state;
    live_free(live);
    event_base_free(base);
    return 0;
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void turn_until(size_t expected)
{
    uint64_t deadline_ns = clock_monotonic_ns() + 10 * NS_PER_S;

    while (woken < expected) {
        if (clock_monotonic_ns() > deadline_ns) fail_msg("%zu woken of %zu", woken, expected);
        turn();
    }
}

static void on_wake(void *context)
{
    woken++;
    if (context) *(size_t *)context = woken;
}

static const uint64_t long_ms = 3600 * 1000;

static void a_change_wakes_the_polls_of_its_application_alone(void **state)
{
    size_t a1 = 0, a2 = 0, b1 = 0;

    (void)state;
    live_park(live, TEXT("a"), long_ms, on_wake, &a1);
    live_park(live, TEXT("a"), long_ms, on_wake, &a2);
    live_park(live, TEXT("b"), long_ms, on_wake, &b1);
    live_wake(live, TEXT("a"));
    assert_int_equal(woken, 0); /* later, never at once */
    turn_until(2);
    turn();
    assert_true(a1 > 0 && a2 > 0 && b1 == 0);
    assert_int_equal(live_parked_count(live), 1);
    live_wake(live, TEXT("nobody"));
    live_wake(live, TEXT("b"));
    turn_until(3);
    assert_int_equal(live_parked_count(live), 0);
}

static void a_poll_is_woken_once_however_often_its_tasks_change(void **state)
{
    (void)state;
    live_park(live, TEXT("a"), long_ms, on_wake, NULL);
    live_wake(live, TEXT("a"));
    live_wake(live, TEXT("a"));
    live_wake_all(live);
    for (int i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(woken, 1);
}

static void polls_are_answered_when_their_time_is_over_in_order_of_deadline(void **state)
{
    size_t order[4] = { 0 };

    (void)state;
    live_park(live, TEXT("a"), 15, on_wake, &order[2]);
    live_park(live, TEXT("b"), 5, on_wake, &order[1]);
    live_park(live, TEXT("a"), long_ms, on_wake, &order[3]);
    live_park(live, TEXT("c"), 0, on_wake, &order[0]);
    turn_until(3);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    assert_int_equal(order[2], 3);
    assert_int_equal(order[3], 0);
    assert_int_equal(live_parked_count(live), 1);
}

static void an_unparked_poll_is_never_woken(void **state)
{
    struct live_poll *first = live_park(live, TEXT("a"), long_ms, on_wake, NULL);
    struct live_poll *second = live_park(live, TEXT("a"), long_ms, on_wake, NULL);

    (void)state;
    live_unpark(live, first);
    live_wake(live, TEXT("a"));
    live_unpark(live, second); /* already on its way */
    for (int i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(woken, 0);
    assert_int_equal(live_parked_count(live), 0);
}

static void on_wake_park_again(void *context)
{
    woken++;
    live_park(live, TEXT("a"), long_ms, on_wake_park_again, context);
}

static void a_poll_that_comes_back_at_once_waits_for_the_next_change(void **state)
{
    (void)state;
    live_park(live, TEXT("a"), long_ms, on_wake_park_again, NULL);
    live_wake(live, TEXT("a"));
    for (int i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(woken, 1);
    assert_int_equal(live_parked_count(live), 1);
}

/* --- turns --- */

static size_t woken_at_tick[64], tick_count;

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    static const struct timeval at_once = { 0 };

    (void)fd, (void)what;
    if (tick_count < ARRAY_COUNT(woken_at_tick)) woken_at_tick[tick_count++] = woken;
    evtimer_add(*(struct event **)context, &at_once);
}

static void others_are_served_between_the_turns_of_a_wake_up(void **state)
{
    static const struct timeval at_once = { 0 };
    struct event *tick = NULL;
    size_t largest = 0;

    (void)state;
    tick_count = 0;
    for (size_t i = 0; i < 2000; i++) {
        live_park(live, TEXT("a"), long_ms, on_wake, NULL);
    }
    tick = evtimer_new(base, on_tick, &tick);
    evtimer_add(tick, &at_once);
    live_wake(live, TEXT("a"));
    while (woken < 2000) {
        event_base_loop(base, EVLOOP_ONCE); /* the tick keeps it going for ever otherwise */
    }
    for (size_t i = 1; i < tick_count; i++) {
        if (woken_at_tick[i] - woken_at_tick[i - 1] > largest)
            largest = woken_at_tick[i] - woken_at_tick[i - 1];
    }
    assert_true(tick_count >= 31); /* 2000 / 64 */
    assert_int_equal(largest, 64);
    event_free(tick);
}

/* --- streams --- */

struct listener {
    struct live_stream *stream;
    struct listener *victim; /* closed when it hears something; may be itself */
    size_t heard;
};

static void publish(void)
{
    live_publish(live, &(struct live_event){ TEXT("shop"), TEXT("task"), TEXT("{}") });
}

static void on_event(void *context, const struct live_event *event)
{
    struct listener *listener = context;

    assert_true(text_is_equal(event->type, TEXT("task")));
    assert_true(text_is_equal(event->application, TEXT("shop")));
    assert_true(text_is_equal(event->json, TEXT("{}")));
    listener->heard++;
    if (!listener->victim || !listener->victim->stream) return;
    live_stream_close(live, listener->victim->stream);
    listener->victim->stream = NULL;
}

static void every_stream_hears_every_event(void **state)
{
    struct listener listeners[3] = { 0 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        listeners[i].stream = live_stream_open(live, on_event, &listeners[i]);
    }
    publish();
    live_stream_close(live, listeners[1].stream);
    publish();
    assert_int_equal(listeners[0].heard, 2);
    assert_int_equal(listeners[1].heard, 1);
    assert_int_equal(listeners[2].heard, 2);
    assert_int_equal(live_stream_count(live), 2);
}

static void streams_may_close_while_an_event_is_told(void **state)
{
    struct listener listeners[3] = { 0 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        listeners[i].stream = live_stream_open(live, on_event, &listeners[i]);
    }
    listeners[0].victim = &listeners[1]; /* the next one */
    listeners[2].victim = &listeners[2]; /* itself */
    publish();
    publish();
    assert_int_equal(listeners[0].heard, 2);
    assert_int_equal(listeners[1].heard, 0);
    assert_int_equal(listeners[2].heard, 1);
    assert_int_equal(live_stream_count(live), 1);
}

int main(void)
{
#define IN_LIVE(test) cmocka_unit_test_setup_teardown(test, open_live, close_live)
    const struct CMUnitTest tests[] = {
        IN_LIVE(a_change_wakes_the_polls_of_its_application_alone),
        IN_LIVE(a_poll_is_woken_once_however_often_its_tasks_change),
        IN_LIVE(polls_are_answered_when_their_time_is_over_in_order_of_deadline),
        IN_LIVE(an_unparked_poll_is_never_woken),
        IN_LIVE(a_poll_that_comes_back_at_once_waits_for_the_next_change),
        IN_LIVE(others_are_served_between_the_turns_of_a_wake_up),
        IN_LIVE(every_stream_hears_every_event),
        IN_LIVE(streams_may_close_while_an_event_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
