/* SPDX-License-Identifier: Apache-2.0 */
#include "common/model/call_stack.h"

#include "common/base/own.h"
#include "tests/support/test.h"
#include "tests/unit/common/support/malloc_gauge.h"
#include "tests/unit/common/support/random_sample.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int setup(void **state)
{
    struct stack_table *table = mem_alloc(sizeof *table);

    malloc_gauge_reset();
    *state = table;
    return stack_table_init(table);
}

static int teardown(void **state)
{
    stack_table_done(*state);
    free(*state);
    return 0;
}

static uint32_t put_string(struct stack_table *table, const char *text)
{
    uint32_t index = UINT32_MAX;

    assert_int_equal(stack_table_string(table, text_of(text), &index), 0);
    return index;
}

static uint32_t put_native(struct stack_table *table, uint64_t offset, uint32_t function)
{
    struct frame frame = { .kind = FRAME_NATIVE, .offset = offset, .function = function };
    uint32_t index = UINT32_MAX;

    assert_int_equal(stack_table_frame(table, &frame, &index), 0);
    return index;
}

static void put_module(struct stack_table *table)
{
    uint32_t index = UINT32_MAX;

    assert_int_equal(stack_table_module(table, TEXT("/bin/shop"), TEXT("id"), &index), 0);
    assert_int_equal(index, 0);
}

static void the_empty_string_is_number_0(void **state)
{
    struct stack_table *table = *state;

    assert_int_equal(put_string(table, ""), 0);
    assert_int_equal(table->string_count, 1);
    assert_int_equal(stack_table_text(table, 0).size, 0);
    assert_int_equal(stack_table_text(table, 17).size, 0);
}

static void what_is_put_in_twice_is_found_again(void **state)
{
    struct stack_table *table = *state;
    uint32_t module, frames[2], stack, again;

    assert_int_equal(put_string(table, "render"), 1);
    assert_int_equal(put_string(table, "total"), 2);
    assert_int_equal(put_string(table, "render"), 1);
    put_module(table);
    assert_int_equal(stack_table_module(table, TEXT("/bin/shop"), TEXT("other"), &module), 0);
    assert_int_equal(module, 1);
    put_module(table);
    frames[0] = put_native(table, 16, 1);
    frames[1] = put_native(table, 32, 2);
    assert_int_equal(put_native(table, 16, 1), frames[0]);
    assert_int_equal(stack_table_stack(table, frames, 2, &stack), 0);
    assert_int_equal(stack_table_stack(table, frames, 1, &again), 0);
    assert_int_not_equal(again, stack);
    assert_int_equal(stack_table_stack(table, frames, 2, &again), 0);
    assert_int_equal(again, stack);
}

static void strings_stay_where_they_are_while_the_table_grows(void **state)
{
    struct stack_table *table = *state;
    struct text first;

    put_string(table, "first");
    first = table->strings[1];
    for (int i = 0; i < 5000; i++) {
        char text[32];

        snprintf(text, sizeof text, "string %d", i);
        assert_int_equal(put_string(table, text), i + 2);
    }
    assert_ptr_equal(table->strings[1].data, first.data);
    assert_string_equal(first.data, "first");
    for (int i = 0; i < 5000; i++) {
        char text[32];

        snprintf(text, sizeof text, "string %d", i);
        assert_string_equal(table->strings[i + 2].data, text);
        assert_int_equal(put_string(table, text), i + 2);
    }
}

static void strings_are_cut_at_a_character_and_made_printable(void **state)
{
    struct stack_table *table = *state;
    char text[STRING_SIZE_MAX + 2];
    uint32_t index;

    memset(text, 'x', sizeof text);
    assert_int_equal(stack_table_string(table, (struct text){ text, STRING_SIZE_MAX }, &index), 0);
    assert_int_equal(table->strings[index].size, STRING_SIZE_MAX);
    assert_int_equal(stack_table_string(table, (struct text){ text, STRING_SIZE_MAX + 1 }, &index),
                     0);
    assert_int_equal(index, 1); /* cut, it is the one before */
    memcpy(text + STRING_SIZE_MAX - 1, "\xc3\xa9", 2);
    assert_int_equal(stack_table_string(table, (struct text){ text, STRING_SIZE_MAX + 1 }, &index),
                     0);
    assert_int_equal(table->strings[index].size, STRING_SIZE_MAX - 1);
    assert_string_equal(table
                            ->strings[put_string(table, "a\x01"
                                                        "b\xff"
                                                        "c")]
                            .data,
                        "a?b?c");
}

/* A native frame is its module and offset; its name may come with it, later, or never. */
static void a_native_frame_takes_the_first_name_it_is_given(void **state)
{
    struct stack_table *table = *state;
    uint32_t function, frame;

    put_module(table);
    function = put_string(table, "render");
    frame = put_native(table, 16, 0);
    assert_int_equal(stack_table_name_frame(table, frame, TEXT("render"), 8), 0);
    assert_int_equal(table->frames[frame].function, function);
    assert_int_equal(table->frames[frame].function_offset, 8);
    assert_int_equal(put_native(table, 16, 0), frame);
    assert_int_equal(put_native(table, 16, put_string(table, "other")), frame);
    assert_int_equal(table->frames[frame].function, function);
    assert_int_equal(stack_table_name_frame(table, frame, TEXT("third"), 8), -EINVAL);
    assert_int_equal(stack_table_name_frame(table, 99, TEXT("x"), 8), -EINVAL);
    frame = put_native(table, 48, 0);
    assert_int_equal(put_native(table, 48, function), frame);
    assert_int_equal(table->frames[frame].function, function);
}

static void frames_have_the_fields_of_their_kind_within_their_tables(void **state)
{
    static const struct frame wrong[] = {
        { .kind = 0 },
        { .kind = FRAME_KIND_END },
        { .kind = FRAME_NATIVE, .module = 1 },
        { .kind = FRAME_NATIVE, .function = 2 },
        { .kind = FRAME_NATIVE, .line = 1 },
        { .kind = FRAME_NATIVE, .class_name = 1 },
        { .kind = FRAME_NATIVE, .count = 1 },
        { .kind = FRAME_PYTHON, .offset = UINT64_C(1) << 40 },
        { .kind = FRAME_PYTHON, .file = 2 },
        { .kind = FRAME_PYTHON, .class_name = 2 },
        { .kind = FRAME_PYTHON, .count = 1 },
        { .kind = FRAME_MARKER, .line = 1 },
        { .kind = FRAME_MARKER, .function_offset = 1 },
    };
    struct stack_table *table = *state;
    uint32_t index = 77;

    put_module(table); /* and its path, string 1 */
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        if (stack_table_frame(table, &wrong[i], &index) != -EINVAL) fail_msg("frame %zu", i);
        assert_int_equal(index, 77);
    }
    assert_int_equal(table->frame_count, 0);
    assert_int_equal(stack_table_module(table, TEXT("x"), (struct text){ "", 33 }, &index),
                     -EINVAL);
    assert_int_equal(table->string_count, 2);
}

static void stacks_are_bounded_and_of_frames_that_are_there(void **state)
{
    struct stack_table *table = *state;
    uint32_t frames[STACK_FRAMES_MAX + 2] = { 0 }, index = 77;

    assert_int_equal(stack_table_stack(table, frames, 1, &index), -EINVAL);
    put_module(table);
    put_native(table, 16, 0);
    assert_int_equal(stack_table_stack(table, frames, 0, &index), -EINVAL);
    assert_int_equal(stack_table_stack(table, frames, STACK_FRAMES_MAX + 2, &index), -EINVAL);
    assert_int_equal(index, 77);
    assert_int_equal(stack_table_stack(table, frames, STACK_FRAMES_MAX + 1, &index), 0);
    frames[3] = 1;
    assert_int_equal(stack_table_stack(table, frames, 4, &index), -EINVAL);
}

static void full_tables_say_so_and_still_find(void **state)
{
    struct stack_table *table = *state;
    uint32_t index;
    char text[32];

    for (uint32_t i = 0; i < REPORT_STRINGS_MAX; i++) {
        snprintf(text, sizeof text, "%u", i);
        put_string(table, text);
    }
    assert_int_equal(stack_table_string(table, TEXT("one more"), &index), -ENOBUFS);
    assert_int_equal(put_string(table, "5"), 6);

    for (uint32_t i = 0; i < REPORT_MODULES_MAX; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(stack_table_module(table, text_of(text), TEXT(""), &index), 0);
    }
    assert_int_equal(stack_table_module(table, TEXT("9999"), TEXT(""), &index), -ENOBUFS);
    assert_int_equal(stack_table_module(table, TEXT("5"), TEXT(""), &index), 0);
    assert_int_equal(index, 5);

    for (uint32_t i = 0; i < REPORT_FRAMES_MAX; i++) {
        put_native(table, i, 0);
    }
    assert_int_equal(
        stack_table_frame(table, &(struct frame){ .kind = FRAME_MARKER, .count = 1 }, &index),
        -ENOBUFS);
    assert_int_equal(put_native(table, 5, 0), 5);

    for (uint32_t i = 0; i < REPORT_STACKS_MAX; i++) {
        assert_int_equal(stack_table_stack(table, &i, 1, &index), 0);
    }
    assert_int_equal(stack_table_stack(table, (uint32_t[]){ 1, 2 }, 2, &index), -ENOBUFS);
    assert_int_equal(stack_table_stack(table, &(uint32_t){ 5 }, 1, &index), 0);
    assert_int_equal(index, 5);
}

struct counts {
    uint32_t strings, modules, frames, stacks, stack_frames;
};

static struct counts counts_of(const struct stack_table *table)
{
    return (struct counts){ table->string_count, table->module_count, table->frame_count,
                            table->stack_count, table->stack_frame_count };
}

/* Puts in the n-th thing of an endless row of new ones, of all four kinds. */
static int put_nth(struct stack_table *table, uint32_t n)
{
    struct frame frame = { .kind = FRAME_NATIVE, .offset = n };
    uint32_t index;
    char text[32];

    snprintf(text, sizeof text, "thing %u", n);
    switch (n % 4) {
    case 0:
        return stack_table_string(table, text_of(text), &index);
    case 1:
        return stack_table_module(table, text_of(text), TEXT("id"), &index);
    case 2:
        return stack_table_frame(table, &frame, &index);
    default:
        return stack_table_stack(table, (uint32_t[]){ n / 4, n / 8, 0 }, 3, &index);
    }
}

/* At every request for memory that growth makes: refused, nothing has changed; asked again, it
 * works. */
static void without_memory_nothing_changes(void **state)
{
    struct stack_table *table = *state;
    uint32_t refused_count = 0;

    for (uint32_t n = 0; n < 2000; n++) {
        for (uint32_t nth = 1;; nth++) {
            struct counts before = counts_of(table), after;
            int rc;

            malloc_gauge_fail(nth);
            rc = put_nth(table, n);
            if (!malloc_gauge_has_failed()) {
                malloc_gauge_fail(0);
                assert_int_equal(rc, 0);
                break;
            }
            refused_count++;
            after = counts_of(table);
            assert_int_equal(rc, -ENOMEM);
            assert_memory_equal(&before, &after, sizeof before);
        }
    }
    assert_in_range(refused_count, 20, 400);
}

static void a_table_without_memory_is_an_empty_one(void **state)
{
    uint32_t n = 0;

    (void)state;
    do {
        struct stack_table table;

        malloc_gauge_fail(++n);
        if (stack_table_init(&table) == 0) {
            stack_table_done(&table);
            break;
        }
        assert_null(table.p);
        assert_null(table.strings);
        stack_table_done(&table);
    } while (n < 100);
    malloc_gauge_reset();
    assert_in_range(n, 3, 99);
}

/* The slow truth: every pair of entries differs, every index is in its table. */
static void tables_of_random_samples_hold_nothing_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        OWN(sample_freep)
        struct sample *sample = random_sample(&(struct random_source){ seed }, 40);
        const struct stack_table *table = &sample->stacks;

        for (uint32_t i = 0; i < table->string_count; i++) {
            for (uint32_t j = 0; j < i; j++) {
                assert_false(text_is_equal(table->strings[i], table->strings[j]));
            }
        }
        for (uint32_t i = 0; i < table->stack_count; i++) {
            struct stack a = table->stacks[i];

            assert_in_range(a.first + a.count, 1, table->stack_frame_count);
            for (uint32_t j = 0; j < i; j++) {
                struct stack b = table->stacks[j];

                assert_false(a.count == b.count &&
                             memcmp(table->stack_frames + a.first, table->stack_frames + b.first,
                                    a.count * sizeof(uint32_t)) == 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_empty_string_is_number_0, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_put_in_twice_is_found_again, setup, teardown),
        cmocka_unit_test_setup_teardown(strings_stay_where_they_are_while_the_table_grows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(strings_are_cut_at_a_character_and_made_printable, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_native_frame_takes_the_first_name_it_is_given, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(frames_have_the_fields_of_their_kind_within_their_tables,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(stacks_are_bounded_and_of_frames_that_are_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(full_tables_say_so_and_still_find, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_nothing_changes, setup, teardown),
        cmocka_unit_test(a_table_without_memory_is_an_empty_one),
        cmocka_unit_test(tables_of_random_samples_hold_nothing_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
