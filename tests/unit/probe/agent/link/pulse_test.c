/* SPDX-License-Identifier: Apache-2.0 */
/* What pulse.c puts into which body, and what it sends again. Bodies are read back with the
 * wire's own decoder. */
#include "probe/agent/link/pulse.h"

#include "common/base/own.h"
#include "common/model/problem.h"
#include "common/wire/report.h"
#include "tests/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TASK "0123456789abcdef0123"

static const struct wire_pulse head = {
    .protocol = WIRE_PROTOCOL,
    .application = { "shop", 4 },
    .instance = { "host:1", 6 },
    .incarnation = 7,
};

static void add_interface(struct pulse *pulse, uint32_t id, const char *name, uint64_t count)
{
    struct interface_statistics statistics = { .interface_id = id, .name = text_of(name) };

    statistics.histogram.count = count;
    statistics.histogram.max_ns = 1000 * id;
    statistics.histogram.buckets[id % HISTOGRAM_BUCKETS] = count;
    pulse_add_interface(pulse, &statistics);
}

static void add_books(struct pulse *pulse, uint64_t seen, bool is_final)
{
    struct task_books books = { .task = { TASK }, .is_armed = !is_final, .is_final = is_final };

    books.ledger.seen = books.ledger.triggered = seen;
    books.ledger.drops[CALL_DROP_QUEUE_FULL] = seen;
    pulse_add_books(pulse, &books);
}

struct read {
    struct wire_arena arena;
    struct wire_pulse pulse;
};

static void read_done(struct read *read)
{
    wire_arena_done(&read->arena);
}

/* The next body, decoded; it must be one. */
static void read_body(struct pulse *pulse, struct read *ret)
{
    struct problem problem;
    struct text body;

    assert_int_equal(pulse_body(pulse, &head, &body), 0);
    assert_true(body.size <= PULSE_SIZE_MAX);
    if (wire_pulse_decode(body, &ret->arena, &ret->pulse, &problem) < 0)
        fail_msg("%s", problem.detail);
}

static void assert_over(struct pulse *pulse)
{
    struct text body;

    assert_int_equal(pulse_body(pulse, &head, &body), -ENODATA);
}

static int setup(void **state)
{
    *state = pulse_new(0);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    pulse_free(*state);
    return 0;
}

static void a_body_is_the_same_until_it_is_acknowledged(void **state)
{
    struct pulse *pulse = *state;
    struct text body;
    char copy[4096];
    size_t size;

    pulse_begin(pulse);
    add_interface(pulse, 1, "GET /a", 5);
    assert_int_equal(pulse_body(pulse, &head, &body), 0);
    size = body.size;
    assert_true(size < sizeof copy);
    memcpy(copy, body.data, size);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pulse_body(pulse, &(struct wire_pulse){ .pid = 99 }, &body), 0);
        assert_int_equal(body.size, size);
        assert_memory_equal(body.data, copy, size);
    }
    pulse_acknowledge(pulse, 1);
    assert_over(pulse);
    assert_int_equal(pulse_sequence(pulse), 1);
}

static void only_what_changed_since_it_was_acknowledged_is_sent(void **state)
{
    struct pulse *pulse = *state;

    for (uint64_t round = 1; round <= 3; round++) {
        OWN(read_done) struct read read = { 0 };

        pulse_begin(pulse);
        add_interface(pulse, 1, "GET /always", round);
        add_interface(pulse, 2, "GET /once", 1);
        read_body(pulse, &read);
        assert_int_equal(read.pulse.sequence, round);
        assert_int_equal(read.pulse.interfaces_count, round == 1 ? 2 : 1);
        assert_int_equal(read.pulse.interfaces[0].count, round);
        assert_false(pulse_acknowledge(pulse, 1));
        assert_over(pulse);
    }
}

static void another_epoch_is_told_everything(void **state)
{
    struct pulse *pulse = *state;
    OWN(read_done) struct read read = { 0 };

    pulse_begin(pulse);
    add_interface(pulse, 1, "GET /a", 5);
    read_body(pulse, &read);
    assert_false(pulse_acknowledge(pulse, 1));
    read_done(&read);
    read = (struct read){ 0 };

    pulse_begin(pulse);
    add_interface(pulse, 1, "GET /a", 5);
    add_interface(pulse, 2, "GET /b", 1);
    read_body(pulse, &read);
    assert_int_equal(read.pulse.interfaces_count, 1);
    assert_true(pulse_acknowledge(pulse, 2));
    read_done(&read);
    read = (struct read){ 0 };

    pulse_begin(pulse);
    add_interface(pulse, 1, "GET /a", 5);
    read_body(pulse, &read);
    assert_int_equal(read.pulse.interfaces_count, 1);
    assert_true(text_is_equal(read.pulse.interfaces[0].name, TEXT("GET /a")));
}

/* The worst that can be: every interface, with the longest name and every bucket used. */
static void the_largest_reading_is_sent_in_bodies_within_their_bound(void **state)
{
    struct pulse *pulse = *state;
    struct interface_statistics statistics = { 0 };
    char name[INTERFACE_SIZE_MAX + 1];
    uint32_t sent = 0, bodies = 0;
    struct text body;

    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        statistics.histogram.buckets[i] = UINT64_MAX / 256;
    }
    statistics.histogram.count = HISTOGRAM_BUCKETS * (UINT64_MAX / 256);
    pulse_begin(pulse);
    for (uint32_t id = 1; id <= INTERFACES_MAX + 1; id++) {
        snprintf(name, sizeof name, "%0*u", INTERFACE_SIZE_MAX, id);
        statistics.interface_id = id;
        statistics.name = text_of(name);
        pulse_add_interface(pulse, &statistics);
    }
    for (int i = 0; i < SAMPLER_TASKS_MAX; i++) {
        add_books(pulse, 5, false);
    }
    while (pulse_body(pulse, &head, &body) == 0) {
        OWN(read_done) struct read read = { 0 };

        read_body(pulse, &read);
        assert_int_equal(read.pulse.ledgers_count, bodies == 0 ? SAMPLER_TASKS_MAX : 0);
        sent += read.pulse.interfaces_count;
        bodies++;
        assert_int_equal(read.pulse.sequence, bodies);
        pulse_acknowledge(pulse, 1);
        assert_true(bodies < 32);
    }
    assert_int_equal(sent, INTERFACES_MAX + 1);
    assert_true(bodies > 1);
}

static void ledgers_carry_their_drops_by_reason(void **state)
{
    OWN(read_done) struct read read = { 0 };

    pulse_begin(*state);
    add_books(*state, 3, false);
    read_body(*state, &read);
    assert_int_equal(read.pulse.ledgers_count, 1);
    assert_true(text_is_equal(read.pulse.ledgers[0].task, TEXT(TASK)));
    assert_int_equal(read.pulse.ledgers[0].seen, 3);
    assert_int_equal(read.pulse.ledgers[0].drops_count, 1);
    assert_true(text_is_equal(read.pulse.ledgers[0].drops[0].reason, TEXT("queue-full")));
    assert_int_equal(read.pulse.ledgers[0].drops[0].count, 3);
}

static void news_are_counts_that_were_not_told(void **state)
{
    struct pulse *pulse = *state;
    OWN(read_done) struct read read = { 0 };

    pulse_begin(pulse);
    assert_false(pulse_has_news(pulse));
    add_books(pulse, 3, false);
    assert_true(pulse_has_news(pulse));
    read_body(pulse, &read);
    pulse_acknowledge(pulse, 1);

    pulse_begin(pulse);
    add_books(pulse, 3, false);
    assert_false(pulse_has_news(pulse));
    pulse_begin(pulse);
    add_books(pulse, 4, false);
    assert_true(pulse_has_news(pulse));
    pulse_begin(pulse);
    add_books(pulse, 3, true);
    assert_true(pulse_has_news(pulse));
}

static void final_figures_are_forgotten_once_they_arrived(void **state)
{
    struct pulse *pulse = *state;
    OWN(read_done) struct read read = { 0 };
    struct task_id final[4];

    pulse_begin(pulse);
    add_books(pulse, 3, true);
    read_body(pulse, &read);
    pulse_acknowledge(pulse, 1);
    assert_int_equal(pulse_final_tasks(pulse, final, 4), 1);
    assert_string_equal(final[0].text, TASK);
    pulse_abandon(pulse);
    assert_int_equal(pulse_final_tasks(pulse, final, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_is_the_same_until_it_is_acknowledged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_what_changed_since_it_was_acknowledged_is_sent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_epoch_is_told_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(the_largest_reading_is_sent_in_bodies_within_their_bound,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(ledgers_carry_their_drops_by_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(news_are_counts_that_were_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(final_figures_are_forgotten_once_they_arrived, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
