/* SPDX-License-Identifier: Apache-2.0 */
/* Events of this very thread, which knows what they must bring. Where the machine allows none,
 * there is nothing to try but that it says so. */
#include "probe/agent/look/perf_event.h"

#include "common/base/clock.h"
#include "common/model/limits.h"
#include "probe/agent/look/perf_proof.h"
#include "tests/support/process_usage.h"
#include "tests/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PERIOD_NS (100 * NS_PER_US)
#define TRY_NS    NS_PER_S /* of CPU time, for one */

static unsigned char bytes[STACK_COPY_SIZE_MAX];

static uint32_t my_tid(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

static uint32_t count_rings(void)
{
    return process_mapping_count(getpid(), "[perf_event]");
}

static void open_or_skip(struct perf_event *event, const struct perf_order *order)
{
    int rc = perf_event_open(event, order);

    if (rc == -EACCES || rc == -EPERM || rc == -ENOSYS) skip();
    assert_int_equal(rc, 0);
}

/* Runs until there is a record. */
static void await_record(const struct perf_event *event)
{
    uint64_t begin_ns = clock_thread_cpu_ns();

    for (uint32_t turn = 0; !perf_event_has(event); turn++) {
        if (turn % 1024 == 0 && clock_thread_cpu_ns() - begin_ns > TRY_NS) fail_msg("nothing came");
    }
}

/* Runs for this much of its own time. */
static void run_ns(uint64_t ns)
{
    uint64_t begin_ns = clock_thread_cpu_ns();

    while (clock_thread_cpu_ns() - begin_ns < ns) {
    }
}

static void a_record_is_of_the_thread_as_it_was(void **state)
{
    struct perf_order order = { .tid = my_tid(),
                                .period_ns = 100 * PERIOD_NS,
                                .excludes_kernel = true };
    volatile uint64_t cookie = UINT64_C(0x1f2e3d4c5b6a7988) ^ my_tid();
    uint64_t before_ns = clock_monotonic_ns(), at, copied;
    struct perf_moment moment;
    struct perf_event event;

    (void)state;
    open_or_skip(&event, &order);
    assert_int_equal(perf_event_take(&event, &moment, bytes, sizeof bytes), -EAGAIN);
    await_record(&event);
    assert_int_equal(perf_event_take(&event, &moment, bytes, sizeof bytes), 0);
    at = (uint64_t)(uintptr_t)&cookie - moment.registers[REGISTER_RSP];
    assert_in_range(at, 0, moment.size - sizeof copied);
    memcpy(&copied, bytes + at, sizeof copied);
    assert_int_equal(copied, cookie);
    assert_in_range(moment.at_ns, before_ns, clock_monotonic_ns());
    assert_in_range(moment.count_ns, 100 * PERIOD_NS, TRY_NS);
    assert_true(moment.interrupts >= 1);
    /* It was in here, or in what is called from here. */
    assert_in_range(moment.registers[REGISTER_RSP], (uint64_t)(uintptr_t)&cookie - 4096,
                    (uint64_t)(uintptr_t)&cookie);
    perf_event_close(&event);
}

/* The records that a late reader finds: one is handed out, the newest that had room, and all are
 * counted. */
static void a_late_reader_gets_one_and_the_count_of_all(void **state)
{
    struct perf_order order = { .tid = my_tid(), .period_ns = PERIOD_NS };
    struct perf_moment first, moment = { .at_ns = 0 };
    struct perf_event event;

    (void)state;
    open_or_skip(&event, &order);
    run_ns(5 * PERIOD_NS + PERIOD_NS / 2);
    assert_int_equal(perf_event_take(&event, &first, bytes, sizeof bytes), 0);
    assert_in_range(first.count_ns, PERIOD_NS + PERIOD_NS / 2, TRY_NS); /* the second */
    assert_int_equal(first.interrupts, 2); /* as many as the ring holds; what was lost is told */
    run_ns(2 * PERIOD_NS);                 /* by a record that comes with the next */
    assert_int_equal(perf_event_take(&event, &moment, bytes, sizeof bytes), 0);
    assert_in_range(first.interrupts + moment.interrupts, 6, 40);
    assert_true(moment.at_ns > first.at_ns);
    assert_true(moment.count_ns > first.count_ns + PERIOD_NS / 2);
    assert_int_equal(perf_event_take(&event, &moment, bytes, sizeof bytes),
                     perf_event_has(&event) ? 0 : -EAGAIN);
    perf_event_close(&event);
}

static void a_new_period_holds_at_once(void **state)
{
    struct perf_order order = { .tid = my_tid(), .period_ns = 60 * NS_PER_S };
    struct perf_moment moment;
    struct perf_event event;

    (void)state;
    open_or_skip(&event, &order);
    run_ns(10 * PERIOD_NS);
    assert_false(perf_event_has(&event));
    assert_int_equal(perf_event_pace(&event, PERIOD_NS), 0);
    run_ns(3 * PERIOD_NS);
    assert_true(perf_event_has(&event));
    assert_int_equal(perf_event_pace(&event, 60 * NS_PER_S), 0);
    assert_int_equal(perf_event_take(&event, &moment, bytes, sizeof bytes), 0);
    run_ns(10 * PERIOD_NS);
    assert_false(perf_event_has(&event));
    perf_event_close(&event);
}

/* Fills its frame, and takes a record below it. */
__attribute__((noinline)) static void take_below(struct perf_event *event, size_t size,
                                                 struct perf_moment *ret)
{
    volatile unsigned char *frame = __builtin_alloca(size);

    for (size_t i = 0; i < size; i += 64) {
        frame[i] = 1;
    }
    while (perf_event_has(event)) {
        perf_event_take(event, ret, bytes, sizeof bytes);
    }
    await_record(event);
    assert_int_equal(perf_event_take(event, ret, bytes, sizeof bytes), 0);
    frame[0] = 2;
}

static void a_deep_stack_is_cut_and_said_to_be(void **state)
{
    static const struct {
        bool is_deep;
        size_t size;
    } cases[] = { { false, PERF_STACK_SMALL }, { true, PERF_STACK_LARGE } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct perf_order order = { .tid = my_tid(),
                                    .period_ns = 10 * PERIOD_NS,
                                    .is_deep = cases[i].is_deep };
        struct perf_moment moment;
        struct perf_event event;

        open_or_skip(&event, &order);
        assert_int_equal(event.stack_size, cases[i].size);
        take_below(&event, cases[i].size + 4096, &moment);
        assert_true(moment.is_cut);
        assert_int_equal(moment.size, cases[i].size);
        assert_true(perf_event_size(&event) <= PERF_SIZE_LARGE);
        perf_event_close(&event);
    }
}

static void what_is_closed_leaves_nothing(void **state)
{
    struct perf_order order = { .tid = my_tid(), .period_ns = PERIOD_NS };
    uint32_t descriptors = process_descriptor_count(getpid()), rings = count_rings();
    struct perf_event event;

    (void)state;
    open_or_skip(&event, &order);
    assert_int_equal(process_descriptor_count(getpid()), descriptors + 1);
    assert_int_equal(count_rings(), rings + 1);
    perf_event_close(&event);
    assert_false(perf_event_is_open(&event));
    perf_event_close(&event);
    assert_int_equal(process_descriptor_count(getpid()), descriptors);
    assert_int_equal(count_rings(), rings);
}

static void a_thread_that_is_gone_has_no_events(void **state)
{
    struct perf_order order = { .tid = 1 << 22, .period_ns = PERIOD_NS };
    struct perf_event event;
    uint32_t descriptors = process_descriptor_count(getpid());
    int rc = perf_event_open(&event, &order);

    (void)state;
    if (rc == -EACCES || rc == -EPERM || rc == -ENOSYS) skip();
    assert_int_equal(rc, -ESRCH);
    assert_int_equal(process_descriptor_count(getpid()), descriptors);
}

static void the_proof_says_what_an_event_takes(void **state)
{
    uint64_t pause_ns = 0;
    uint32_t descriptors = process_descriptor_count(getpid());
    int rc = perf_prove(true, bytes, sizeof bytes, &pause_ns);

    (void)state;
    assert_int_equal(process_descriptor_count(getpid()), descriptors);
    if (rc == -EACCES || rc == -EPERM || rc == -ENOSYS || rc == -ERANGE) {
        assert_int_equal(pause_ns, 0);
        skip();
    }
    assert_int_equal(rc, 0);
    print_message("  %llu ns\n", (unsigned long long)pause_ns);
    assert_in_range(pause_ns, 200, 50 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_of_the_thread_as_it_was),
        cmocka_unit_test(a_late_reader_gets_one_and_the_count_of_all),
        cmocka_unit_test(a_new_period_holds_at_once),
        cmocka_unit_test(a_deep_stack_is_cut_and_said_to_be),
        cmocka_unit_test(what_is_closed_leaves_nothing),
        cmocka_unit_test(a_thread_that_is_gone_has_no_events),
        cmocka_unit_test(the_proof_says_what_an_event_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
