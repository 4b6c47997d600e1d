/* SPDX-License-Identifier: Apache-2.0 */
/* One step by each kind of row, over a stack that is written here. */
#include "probe/agent/unwind/unwind_step.h"

#include "probe/agent/unwind/unwind_row.h"
#include "probe/agent/unwind/unwinder.h"
#include "tests/support/test.h"

enum { BASE = 0x7000, WORDS = 64, PC = 0x401234 };

static uint64_t words[WORDS];
static const struct stack_view view = { .bytes = (const unsigned char *)words,
                                        .base = BASE,
                                        .size = sizeof words };

static uint64_t at(uint32_t word)
{
    return BASE + 8 * (uint64_t)word;
}

static int fill(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < WORDS; i++) {
        words[i] = 1000 + i; /* what is read shows where it was */
    }
    words[40] = at(50); /* a stored stack pointer */
    return 0;
}

static const struct frame_state start = {
    .pc = PC, .sp = BASE + 8 * 10, .rbp = BASE + 8 * 20, .has_rbp = true, .is_struck = true
};

static const struct {
    const char *says;
    enum row_kind kind;
    uint32_t rbp, cfa;
    enum step_result result;
    uint32_t caller_pc, caller_sp, caller_rbp; /* words; rbp 0: as it was */
} cases[] = {
    { "by rsp", ROW_RSP, 0, 5, STEP_DONE, 14, 15, 0 },
    { "by rsp, with rbp", ROW_RSP, 2, 5, STEP_DONE, 14, 15, 13 },
    { "by rbp", ROW_RBP, 2, 2, STEP_DONE, 21, 22, 20 },
    { "the last word", ROW_RSP, 0, WORDS - 10, STEP_DONE, WORDS - 1, WORDS, 0 },
    { "beyond the copy", ROW_RSP, 0, WORDS - 9, STEP_NO_STACK, 0, 0, 0 },
    { "far beyond", ROW_RSP, 0, ROW_CFA_MAX, STEP_NO_STACK, 0, 0, 0 },
    { "rbp below the copy", ROW_RSP, ROW_RBP_MAX, 5, STEP_NO_STACK, 0, 0, 0 },
    { "where rbp points", ROW_RSP, ROW_RBP_AT_RBP, 5, STEP_DONE, 14, 15, 20 },
    { "a stub of the PLT, before the push", ROW_PLT, 0, 11, STEP_DONE, 10, 11, 0 },
    { "and behind it", ROW_PLT, 0, 4, STEP_DONE, 11, 12, 0 },
    { "a stored stack pointer, by rsp", ROW_DEREF, 0, 30, STEP_DONE, 49, 50, 0 },
    { "with an addend", ROW_DEREF, 0, 1 << 13 | 30, STEP_DONE, 50, 51, 0 },
    { "by rbp", ROW_DEREF, ROW_RBP_AT_RBP, 1 << 17 | 20, STEP_DONE, 49, 50, 20 },
    { "outermost", ROW_OUTERMOST, 0, 0, STEP_OUTERMOST, 0, 0, 0 },
    { "none", ROW_NONE, 0, 0, STEP_OTHER, 0, 0, 0 },
    { "other", ROW_OTHER, 0, 0, STEP_OTHER, 0, 0, 0 },
};

static void each_kind_of_row_finds_its_caller(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame_state frame = start;
        enum step_result result =
            unwind_step(&view, row_rule(cases[i].kind, cases[i].rbp, cases[i].cfa), &frame);

        if (result != cases[i].result) fail_msg("%s: %d", cases[i].says, result);
        if (result != STEP_DONE) {
            assert_true(frame.pc == start.pc && frame.sp == start.sp && frame.rbp == start.rbp);
            assert_true(frame.has_rbp && frame.is_struck);
            continue;
        }
        if (frame.pc != 1000 + cases[i].caller_pc || frame.sp != at(cases[i].caller_sp))
            fail_msg("%s: pc %lu, sp %lu", cases[i].says, frame.pc - 1000, (frame.sp - BASE) / 8);
        if (frame.rbp != (cases[i].caller_rbp ? 1000 + cases[i].caller_rbp : start.rbp))
            fail_msg("%s: rbp %lu", cases[i].says, frame.rbp);
        assert_false(frame.is_struck);
        assert_true(frame.has_rbp);
    }
}

static void a_negative_offset_reaches_below_the_stack_pointer(void **state)
{
    struct frame_state frame = start;

    (void)state;
    frame.sp = at(41);
    assert_int_equal(unwind_step(&view, row_rule(ROW_DEREF, 0, row_deref(false, -1, 0)), &frame),
                     STEP_DONE);
    assert_int_equal(frame.sp, at(50));
}

static void an_unknown_frame_pointer_is_lacked_only_where_it_is_needed(void **state)
{
    struct frame_state frame = start;

    (void)state;
    frame.has_rbp = false;
    assert_int_equal(unwind_step(&view, row_rule(ROW_RBP, 2, 2), &frame), STEP_LACKS_RBP);
    assert_int_equal(unwind_step(&view, row_rule(ROW_DEREF, 0, 1 << 17 | 20), &frame),
                     STEP_LACKS_RBP);
    assert_int_equal(unwind_step(&view, row_rule(ROW_RSP, ROW_RBP_AT_RBP, 5), &frame),
                     STEP_LACKS_RBP);
    assert_int_equal(unwind_step(&view, row_rule(ROW_RSP, 0, 5), &frame), STEP_DONE);
    assert_false(frame.has_rbp);
    assert_int_equal(unwind_step(&view, row_rule(ROW_RSP, 2, 5), &frame), STEP_DONE);
    assert_true(frame.has_rbp); /* it was saved */
    assert_int_equal(unwind_step(&view, row_rule(ROW_RSP, ROW_RBP_LOST, 5), &frame), STEP_DONE);
    assert_false(frame.has_rbp);
}

static void a_signals_frame_has_all_registers(void **state)
{
    struct frame_state frame = start;

    (void)state;
    frame.has_rbp = false;
    assert_int_equal(unwind_step(&view, row_rule(ROW_SIGNAL, 0, 0), &frame), STEP_DONE);
    assert_int_equal(frame.rbp, 1000 + 10 + SIGNAL_RBP_AT / 8);
    assert_int_equal(frame.sp, 1000 + 10 + SIGNAL_RSP_AT / 8);
    assert_int_equal(frame.pc, 1000 + 10 + SIGNAL_RIP_AT / 8);
    assert_true(frame.has_rbp && frame.is_struck);
}

static void every_rule_reads_within_the_copy(void **state)
{
    uint64_t random = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct frame_state frame = start;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        frame.sp = BASE - 200 + random % (8 * WORDS + 400);
        if (i % 7 == 0) frame.sp = random;
        frame.rbp = i % 3 ? BASE + random % 700 : random;
        unwind_step(&view, (uint32_t)(random >> 20), &frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_kind_of_row_finds_its_caller, fill),
        cmocka_unit_test_setup(a_negative_offset_reaches_below_the_stack_pointer, fill),
        cmocka_unit_test_setup(an_unknown_frame_pointer_is_lacked_only_where_it_is_needed, fill),
        cmocka_unit_test_setup(a_signals_frame_has_all_registers, fill),
        cmocka_unit_test_setup(every_rule_reads_within_the_copy, fill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
