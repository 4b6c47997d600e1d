/* SPDX-License-Identifier: Apache-2.0 */
/* The counters are those of this process, and never reset: each test has interfaces of its own. */
#include "probe/agent/engine/books.h"

#include "probe/hot/registry.h"
#include "probe/hot/ticks.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static struct books books;

static int empty(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SAMPLER_TASKS_MAX; i++) {
        if (books.watches[i].phase == WATCH_ARMED) books_disarm(&books, &books.watches[i], 0, 0);
    }
    memset(&books, 0, sizeof books);
    return 0;
}

static struct task_order order_of(unsigned number, const char *interface)
{
    struct task_order order = { .state = TASK_ACTIVE, .threshold_ns = 100 * NS_PER_MS };

    snprintf(order.id.text, sizeof order.id.text, "%020x", number);
    snprintf(order.interface, sizeof order.interface, "%s", interface);
    return order;
}

static struct watch *arm(unsigned number, const char *interface)
{
    struct task_order order = order_of(number, interface);

    return books_arm(&books, &order, 0, 0);
}

static void end_calls(uint32_t id, enum call_class how, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        statistics_count(NULL, id, ticks_from_ns(NS_PER_MS), how);
    }
}

static struct ledger read_ledger(const struct watch *watch)
{
    struct ledger ledger;

    books_refresh(&books);
    ledger = books_ledger(watch, 0, 0);
    assert_true(ledger_is_sound(&ledger));
    return ledger;
}

static bool is_watched(uint32_t id)
{
    return atomic_load(&hot.alert_ticks[id]) != UINT64_MAX;
}

static void what_ended_before_does_not_count(void **state)
{
    uint32_t id = registry_add(TEXT("books: before"));
    struct watch *watch;

    (void)state;
    end_calls(id, CALL_BELOW, 20);
    end_calls(id, CALL_MISSED, 2);
    watch = arm(1, "books: before");
    assert_int_equal(read_ledger(watch).seen, 0);
    end_calls(id, CALL_BELOW, 5);
    end_calls(id, CALL_MISSED, 3);
    assert_int_equal(read_ledger(watch).below, 5);
    assert_int_equal(read_ledger(watch).triggered, 3);
    assert_int_equal(read_ledger(watch).drops[CALL_DROP_NO_SNAPSHOT], 3);
    assert_int_equal(read_ledger(watch).seen, 8);
}

/* What the sampler listened to it has counted itself, when it triggered. */
static void a_call_that_was_listened_to_counts_once(void **state)
{
    uint32_t id = registry_add(TEXT("books: listened"));
    struct watch *watch = arm(1, "books: listened");
    struct ledger ledger;

    (void)state;
    watch->listened = 2;
    watch->counts.pending = 2;
    ledger = read_ledger(watch);
    assert_int_equal(ledger.seen, 2);
    end_calls(id, CALL_LISTENED, 2);
    watch->counts.sampled++;
    watch->counts.pending--;
    books_drop(watch, CALL_DROP_CANCELLED);
    ledger = read_ledger(watch);
    assert_int_equal(ledger.seen, 2);
    assert_int_equal(ledger.triggered, 2);
    assert_int_equal(ledger.pending, 0);
    assert_int_equal(ledger.drops[CALL_DROP_CANCELLED], 1);
}

static void an_exact_name_matches_one_and_a_prefix_all_also_later_ones(void **state)
{
    uint32_t first = registry_add(TEXT("books: GET /a")), second, late;
    struct watch *exact, *prefix;

    (void)state;
    second = registry_add(TEXT("books: GET /b"));
    exact = arm(1, "books: GET /a");
    assert_true(is_watched(first));
    assert_false(is_watched(second));
    prefix = arm(2, "books: PUT *");
    late = registry_add(TEXT("books: PUT /late"));
    assert_false(is_watched(late));
    books_match_new(&books);
    assert_true(is_watched(late));
    end_calls(first, CALL_BELOW, 1);
    end_calls(second, CALL_BELOW, 10);
    end_calls(late, CALL_BELOW, 100);
    assert_int_equal(read_ledger(exact).seen, 1);
    assert_int_equal(read_ledger(prefix).seen, 100);
}

/* Which cannot be two tasks, by the scheduler's rules; but a probe does not rely on that. */
static void an_interface_belongs_to_the_first_that_was_armed(void **state)
{
    uint32_t id = registry_add(TEXT("books: contested"));
    struct watch *first = arm(1, "books: contested"), *second = arm(2, "books: contest*");

    (void)state;
    end_calls(id, CALL_BELOW, 4);
    assert_int_equal(read_ledger(first).seen, 4);
    assert_int_equal(read_ledger(second).seen, 0);
}

static void at_its_end_the_figures_stand_and_go_on_when_it_is_taken_up(void **state)
{
    uint32_t id = registry_add(TEXT("books: again"));
    struct watch *watch = arm(1, "books: again");
    struct ledger ledger;

    (void)state;
    end_calls(id, CALL_BELOW, 6);
    books_disarm(&books, watch, 5 * NS_PER_S, 70);
    assert_false(is_watched(id));
    assert_true(books_is_final(watch));
    end_calls(id, CALL_BELOW, 1000);
    ledger = books_ledger(watch, 90 * NS_PER_S, 5000);
    assert_int_equal(ledger.seen, 6);
    assert_int_equal(ledger.armed_ns, 5 * NS_PER_S);
    assert_int_equal(ledger.cpu_ns, 70);

    books_rearm(&books, watch, 100 * NS_PER_S, 6000);
    assert_true(is_watched(id));
    end_calls(id, CALL_BELOW, 2);
    books_refresh(&books);
    ledger = books_ledger(watch, 101 * NS_PER_S, 6003);
    assert_int_equal(ledger.seen, 8);
    assert_int_equal(ledger.armed_ns, 6 * NS_PER_S);
    assert_int_equal(ledger.cpu_ns, 73);
}

static void what_is_pending_keeps_a_watch_that_is_over(void **state)
{
    struct watch *watch = arm(1, "books: pending");

    (void)state;
    watch->listened = watch->counts.pending = 1;
    assert_false(books_is_final(watch));
    books_disarm(&books, watch, 1, 0);
    assert_false(books_is_final(watch));
    books_drop(watch, CALL_DROP_CANCELLED);
    assert_true(books_is_final(watch));
}

/* The sampler sleeps by the smallest threshold: it must be that of those that are armed. */
static void the_smallest_threshold_is_that_of_the_armed(void **state)
{
    struct task_order fast = order_of(1, "books: fast"), slow = order_of(2, "books: slow");
    struct watch *watch;

    (void)state;
    fast.threshold_ns = 50 * NS_PER_MS;
    slow.lookback = true;
    watch = books_arm(&books, &fast, 0, 0);
    assert_non_null(books_arm(&books, &slow, 0, 0));
    assert_int_equal(books.armed_count, 2);
    assert_int_equal(books.threshold_ns_min, 50 * NS_PER_MS);
    assert_int_equal(books.lookback_ns_min, LOOKBACK_MS_MIN * NS_PER_MS);
    books_disarm(&books, watch, 0, 0);
    assert_int_equal(books.armed_count, 1);
    assert_int_equal(books.threshold_ns_min, 100 * NS_PER_MS);
    books_disarm(&books, books_find(&books, &slow.id), 0, 0);
    assert_true(books.threshold_ns_min == UINT64_MAX);
    assert_true(books.lookback_ns_min == UINT64_MAX);
}

/* A call is late from when it had to be noticed: not from before anybody watched. */
static void a_call_is_due_at_its_threshold_and_not_before_it_is_watched(void **state)
{
    struct task_order order = order_of(1, "books: due");
    struct watch *watch = books_arm(&books, &order, 1000 * NS_PER_MS, 0);

    (void)state;
    assert_int_equal(watch_due_ns(watch, 950 * NS_PER_MS), 1050 * NS_PER_MS);
    assert_int_equal(watch_due_ns(watch, 300 * NS_PER_MS), 1000 * NS_PER_MS);
    books_disarm(&books, watch, 1200 * NS_PER_MS, 0);
    books_rearm(&books, watch, 2000 * NS_PER_MS, 0);
    assert_int_equal(watch_due_ns(watch, 950 * NS_PER_MS), 2000 * NS_PER_MS);
    assert_int_equal(watch_due_ns(watch, 1950 * NS_PER_MS), 2050 * NS_PER_MS);
}

static void beyond_its_room_an_order_is_left_out(void **state)
{
    struct task_order order;

    (void)state;
    for (unsigned i = 0; i < SAMPLER_TASKS_MAX; i++) {
        assert_non_null(arm(i, "books: many"));
    }
    assert_null(arm(SAMPLER_TASKS_MAX, "books: many"));
    order = order_of(SAMPLER_TASKS_MAX, "");
    assert_null(books_find(&books, &order.id));
    order = order_of(SAMPLER_TASKS_MAX - 1, "");
    assert_ptr_equal(books_find(&books, &order.id), &books.watches[SAMPLER_TASKS_MAX - 1]);
}

static int open_memory(void **state)
{
    (void)state;
    return memory_open(true);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, empty, empty)
    const struct CMUnitTest tests[] = {
        CASE(what_ended_before_does_not_count),
        CASE(a_call_that_was_listened_to_counts_once),
        CASE(an_exact_name_matches_one_and_a_prefix_all_also_later_ones),
        CASE(an_interface_belongs_to_the_first_that_was_armed),
        CASE(at_its_end_the_figures_stand_and_go_on_when_it_is_taken_up),
        CASE(what_is_pending_keeps_a_watch_that_is_over),
        CASE(the_smallest_threshold_is_that_of_the_armed),
        CASE(a_call_is_due_at_its_threshold_and_not_before_it_is_watched),
        CASE(beyond_its_room_an_order_is_left_out),
    };

    return cmocka_run_group_tests(tests, open_memory, NULL);
}
