/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/varint.h"

#include "common/base/own.h"
#include "tests/support/test.h"

/* clang-format off */
static const struct {
    struct text bytes;
    bool is_accepted;
    uint64_t value;
} numbers[] = {
    { TEXT("\x00"),         true, 0 },
    { TEXT("\x7f"),         true, 127 },
    { TEXT("\x80\x01"),     true, 128 },
    { TEXT("\xac\x02"),     true, 300 },
    { TEXT("\xff\xff\xff\xff\x0f"),                     true, UINT32_MAX },
    { TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),     true, INT64_MAX },
    { TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true, UINT64_MAX },
    { TEXT(""),             false, 0 },
    { TEXT("\x80"),         false, 0 },
    { TEXT("\x80\x00"),     false, 0 }, /* 0 in two bytes */
    { TEXT("\xff\x80\x00"), false, 0 },
    { TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), false, 0 }, /* 65 bits */
    { TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01"), false, 0 },
};
/* clang-format on */

static void numbers_have_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        struct varint_reader reader = varint_reader_of(numbers[i].bytes);
        uint64_t value = varint_read(&reader);

        if (reader.failed == numbers[i].is_accepted) fail_msg("row %zu", i);
        assert_int_equal(value, numbers[i].value);
        assert_true(varint_is_end(&reader));
        if (numbers[i].is_accepted) {
            OWN(buf_done) struct buf buf = BUF_INIT(10);

            varint_write(&buf, value);
            assert_true(text_is_equal(buf_peek(&buf), numbers[i].bytes));
        }
    }
}

static void a_failed_reader_stays_at_its_end(void **state)
{
    struct varint_reader reader = varint_reader_of(TEXT("\x80\x00\x05"));
    struct varint_reader narrow = varint_reader_of(TEXT("\x80\x80\x80\x80\x10\x01"));

    (void)state;
    varint_read(&reader);
    assert_true(reader.failed && varint_is_end(&reader) && varint_left(&reader) == 0);
    assert_int_equal(varint_read(&reader), 0);
    assert_int_equal(varint_read_u32(&narrow), 0); /* 2^32 */
    assert_true(narrow.failed);
}

static void differences_are_small_in_both_directions(void **state)
{
    static const uint64_t values[] = { 0, 1, 2, 1000, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX };

    (void)state;
    assert_int_equal(zigzag_of(5, 5), 0);
    assert_int_equal(zigzag_of(4, 5), 1);
    assert_int_equal(zigzag_of(6, 5), 2);
    assert_int_equal(zigzag_of(3, 5), 3);
    assert_int_equal(zigzag_of(0, 1), 1);
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(values); j++) {
            assert_int_equal(zigzag_apply(zigzag_of(values[i], values[j]), values[j]), values[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_one_form),
        cmocka_unit_test(a_failed_reader_stays_at_its_end),
        cmocka_unit_test(differences_are_small_in_both_directions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
