/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/store/blob.h"

#include <errno.h>
#include <string.h>

#include "common/base/own.h"
#include "common/base/random.h"
#include "common/model/limits.h"
#include "tests/support/test.h"

enum { BYTES = 100000 };

static char bytes[BYTES];

static void pack_some(struct buf *ret)
{
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (char)(i / 100 * 7);
    }
    assert_int_equal(blob_pack((struct text){ bytes, BYTES }, ret), 0);
}

static void what_was_packed_comes_back(void **state)
{
    OWN(buf_done) struct buf blob = BUF_INIT(2 * BYTES), back = BUF_INIT(BYTES + 1);

    (void)state;
    pack_some(&blob);
    assert_true(blob.size < BYTES / 2);
    assert_int_equal(blob_unpack(buf_peek(&blob), BYTES, &back), 0);
    assert_int_equal(back.size, BYTES);
    assert_memory_equal(back.data, bytes, BYTES);
}

static void one_byte_over_the_bound_is_refused_before_anything_is_allocated(void **state)
{
    OWN(buf_done) struct buf blob = BUF_INIT(2 * BYTES), back = BUF_INIT(2 * BYTES);

    (void)state;
    pack_some(&blob);
    assert_int_equal(blob_unpack(buf_peek(&blob), BYTES - 1, &back), -EBADMSG);
    assert_null(back.data);
}

/* The append-only file has no checksums: a byte that changed on the disk must show here. */
static void any_damage_is_noticed(void **state)
{
    OWN(buf_done) struct buf blob = BUF_INIT(2 * BYTES), back = BUF_INIT(2 * BYTES);

    (void)state;
    pack_some(&blob);
    for (size_t i = 0; i < blob.size; i += 1 + blob.size / 200) {
        blob.data[i] ^= 0x10;
        buf_reset(&back);
        if (blob_unpack(buf_peek(&blob), BYTES, &back) == 0 &&
            (back.size != BYTES || memcmp(back.data, bytes, BYTES) != 0)) {
            fail_msg("byte %zu was changed, and nobody noticed", i);
        }
        blob.data[i] ^= 0x10;
    }
    for (size_t size = 0; size < blob.size; size += 97) {
        buf_reset(&back);
        assert_int_equal(blob_unpack((struct text){ blob.data, size }, BYTES, &back), -EBADMSG);
    }
    assert_int_equal(buf_append(&blob, "x", 1), 0);
    assert_int_equal(blob_unpack(buf_peek(&blob), BYTES, &back), -EBADMSG);
}

static void a_report_that_cannot_be_compressed_has_room(void **state)
{
    OWN(buf_done) struct buf noise = BUF_INIT(REPORT_SIZE_MAX);
    OWN(buf_done) struct buf blob = BUF_INIT(REPORT_SIZE_MAX + 65536);
    OWN(buf_done) struct buf back = BUF_INIT(REPORT_SIZE_MAX);

    (void)state;
    while (noise.size < REPORT_SIZE_MAX) {
        uint64_t number = random_u64();
        assert_int_equal(buf_append(&noise, &number, sizeof(number)), 0);
    }
    assert_int_equal(blob_pack(buf_peek(&noise), &blob), 0);
    assert_int_equal(blob_unpack(buf_peek(&blob), REPORT_SIZE_MAX, &back), 0);
    assert_memory_equal(back.data, noise.data, noise.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(one_byte_over_the_bound_is_refused_before_anything_is_allocated),
        cmocka_unit_test(any_damage_is_noticed),
        cmocka_unit_test(a_report_that_cannot_be_compressed_has_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
