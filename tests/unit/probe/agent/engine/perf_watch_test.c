/* SPDX-License-Identifier: Apache-2.0 */
/* What is decided about perf events, without any. */
#include "probe/agent/engine/perf_watch.h"

#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

static void events_keep_to_the_budget_of_their_thread(void **state)
{
    static const struct {
        uint32_t events, thread_ppm;
        uint64_t period_ns;
    } cases[] = {
        { 1, 5000, 4 * NS_PER_MS },  /* 20 us in 4 ms are 0.5 % */
        { 3, 5000, 12 * NS_PER_MS }, /* of nested calls, one each */
        { 1, 1000, 20 * NS_PER_MS }, { 1, 1000000, 20 * NS_PER_US },
        { 3, BUDGET_NONE, 0 },       { 0, 5000, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct perf_engine perf = { .pause_ns = 20 * NS_PER_US };

        perf.places[5].tid = 8; /* somebody else's */
        for (uint32_t event = 0; event < cases[i].events; event++) {
            perf.places[event].tid = 7;
        }
        assert_int_equal(perf_engine_period_min_ns(&perf, 7, cases[i].thread_ppm),
                         cases[i].period_ns);
    }
}

static void each_refusal_has_a_sentence_that_fits(void **state)
{
    static const int refusals[] = { -EACCES, -EPERM,  -ENOSYS,  -EBADF,
                                    -ERANGE, -ENOMEM, -EBADMSG, -ETIMEDOUT };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        for (int is_on = 0; is_on < 2; is_on++) {
            struct perf_engine perf = { .choice = SAMPLER_ENGINE_AUTO,
                                        .is_on = is_on,
                                        .refusal = refusals[i] };
            const char *says = perf_engine_trouble(&perf);

            assert_non_null(says);
            assert_in_range(strlen(says), 1, SAMPLER_TROUBLE_SIZE_MAX);
            assert_non_null(strstr(says, "sent signals"));
            perf.choice = SAMPLER_ENGINE_SIGNAL;
            assert_null(perf_engine_trouble(&perf));
        }
    }
}

static void what_works_is_no_trouble_but_for_a_hidden_kernel(void **state)
{
    struct perf_engine perf = { .choice = SAMPLER_ENGINE_PERF, .is_on = true };

    (void)state;
    assert_null(perf_engine_trouble(&perf));
    perf.excludes_kernel = true;
    assert_non_null(strstr(perf_engine_trouble(&perf), "perf_event_paranoid"));
    assert_in_range(strlen(perf_engine_trouble(&perf)), 1, SAMPLER_TROUBLE_SIZE_MAX);
}

static void without_a_table_of_our_own_nothing_is_tried(void **state)
{
    static unsigned char bytes[STACK_COPY_SIZE_MAX];
    static struct perf_engine perf;

    (void)state;
    perf_engine_open(&perf, SAMPLER_ENGINE_PERF, false);
    perf_engine_prove(&perf, bytes, sizeof bytes);
    assert_false(perf.is_on);
    assert_int_equal(perf.pause_ns, 0);
    assert_int_equal(perf_engine_size(&perf), 0);
    assert_non_null(strstr(perf_engine_trouble(&perf), "descriptor table"));
    perf_engine_close(&perf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_keep_to_the_budget_of_their_thread),
        cmocka_unit_test(each_refusal_has_a_sentence_that_fits),
        cmocka_unit_test(what_works_is_no_trouble_but_for_a_hidden_kernel),
        cmocka_unit_test(without_a_table_of_our_own_nothing_is_tried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
