/* SPDX-License-Identifier: Apache-2.0 */
/* Sections are written here byte by byte; what a table says of each address is the claim. */
#include "probe/agent/unwind/unwind_table.h"

#include "common/base/check.h"
#include "tests/support/test.h"
#include "tests/unit/probe/agent/unwind/frames.h"

#include <errno.h>
#include <string.h>

enum { SECTION = 0x500000, LOW = 0x400000, HIGH = 0x600000, CODE = 0x401000, SIZE = 0x1000 };

#define PCREL4 (POINTER_PCREL | POINTER_SDATA4)

#define RSP(offset)          row_rule(ROW_RSP, 0, (offset) / 8)
#define RULE(kind, rbp, cfa) row_rule(ROW_##kind, rbp, cfa)
#define OTHER                row_rule(ROW_OTHER, 0, 0)

static struct frames frames;

static void begin(void)
{
    memset(&frames, 0, sizeof frames);
    frames.address = SECTION;
}

static struct unwind_table *build(void)
{
    struct unwind_table *table = NULL;

    assert_int_equal(frames_build(&frames, LOW, HIGH, &table), 0);
    return table;
}

static uint32_t rule_at(const struct unwind_table *table, uint64_t pc)
{
    struct unwind_found found;

    unwind_table_find(table, pc, &found);
    return found.rule;
}

static uint64_t function_at(const struct unwind_table *table, uint64_t pc)
{
    struct unwind_found found;

    unwind_table_find(table, pc, &found);
    return found.function;
}

/* One function with this program; what holds 0x10 into it, and at its end. */
static void check_program(const char *says, const void *program, size_t size, uint32_t wanted)
{
    struct unwind_table *table;
    uint32_t found;

    begin();
    frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    frames_fde(&frames, 0, CODE, SIZE);
    frames_bytes(&frames, program, size);
    frames_close(&frames);
    table = build();
    found = rule_at(table, CODE + 0x10);
    if (found != wanted) fail_msg("%s: %08x, not %08x", says, found, wanted);
    assert_int_equal(rule_at(table, CODE + SIZE - 1), wanted);
    assert_int_equal(rule_at(table, CODE + SIZE), RULE(NONE, 0, 0));
    assert_int_equal(function_at(table, CODE + 0x10), CODE);
    assert_int_equal(unwind_table_next(table, CODE), CODE + SIZE);
    assert_int_equal(unwind_table_next(table, CODE + SIZE - 1), CODE + SIZE);
    unwind_table_free(table);
}

#define PLT_CFA 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22

/* clang-format off */
static const struct {
    const char *says;
    uint8_t size, program[40];
    enum row_kind kind;
    uint32_t rbp, cfa;
} programs[] = {
    { "nothing: the CIE's rule", 0, { 0 }, ROW_RSP, 0, 1 },
    { "advance in six bits", 3, { 0x50, 0x0e, 16 }, ROW_RSP, 0, 2 },
    { "advance in a byte", 4, { 0x02, 0x10, 0x0e, 16 }, ROW_RSP, 0, 2 },
    { "advance in two bytes", 5, { 0x03, 0x10, 0, 0x0e, 16 }, ROW_RSP, 0, 2 },
    { "advance in four bytes", 7, { 0x04, 0x10, 0, 0, 0, 0x0e, 16 }, ROW_RSP, 0, 2 },
    { "push rbp", 5, { 0x41, 0x0e, 16, 0x86, 2 }, ROW_RSP, 2, 2 },
    { "and move it", 8, { 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6 }, ROW_RBP, 2, 2 },
    { "the last row of several at one place", 5, { 0x50, 0x0e, 16, 0x0e, 24 }, ROW_RSP, 0, 3 },
    { "signed offsets", 6, { 0x12, 7, 0x7e, 0x11, 6, 2 }, ROW_RSP, 2, 2 },
    { "signed offset of the CFA", 2, { 0x13, 0x7d }, ROW_RSP, 0, 3 },
    { "offset in the long form", 3, { 0x05, 6, 3 }, ROW_RSP, 3, 1 },
    { "negative offset, GNU", 3, { 0x2f, 6, 1 }, ROW_OTHER, 0, 0 },
    { "restore, short", 4, { 0x86, 2, 0xc6, 0x00 }, ROW_RSP, 0, 1 },
    { "restore, long", 4, { 0x86, 2, 0x06, 6 }, ROW_RSP, 0, 1 },
    { "same value", 4, { 0x86, 2, 0x08, 6 }, ROW_RSP, 0, 1 },
    { "remember and restore", 7, { 0x0a, 0x0e, 64, 0x86, 2, 0x50, 0x0b }, ROW_RSP, 0, 1 },
    { "size of arguments, GNU", 2, { 0x2e, 0x20 }, ROW_RSP, 0, 1 },
    { "rbp undefined", 2, { 0x07, 6 }, ROW_RSP, ROW_RBP_LOST, 1 },
    { "outermost", 2, { 0x07, 16 }, ROW_OUTERMOST, 0, 0 },
    { "registers that do not matter", 6, { 0x83, 3, 0x09, 12, 1, 0x00 }, ROW_RSP, 0, 1 },
    { "the PLT", 13, { PLT_CFA }, ROW_PLT, 0, 11 },
    { "not the PLT", 13, { 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x1c },
      ROW_OTHER, 0, 0 },
    { "a realigned stack", 9, { 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76 }, ROW_OTHER, 0, 0 },
    { "a realigned stack, whole", 10, { 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0 },
      ROW_DEREF, ROW_RBP_AT_RBP, 1 << 17 | 0x1fff },
    { "a stored stack pointer", 8, { 0x0f, 6, 0x77, 0x98, 0x01, 0x06, 0x23, 8 },
      ROW_DEREF, 0, 1 << 13 | 19 },
    { "an addend too large", 9, { 0x0f, 7, 0x77, 0x98, 0x01, 0x06, 0x23, 0x80, 1 },
      ROW_OTHER, 0, 0 },
    { "the largest addend", 8, { 0x0f, 6, 0x77, 0x98, 0x01, 0x06, 0x23, 120 },
      ROW_DEREF, 0, 15 << 13 | 19 },
    { "CFA by another register", 2, { 0x0d, 10 }, ROW_OTHER, 0, 0 },
    { "CFA not in eights", 2, { 0x0e, 12 }, ROW_OTHER, 0, 0 },
    { "the largest CFA", 4, { 0x0e, 0xf8, 0xff, 0x7f }, ROW_RSP, 0, ROW_CFA_MAX },
    { "one larger", 5, { 0x0e, 0x80, 0x80, 0x80, 0x01 }, ROW_OTHER, 0, 0 },
    { "rbp at the farthest", 3, { 0x86, 0xfd, 0x07 }, ROW_RSP, ROW_RBP_MAX, 1 },
    { "one farther", 3, { 0x86, 0xfe, 0x07 }, ROW_OTHER, 0, 0 },
    { "return address elsewhere", 2, { 0x90, 2 }, ROW_OTHER, 0, 0 },
    { "return address in a register", 3, { 0x09, 16, 2 }, ROW_OTHER, 0, 0 },
    { "stack pointer elsewhere", 3, { 0x14, 7, 0 }, ROW_OTHER, 0, 0 },
    { "rbp by a value", 4, { 0x16, 6, 1, 0x30 }, ROW_OTHER, 0, 0 },
    { "unknown instruction", 1, { 0x3d }, ROW_OTHER, 0, 0 },
    { "restore of what was not remembered", 1, { 0x0b }, ROW_OTHER, 0, 0 },
    { "a block that is not there", 2, { 0x0f, 99 }, ROW_OTHER, 0, 0 },
    { "nine remembered", 9, { 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a },
      ROW_OTHER, 0, 0 },
    { "eight remembered", 8, { 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a }, ROW_RSP, 0, 1 },
};
/* clang-format on */

static void each_program_gives_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        uint32_t wanted = row_rule(programs[i].kind, programs[i].rbp, programs[i].cfa);

        check_program(programs[i].says, programs[i].program, programs[i].size, wanted);
    }
}

static void rows_hold_from_their_place_on(void **state)
{
    static const uint8_t program[] = { 0x41, 0x0e, 16, 0x44, 0x0e, 32, 0x03, 0x00, 0x08, 0x0e, 8 };
    struct unwind_table *table;

    (void)state;
    begin();
    frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    frames_fde(&frames, 0, CODE, SIZE);
    frames_bytes(&frames, program, sizeof program);
    frames_close(&frames);
    table = build();
    assert_int_equal(rule_at(table, CODE - 1), RULE(NONE, 0, 0));
    assert_int_equal(rule_at(table, CODE), RSP(8));
    assert_int_equal(rule_at(table, CODE + 1), RSP(16));
    assert_int_equal(rule_at(table, CODE + 4), RSP(16));
    assert_int_equal(rule_at(table, CODE + 5), RSP(32));
    assert_int_equal(rule_at(table, CODE + 0x804), RSP(32));
    assert_int_equal(rule_at(table, CODE + 0x805), RSP(8));
    assert_int_equal(table->row_count, 5);
    assert_int_equal(table->entry_count, 1);
    assert_true(table->is_whole);
    unwind_table_free(table);
}

static void a_place_may_be_set(void **state)
{
    struct unwind_table *table;

    (void)state;
    begin();
    frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    frames_fde(&frames, 0, CODE, SIZE);
    frames_u8(&frames, 0x01);
    frames_pointer(&frames, PCREL4, CODE + 0x20);
    frames_bytes(&frames, (uint8_t[]){ 0x0e, 16 }, 2);
    frames_close(&frames);
    table = build();
    assert_int_equal(rule_at(table, CODE + 0x1f), RSP(8));
    assert_int_equal(rule_at(table, CODE + 0x20), RSP(16));
    unwind_table_free(table);
}

static void addresses_are_read_in_each_encoding(void **state)
{
    static const uint8_t encodings[] = {
        POINTER_ABSOLUTE,
        POINTER_UDATA4,
        POINTER_UDATA8,
        POINTER_SDATA4,
        POINTER_SDATA8,
        POINTER_ULEB,
        POINTER_SLEB,
        PCREL4,
        POINTER_PCREL,
        POINTER_PCREL | POINTER_SDATA8,
        POINTER_PCREL | POINTER_UDATA8,
    };

    (void)state;
    for (size_t i = 0; i < sizeof encodings; i++) {
        struct unwind_table *table;

        begin();
        frames_cie(&frames, "zR", encodings[i]);
        frames_cie_usual(&frames);
        frames_fde(&frames, 0, CODE, SIZE);
        frames_close(&frames);
        table = build();
        assert_int_equal(table->base, CODE);
        assert_int_equal(table->end, CODE + SIZE);
        assert_true(table->is_whole);
        unwind_table_free(table);
    }
}

static void augmentations_are_understood_or_left_alone(void **state)
{
    static const struct {
        const char *letters;
        bool is_known;
    } cases[] = {
        { "", true },    { "zR", true },   { "zPLR", true }, { "zRS", true },
        { "zRB", true }, { "zRX", false }, { "eh", false },  { "zPLRSBBBBBBBBBBB", false }
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct unwind_table *table = NULL;
        int rc;

        begin();
        frames_cie(&frames, cases[i].letters, POINTER_ABSOLUTE);
        frames_cie_usual(&frames);
        frames_fde(&frames, 0, CODE, SIZE);
        frames_close(&frames);
        rc = frames_build(&frames, LOW, HIGH, &table);
        if ((rc == 0) != cases[i].is_known) fail_msg("'%s': %d", cases[i].letters, rc);
        if (!cases[i].is_known) assert_int_equal(rc, -ENOENT);
        unwind_table_free(table);
    }
}

/* Where an entry could not be read, no row does not mean no entry. */
static void what_was_not_understood_is_left_to_libunwind(void **state)
{
    struct unwind_table *table;
    size_t known, unknown;

    (void)state;
    begin();
    known = frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    frames_fde(&frames, known, CODE, SIZE);
    frames_close(&frames);
    unknown = frames_cie(&frames, "zX", PCREL4);
    frames_cie_usual(&frames);
    frames_fde(&frames, unknown, CODE + 2 * SIZE, SIZE);
    frames_close(&frames);
    table = build();
    assert_false(table->is_whole);
    assert_int_equal(rule_at(table, CODE), RSP(8));
    assert_int_equal(rule_at(table, CODE + SIZE), OTHER);
    assert_int_equal(rule_at(table, HIGH - 1), OTHER);
    assert_int_equal(function_at(table, CODE + SIZE), 0);
    unwind_table_free(table);
}

static void put_signal_program(void)
{
    static const uint8_t program[] = {
        0x0f, 4,  0x77, 0xa0, 0x01, 0x06, /* CFA = *(rsp + 160) */
        0x10, 6,  3,    0x77, 0xf8, 0x00, /* rbp at rsp + 120 */
        0x10, 7,  3,    0x77, 0xa0, 0x01, /* rsp */
        0x10, 16, 3,    0x77, 0xa8, 0x01, /* rip */
    };

    frames_bytes(&frames, program, sizeof program);
}

static void the_trampoline_of_signals_is_known_by_its_bytes(void **state)
{
    struct unwind_table *table;
    size_t cie;

    (void)state;
    for (int is_signal = 0; is_signal < 2; is_signal++) {
        begin();
        cie = frames_cie(&frames, is_signal ? "zRS" : "zR", PCREL4);
        frames_cie_usual(&frames);
        frames_fde(&frames, cie, CODE, SIZE);
        put_signal_program();
        frames_close(&frames);
        frames_fde(&frames, cie, CODE + SIZE, SIZE);
        put_signal_program();
        frames.bytes[frames.size - 2] ^= 8; /* the return address is elsewhere */
        frames_close(&frames);
        table = build();
        assert_int_equal(rule_at(table, CODE), is_signal ? RULE(SIGNAL, 0, 0) : OTHER);
        assert_int_equal(rule_at(table, CODE + SIZE), OTHER);
        unwind_table_free(table);
    }
}

static void entries_need_no_order_and_may_have_gaps(void **state)
{
    static const uint32_t places[] = { 7, 2, 9, 0, 5, 4, 30, 12 };
    struct unwind_table *table;
    size_t cie;

    (void)state;
    begin();
    cie = frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    for (size_t i = 0; i < 8; i++) {
        frames_fde(&frames, cie, CODE + places[i] * SIZE, SIZE);
        frames_u8(&frames, 0x0e);
        frames_uleb(&frames, 8 * places[i] + 8);
        frames_close(&frames);
    }
    table = build();
    for (size_t i = 0; i < 8; i++) {
        uint64_t at = CODE + places[i] * SIZE;

        assert_int_equal(rule_at(table, at), RSP(8 * places[i] + 8));
        assert_int_equal(rule_at(table, at + SIZE - 1), RSP(8 * places[i] + 8));
        assert_int_equal(function_at(table, at + 99), at);
    }
    assert_int_equal(rule_at(table, CODE + 1 * SIZE), RULE(NONE, 0, 0));
    assert_int_equal(rule_at(table, CODE + 20 * SIZE), RULE(NONE, 0, 0));
    assert_int_equal(table->entry_count, 8);
    unwind_table_free(table);
}

static void of_entries_that_overlap_the_later_begin_wins(void **state)
{
    struct unwind_table *table;
    size_t cie;

    (void)state;
    begin();
    cie = frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    frames_fde(&frames, cie, CODE, 4 * SIZE);
    frames_close(&frames);
    frames_fde(&frames, cie, CODE + SIZE, SIZE);
    frames_bytes(&frames, (uint8_t[]){ 0x0e, 16 }, 2);
    frames_close(&frames);
    table = build();
    assert_int_equal(rule_at(table, CODE + SIZE - 1), RSP(8));
    assert_int_equal(rule_at(table, CODE + SIZE), RSP(16));
    assert_int_equal(rule_at(table, CODE + 2 * SIZE), RULE(NONE, 0, 0));
    unwind_table_free(table);
}

/* Linkers leave entries of functions that they threw away. */
static void entries_of_other_code_are_left_out(void **state)
{
    static const uint64_t begins[] = { 0, LOW - 1, HIGH, UINT64_MAX - 10 };
    struct unwind_table *table;
    size_t cie;

    (void)state;
    begin();
    cie = frames_cie(&frames, "zR", POINTER_ABSOLUTE);
    frames_cie_usual(&frames);
    for (size_t i = 0; i < 4; i++) {
        frames_fde(&frames, cie, begins[i], 8);
        frames_close(&frames);
    }
    frames_fde(&frames, cie, CODE, 0);
    frames_close(&frames);
    frames_fde(&frames, cie, HIGH - 4, 8);
    frames_close(&frames);
    frames_fde(&frames, cie, HIGH - 8, 8);
    frames_close(&frames);
    table = build();
    assert_int_equal(table->entry_count, 1);
    assert_int_equal(table->base, HIGH - 8);
    unwind_table_free(table);
}

static void records_may_be_of_the_long_form(void **state)
{
    struct unwind_table *table;

    (void)state;
    begin();
    frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    frames_u32(&frames, UINT32_MAX);
    frames_u64(&frames, 4 + 8 + 1 + 2);
    frames_u32(&frames, (uint32_t)frames.size);
    frames_pointer(&frames, PCREL4, CODE);
    frames_u32(&frames, SIZE);
    frames_uleb(&frames, 0);
    frames_bytes(&frames, (uint8_t[]){ 0x0e, 16 }, 2);
    table = build();
    assert_int_equal(rule_at(table, CODE), RSP(16));
    unwind_table_free(table);
}

static void a_section_that_breaks_off_is_used_as_far_as_it_goes(void **state)
{
    struct unwind_table *table = NULL;
    size_t cie, whole;

    (void)state;
    begin();
    cie = frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    frames_fde(&frames, cie, CODE, SIZE);
    frames_close(&frames);
    frames_fde(&frames, cie, CODE + SIZE, SIZE);
    frames_close(&frames);
    whole = frames.size;
    for (size_t size = 0; size < whole; size++) {
        struct unwind_build build = { .section = { frames.bytes, size, SECTION },
                                      .low = LOW,
                                      .high = HIGH,
                                      .size_max = 1024 * 1024 };
        int rc = unwind_table_build(&build, &table);

        assert_true(rc == 0 || rc == -ENOENT);
        if (rc != 0) continue;
        assert_int_equal(table->entry_count, 1);
        assert_int_equal(rule_at(table, CODE), RSP(8));
        table = unwind_table_free(table);
    }
}

static void many_entries(uint32_t count)
{
    size_t cie;

    begin();
    cie = frames_cie(&frames, "zR", PCREL4);
    frames_cie_usual(&frames);
    for (uint32_t i = 0; i < count; i++) {
        frames_fde(&frames, cie, LOW + i * 64, 64);
        frames_bytes(&frames, (uint8_t[]){ 0x44, 0x0e, 16 }, 3);
        frames_close(&frames);
    }
    frames_u32(&frames, 0);
}

static int build_within(size_t size_max, const _Atomic bool *is_unwanted, struct unwind_table **ret)
{
    struct unwind_build build = { .section = { frames.bytes, frames.size, SECTION },
                                  .low = LOW,
                                  .high = HIGH,
                                  .size_max = size_max,
                                  .is_unwanted = is_unwanted };

    return unwind_table_build(&build, ret);
}

static void a_table_is_within_its_bound_or_there_is_none(void **state)
{
    struct unwind_table *table = NULL;
    size_t size;

    (void)state;
    many_entries(3000);
    assert_int_equal(build_within(1024 * 1024, NULL, &table), 0);
    assert_int_equal(table->row_count, 6001); /* and the end */
    size = table->size;
    assert_true(size < 6001 * sizeof(struct unwind_row) + 2 * 4096);
    table = unwind_table_free(table);
    assert_int_equal(build_within(size, NULL, &table), 0);
    table = unwind_table_free(table);
    assert_int_equal(build_within(size - 4096, NULL, &table), -E2BIG);
    assert_int_equal(build_within(16, NULL, &table), -E2BIG);
    assert_null(table);
}

static void a_table_that_nobody_wants_any_more_is_not_built(void **state)
{
    struct unwind_table *table = NULL;
    _Atomic bool is_unwanted = true;

    (void)state;
    many_entries(3000);
    assert_int_equal(build_within(1024 * 1024, &is_unwanted, &table), -ECANCELED);
    assert_null(table);
}

/* A CIE with a long program, and another one, in turns: each would run again for each FDE. */
static void hostile_programs_end_by_their_bound(void **state)
{
    struct unwind_table *table = NULL;
    size_t cies[2];

    (void)state;
    begin();
    for (int i = 0; i < 2; i++) {
        /* Both at offsets that take the same place among the known ones. */
        while (i == 1 && (frames.size - cies[0]) % 32 != 0) {
            frames_u8(&frames, 0);
        }
        if (i == 1) frames_close(&frames);
        cies[i] = frames_cie(&frames, "zR", PCREL4);
        for (int j = 0; j < 40000; j++) {
            frames_u8(&frames, 0);
        }
        frames_close(&frames);
    }
    for (uint32_t i = 0; i < 4000; i++) {
        frames_fde(&frames, cies[i % 2], LOW + i * 64, 64);
        frames_close(&frames);
    }
    assert_int_equal(frames_build(&frames, LOW, HIGH, &table), -E2BIG);
    assert_null(table);
}

static void code_of_4_gb_is_too_much(void **state)
{
    struct unwind_table *table = NULL;

    (void)state;
    many_entries(3);
    assert_int_equal(frames_build(&frames, LOW, LOW + (UINT64_C(1) << 32), &table), -E2BIG);
    assert_int_equal(frames_build(&frames, LOW, LOW + (UINT64_C(1) << 32) - 8192, &table), 0);
    unwind_table_free(table);
    assert_int_equal(frames_build(&frames, HIGH, LOW, &table), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_program_gives_its_row),
        cmocka_unit_test(rows_hold_from_their_place_on),
        cmocka_unit_test(a_place_may_be_set),
        cmocka_unit_test(addresses_are_read_in_each_encoding),
        cmocka_unit_test(augmentations_are_understood_or_left_alone),
        cmocka_unit_test(what_was_not_understood_is_left_to_libunwind),
        cmocka_unit_test(the_trampoline_of_signals_is_known_by_its_bytes),
        cmocka_unit_test(entries_need_no_order_and_may_have_gaps),
        cmocka_unit_test(of_entries_that_overlap_the_later_begin_wins),
        cmocka_unit_test(entries_of_other_code_are_left_out),
        cmocka_unit_test(records_may_be_of_the_long_form),
        cmocka_unit_test(a_section_that_breaks_off_is_used_as_far_as_it_goes),
        cmocka_unit_test(a_table_is_within_its_bound_or_there_is_none),
        cmocka_unit_test(a_table_that_nobody_wants_any_more_is_not_built),
        cmocka_unit_test(hostile_programs_end_by_their_bound),
        cmocka_unit_test(code_of_4_gb_is_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
