/* SPDX-License-Identifier: Apache-2.0 */
/* When pulser.c reads the sampler, and what it tells it after a reading arrived. */
#include "probe/agent/link/pulser.h"

#include "common/base/clock.h"
#include "common/model/problem.h"
#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

#define TASK  "0123456789abcdef0123"
#define START (1000 * NS_PER_S)

static const struct wire_pulse head = {
    .protocol = WIRE_PROTOCOL,
    .application = { "shop", 4 },
    .instance = { "host:1", 6 },
    .incarnation = 7,
};

/* The sampler: at most one task, and no interfaces. */
static struct {
    bool has_task;
    struct task_books books;
    uint32_t readings, acknowledged, released;
} sampler;

static void read_interfaces(void (*on_interface)(void *context,
                                                 const struct interface_statistics *statistics),
                            void *context)
{
    (void)on_interface;
    (void)context;
}

static uint32_t read_ledgers(struct task_books *ret, uint32_t size)
{
    sampler.readings++;
    if (!sampler.has_task || size == 0) return 0;
    *ret = sampler.books;
    return 1;
}

static void acknowledged(void)
{
    sampler.acknowledged++;
}

static void release(const struct task_id *task)
{
    assert_string_equal(task->text, TASK);
    sampler.released++;
}

static int setup(void **state)
{
    static const struct pulse_source source = { read_interfaces, read_ledgers, acknowledged,
                                                release };
    static struct pulser pulser;

    memset(&sampler, 0, sizeof sampler);
    *state = &pulser;
    return pulser_init(&pulser, &source, 0);
}

static int teardown(void **state)
{
    pulser_done(*state);
    return 0;
}

static void have_task(uint64_t seen, bool is_final)
{
    sampler.has_task = true;
    sampler.books = (struct task_books){
        .task = { TASK }, .is_armed = !is_final, .is_final = is_final, .ledger = { .seen = seen }
    };
}

static struct pulse_moment at(uint64_t after_ms)
{
    return (struct pulse_moment){ .now_ns = START + after_ms * NS_PER_MS };
}

static int answer(struct pulser *pulser, uint64_t epoch)
{
    struct wire_pulse_answer message = { .protocol = WIRE_PROTOCOL, .epoch = epoch };
    struct buf body = BUF_INIT(1024);
    int rc;

    assert_int_equal(wire_pulse_answer_encode(&message, &body), 0);
    rc = pulser_answer(pulser, buf_peek(&body));
    buf_done(&body);
    return rc;
}

/* Sends the reading under way. Returns in how many bodies. */
static uint32_t send_all(struct pulser *pulser)
{
    uint32_t count = 0;
    struct text body;

    while (pulser_body(pulser, &head, &body) == 0) {
        assert_int_equal(answer(pulser, 1), 0);
        count++;
    }
    return count;
}

/* Reads if it is due, and returns how much there was to send. */
static uint32_t pulse_at(struct pulser *pulser, struct pulse_moment moment)
{
    pulser_read(pulser, &moment);
    return send_all(pulser);
}

static void the_first_is_due_at_once_and_then_one_an_interval(void **state)
{
    struct pulse_moment moment = at(1);

    assert_int_equal(pulse_at(*state, at(0)), 1);
    assert_int_equal(pulse_at(*state, at(PULSE_INTERVAL_MS - 1)), 0);
    assert_int_equal(pulser_next_ns(*state, &moment), START + ms_to_ns(PULSE_INTERVAL_MS));
    assert_int_equal(pulse_at(*state, at(PULSE_INTERVAL_MS)), 1);
    assert_int_equal(sampler.acknowledged, 2);
}

static void an_open_task_is_looked_at_more_often_and_told_if_there_is_news(void **state)
{
    struct pulse_moment moment = at(2000);

    have_task(1, false);
    assert_int_equal(pulse_at(*state, at(0)), 1);
    assert_int_equal(pulse_at(*state, at(1000)), 0);
    assert_int_equal(sampler.readings, 2);
    assert_int_equal(pulser_next_ns(*state, &moment),
                     moment.now_ns + ms_to_ns(PULSE_ACTIVE_INTERVAL_MS));
    have_task(2, false);
    assert_int_equal(pulse_at(*state, at(2000)), 1);
}

static void a_task_that_is_active_elsewhere_makes_it_look_too(void **state)
{
    struct pulse_moment moment = at(1000);

    pulse_at(*state, at(0));
    moment.has_active_task = true;
    have_task(1, false);
    assert_int_equal(pulse_at(*state, moment), 1);
}

static void who_hastens_is_heard_once(void **state)
{
    struct pulse_moment moment = at(1);

    pulse_at(*state, at(0));
    pulser_hasten(*state);
    assert_int_equal(pulser_next_ns(*state, &moment), moment.now_ns);
    assert_int_equal(pulse_at(*state, at(1)), 1);
    assert_int_equal(pulse_at(*state, at(2)), 0);
}

static void the_last_is_due_whenever_it_comes(void **state)
{
    struct pulse_moment moment = at(1);

    pulse_at(*state, at(0));
    moment.is_last = true;
    assert_int_equal(pulse_at(*state, moment), 1);
}

static void no_reading_is_taken_before_the_one_under_way_was_sent(void **state)
{
    struct pulse_moment later = at(2 * PULSE_INTERVAL_MS), first = at(0);
    struct text body;

    pulser_read(*state, &first);
    assert_int_equal(pulser_body(*state, &head, &body), 0);
    pulser_read(*state, &later);
    assert_int_equal(sampler.readings, 1);
    assert_int_equal(sampler.acknowledged, 0);
    assert_int_equal(send_all(*state), 1);
    pulser_read(*state, &later);
    assert_int_equal(sampler.readings, 2);
}

static void a_task_is_released_when_its_last_figures_arrived(void **state)
{
    have_task(1, true);
    assert_int_equal(pulse_at(*state, at(0)), 1);
    assert_int_equal(sampler.released, 1);
}

static void a_task_whose_last_figures_were_refused_is_kept(void **state)
{
    struct pulse_moment moment = at(0);
    struct text body;

    have_task(1, true);
    pulser_read(*state, &moment);
    assert_int_equal(pulser_body(*state, &head, &body), 0);
    pulser_refuse(*state);
    assert_int_equal(pulser_body(*state, &head, &body), -ENODATA);
    assert_int_equal(sampler.released, 0);
}

static void a_scheduler_that_forgot_is_told_at_once(void **state)
{
    struct pulse_moment moment = at(PULSE_INTERVAL_MS);
    struct text body;

    pulse_at(*state, at(0));
    pulser_read(*state, &moment);
    assert_int_equal(pulser_body(*state, &head, &body), 0);
    assert_int_equal(answer(*state, 2), 0);
    assert_int_equal(pulser_next_ns(*state, &moment), moment.now_ns);
}

static void what_is_no_answer_is_told_apart(void **state)
{
    struct pulse_moment moment = at(0);
    struct text body;

    pulser_read(*state, &moment);
    assert_int_equal(pulser_body(*state, &head, &body), 0);
    assert_int_equal(pulser_answer(*state, TEXT("<html>")), -EPROTO);
    assert_int_equal(pulser_body(*state, &head, &body), 0); /* it is still to be sent */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_first_is_due_at_once_and_then_one_an_interval),
        CASE(an_open_task_is_looked_at_more_often_and_told_if_there_is_news),
        CASE(a_task_that_is_active_elsewhere_makes_it_look_too),
        CASE(who_hastens_is_heard_once),
        CASE(the_last_is_due_whenever_it_comes),
        CASE(no_reading_is_taken_before_the_one_under_way_was_sent),
        CASE(a_task_is_released_when_its_last_figures_arrived),
        CASE(a_task_whose_last_figures_were_refused_is_kept),
        CASE(a_scheduler_that_forgot_is_told_at_once),
        CASE(what_is_no_answer_is_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
