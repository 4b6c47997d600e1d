/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_wire_test.c: locations survive the wire, and the reader survives any bytes. */
#include "tests/support/test.h"

#include "common/base/own.h"
#include "common/model/limits.h"
#include "scheduler/symbols/symbol_wire.h"

#include <errno.h>
#include <string.h>

static const struct source_location locations[] = {
    { TEXT("inner"), TEXT("/src/a.h"), 7, true },
    { TEXT("outer(int)"), TEXT(""), 0, false },
};

static void write_all(struct buf *to)
{
    wire_write_u8(to, 200);
    wire_write_u32(to, 4000000000u);
    wire_write_u64(to, UINT64_MAX - 1);
    wire_write_text(to, TEXT("a\0b"));
    wire_write_locations(to, locations, ARRAY_COUNT(locations));
}

static int read_all(struct wire_reader *reader, struct source_location *ret)
{
    wire_read_u8(reader);
    wire_read_u32(reader);
    wire_read_u64(reader);
    wire_read_text(reader);
    return wire_read_locations(reader, ret);
}

static void what_is_written_is_read(void **state)
{
    OWN(buf_done) struct buf wire = BUF_INIT(4096);
    struct source_location read[LOCATIONS_MAX];
    struct wire_reader reader;

    (void)state;
    write_all(&wire);
    reader = (struct wire_reader){ wire.data, wire.data + wire.size, false };
    assert_int_equal(wire_read_u8(&reader), 200);
    assert_int_equal(wire_read_u32(&reader), 4000000000u);
    assert_true(wire_read_u64(&reader) == UINT64_MAX - 1);
    assert_true(text_is_equal(wire_read_text(&reader), TEXT("a\0b")));
    assert_int_equal(wire_read_locations(&reader, read), ARRAY_COUNT(locations));
    assert_true(reader.at == reader.end);
    for (size_t i = 0; i < ARRAY_COUNT(locations); i++) {
        assert_true(text_is_equal(read[i].function, locations[i].function));
        assert_true(text_is_equal(read[i].file, locations[i].file));
        assert_int_equal(read[i].line, locations[i].line);
        assert_int_equal(read[i].is_inlined, locations[i].is_inlined);
    }
}

/* Each copy ends where the bytes do, so that the sanitizer sees a read past them. */
static void what_is_cut_off_is_refused(void **state)
{
    OWN(buf_done) struct buf wire = BUF_INIT(4096);
    struct source_location read[LOCATIONS_MAX];

    (void)state;
    write_all(&wire);
    for (size_t size = 0; size < wire.size; size++) {
        OWN(mem_freep) char *copy = mem_alloc(size + 1);
        struct wire_reader reader = { copy, copy + size, false };

        memcpy(copy, wire.data, size);
        assert_int_equal(read_all(&reader, read), -EBADMSG);
    }
}

static void sizes_beyond_their_bounds_are_refused(void **state)
{
    static const char many[] = { (char)(LOCATIONS_MAX + 1) };
    OWN(buf_done) struct buf wire = BUF_INIT(4 * STRING_SIZE_MAX);
    static char name[STRING_SIZE_MAX + 1];
    struct source_location read[LOCATIONS_MAX];
    struct wire_reader reader = { many, many + sizeof many, false };

    (void)state;
    assert_int_equal(wire_read_locations(&reader, read), -EBADMSG);

    memset(name, 'n', sizeof name);
    wire_write_text(&wire, (struct text){ name, sizeof name }); /* is cut when written */
    reader = (struct wire_reader){ wire.data, wire.data + wire.size, false };
    assert_int_equal(wire_read_text(&reader).size, STRING_SIZE_MAX);

    buf_reset(&wire);
    wire_write_u32(&wire, STRING_SIZE_MAX + 1);
    buf_append(&wire, name, sizeof name);
    reader = (struct wire_reader){ wire.data, wire.data + wire.size, false };
    assert_int_equal(wire_read_text(&reader).size, 0);
    assert_true(reader.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_cut_off_is_refused),
        cmocka_unit_test(sizes_beyond_their_bounds_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
