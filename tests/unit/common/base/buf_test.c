/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/buf.h"

#include "common/base/own.h"
#include "tests/support/test.h"
#include "tests/unit/common/support/malloc_gauge.h"

#include <errno.h>
#include <string.h>

static void the_bound_is_exact(void **state)
{
    OWN(buf_done) struct buf buf = BUF_INIT(5);

    (void)state;
    assert_int_equal(buf_append(&buf, "abcd", 4), 0);
    assert_int_equal(buf_append(&buf, "ef", 2), -ENOBUFS);
    assert_string_equal(buf.data, "abcd");
    assert_int_equal(buf.failed, -ENOBUFS);
    assert_int_equal(buf_append(&buf, "e", 1), 0);
    assert_int_equal(buf_append(&buf, "", 0), 0);
    assert_int_equal(buf_append(&buf, "f", 1), -ENOBUFS);
    assert_int_equal(buf_append(&buf, "f", SIZE_MAX), -ENOBUFS);
    assert_string_equal(buf.data, "abcde");
    buf_reset(&buf);
    assert_int_equal(buf.failed, 0);
    assert_int_equal(buf.size, 0);
}

static void a_bound_without_bound_works(void **state)
{
    OWN(buf_done) struct buf buf = BUF_INIT(SIZE_MAX);

    (void)state;
    assert_int_equal(buf_printf(&buf, "%0999d", 7), 0);
    assert_int_equal(buf.size, 999);
}

static void printf_is_all_or_nothing(void **state)
{
    OWN(buf_done) struct buf buf = BUF_INIT(8);

    (void)state;
    assert_int_equal(buf_printf(&buf, "%s-%d", "ab", 12), 0);
    assert_int_equal(buf_printf(&buf, "%d", 1234), -ENOBUFS);
    assert_string_equal(buf.data, "ab-12");
    assert_int_equal(buf_printf(&buf, "%d", 345), 0);
    assert_string_equal(buf.data, "ab-12345");
}

static void reserved_bytes_count_when_they_are_committed(void **state)
{
    OWN(buf_done) struct buf buf = BUF_INIT(1000);
    char *room = buf_reserve(&buf, 10);

    (void)state;
    assert_non_null(room);
    memcpy(room, "0123456789", 10);
    assert_int_equal(buf.size, 0);
    buf_commit(&buf, 4);
    assert_string_equal(buf.data, "0123");
    assert_null(buf_reserve(&buf, 997));
    buf_consume(&buf, 3);
    assert_string_equal(buf.data, "3");
    buf_consume(&buf, 0);
    buf_text(&buf, TEXT("45"));
    buf_shrink(&buf, 99);
    assert_string_equal(buf.data, "345");
    buf_shrink(&buf, 1);
    assert_string_equal(buf.data, "3");
}

static void storage_can_be_taken(void **state)
{
    OWN(buf_done) struct buf buf = BUF_INIT(100);
    OWN(mem_freep) char *taken = NULL;
    size_t size;

    (void)state;
    buf_text(&buf, TEXT("abc"));
    taken = buf_take(&buf, &size);
    assert_int_equal(size, 3);
    assert_string_equal(taken, "abc");
    assert_null(buf.data);
    assert_string_equal(buf_peek(&buf).data, "");
    assert_int_equal(buf_text(&buf, TEXT("again")), 0);
}

static void without_memory_the_content_stays(void **state)
{
    OWN(buf_done) struct buf buf = BUF_INIT(100000);
    char large[1000] = "";

    (void)state;
    malloc_gauge_reset();
    assert_int_equal(buf_text(&buf, TEXT("abc")), 0);
    malloc_gauge_fail(1);
    assert_int_equal(buf_append(&buf, large, sizeof large), -ENOMEM);
    assert_string_equal(buf.data, "abc");
    assert_int_equal(buf_append(&buf, large, sizeof large), 0);
    assert_int_equal(buf.failed, -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_is_exact),
        cmocka_unit_test(a_bound_without_bound_works),
        cmocka_unit_test(printf_is_all_or_nothing),
        cmocka_unit_test(reserved_bytes_count_when_they_are_committed),
        cmocka_unit_test(storage_can_be_taken),
        cmocka_unit_test(without_memory_the_content_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
