/* SPDX-License-Identifier: Apache-2.0 */
/* A module that lies in this test's memory: what its .eh_frame_hdr may say, and what not. */
#include "probe/agent/unwind/unwind_build.h"

#include "tests/support/test.h"
#include "tests/unit/probe/agent/unwind/frames.h"

#include <errno.h>
#include <string.h>

enum { IMAGE_SIZE = 64 * 1024, HEADER_AT = 1024, FRAME_AT = 2048, CODE_AT = 16384, SIZE = 256 };

static _Alignas(4096) unsigned char image[IMAGE_SIZE];
static struct unwind_source source;

static uint64_t address_of(size_t at)
{
    return (uint64_t)(uintptr_t)image + at;
}

static void put_header(uint8_t version, uint8_t encoding, uint8_t table_encoding)
{
    uint8_t head[] = { version, encoding, POINTER_OMITTED, table_encoding };
    int32_t distance = FRAME_AT - HEADER_AT - 4;
    uint64_t absolute = address_of(FRAME_AT);

    memcpy(image + HEADER_AT, head, sizeof head);
    if (encoding & POINTER_PCREL) {
        memcpy(image + HEADER_AT + 4, &distance, sizeof distance);
    } else {
        memcpy(image + HEADER_AT + 4, &absolute, sizeof absolute);
    }
}

/* Two pieces of code, in two segments with data between them. */
static int make_image(void **state)
{
    static struct frames frames;
    size_t cie;

    (void)state;
    frames = (struct frames){ .address = address_of(FRAME_AT) };
    cie = frames_cie(&frames, "zR", POINTER_PCREL | POINTER_SDATA4);
    frames_cie_usual(&frames);
    frames_fde(&frames, cie, address_of(2 * CODE_AT), SIZE);
    frames_close(&frames);
    frames_fde(&frames, cie, address_of(CODE_AT), SIZE);
    frames_close(&frames);
    frames_u32(&frames, 0);
    memset(image, 0xff, sizeof image);
    memcpy(image + FRAME_AT, frames.bytes, frames.size);
    put_header(1, POINTER_PCREL | POINTER_SDATA4, POINTER_OMITTED);
    source = (struct unwind_source){
        .low = address_of(0),
        .high = address_of(IMAGE_SIZE),
        .unwind_header = address_of(HEADER_AT),
        .segments = { { address_of(0), address_of(CODE_AT), false },
                      { address_of(CODE_AT), address_of(CODE_AT) + 4096, true },
                      { address_of(2 * CODE_AT), address_of(2 * CODE_AT) + 4096, true } },
        .segment_count = 3,
    };
    return 0;
}

static int build(struct unwind_table **ret)
{
    return unwind_build_module(&source, NULL, 1024 * 1024, ret);
}

static uint64_t function_at(const struct unwind_table *table, size_t at)
{
    struct unwind_found found;

    unwind_table_find(table, address_of(at), &found);
    return found.function;
}

static void no_search_table_is_needed_and_segments_may_be_several(void **state)
{
    struct unwind_table *table = NULL;

    (void)state;
    assert_int_equal(build(&table), 0);
    assert_int_equal(table->entry_count, 2);
    assert_true(table->is_whole);
    assert_int_equal(function_at(table, CODE_AT + SIZE - 1), address_of(CODE_AT));
    assert_int_equal(function_at(table, CODE_AT + SIZE), 0);
    assert_int_equal(function_at(table, 2 * CODE_AT), address_of(2 * CODE_AT));
    unwind_table_free(table);
}

static void the_way_to_the_entries_may_be_absolute(void **state)
{
    struct unwind_table *table = NULL;

    (void)state;
    put_header(1, POINTER_ABSOLUTE, POINTER_OMITTED);
    assert_int_equal(build(&table), 0);
    assert_int_equal(table->entry_count, 2);
    unwind_table_free(table);
}

static void a_header_of_another_kind_leads_nowhere(void **state)
{
    static const uint8_t encodings[] = { POINTER_OMITTED, POINTER_PCREL | POINTER_INDIRECT, 0x3b };
    struct unwind_table *table = NULL;

    (void)state;
    put_header(2, POINTER_PCREL | POINTER_SDATA4, POINTER_OMITTED);
    assert_int_equal(build(&table), -ENOENT);
    for (size_t i = 0; i < sizeof encodings; i++) {
        put_header(1, encodings[i], POINTER_OMITTED);
        assert_int_equal(build(&table), -ENOENT);
    }
    source.unwind_header = 0;
    assert_int_equal(build(&table), -ENOENT);
    source.unwind_header = 4096; /* nothing is there */
    assert_int_equal(build(&table), -ENOENT);
    assert_null(table);
}

static void entries_outside_of_the_module_are_not_read(void **state)
{
    struct unwind_table *table = NULL;

    (void)state;
    source.segments[0].high = address_of(FRAME_AT);
    assert_int_equal(build(&table), -ENOENT);
    assert_null(table);
}

static void the_end_of_the_segment_is_the_end_of_the_entries(void **state)
{
    struct unwind_table *table = NULL;

    (void)state;
    source.segments[0].high = address_of(FRAME_AT) + 24 + 30; /* the CIE, the first FDE, no more */
    assert_int_equal(build(&table), 0);
    assert_int_equal(table->entry_count, 1);
    assert_false(table->is_whole);
    unwind_table_free(table);
}

static void what_is_unwanted_is_not_read(void **state)
{
    struct unwind_table *table = NULL;
    _Atomic bool is_unwanted = true;

    (void)state;
    assert_int_equal(unwind_build_module(&source, &is_unwanted, 1024 * 1024, &table), -ECANCELED);
    assert_null(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_search_table_is_needed_and_segments_may_be_several, make_image),
        cmocka_unit_test_setup(the_way_to_the_entries_may_be_absolute, make_image),
        cmocka_unit_test_setup(a_header_of_another_kind_leads_nowhere, make_image),
        cmocka_unit_test_setup(entries_outside_of_the_module_are_not_read, make_image),
        cmocka_unit_test_setup(the_end_of_the_segment_is_the_end_of_the_entries, make_image),
        cmocka_unit_test_setup(what_is_unwanted_is_not_read, make_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
