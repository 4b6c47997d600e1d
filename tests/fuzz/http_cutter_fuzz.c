/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a connection: cut in parts of any size, they are the pieces that they are when they
 * come at once. The first byte is the size of the parts. */
#include "scheduler/http/cutter.h"
#include "tests/fuzz/fuzz.h"

enum { PIECES_SIZE_MAX = 4 * 1024 * 1024 };

static const char END[] = "\nthe end\n"; /* as no head has it: behind it nothing is taken */

/* Appends the piece. False: the connection is over. */
static bool take(struct cutter *cutter, const struct cut *cut, struct buf *pieces)
{
    const char *why = NULL;
    struct head head;

    if (cut->kind == CUT_KEPT) return true;
    if (cut->kind == CUT_BODY) return buf_text(pieces, cut->text) == 0;
    if (cut->kind != CUT_HEAD || head_parse(cut->text, &head, &why) != 0) {
        CHECK(buf_text(pieces, text_of(END)) == 0);
        return false;
    }
    CHECK(buf_text(pieces, cut->text) == 0);
    cutter_expect(cutter, head.body_size);
    return true;
}

/* What the bytes are, in parts. Returns whether the connection ends between two requests. */
static bool cut_all(struct text bytes, size_t part_size, struct buf *pieces)
{
    struct cutter cutter = CUTTER_INIT;
    bool goes_on = true, is_between;

    while (bytes.size > 0 && goes_on) {
        struct text part = { bytes.data, bytes.size < part_size ? bytes.size : part_size };
        struct cut cut = cutter_next(&cutter, part);

        CHECK(cut.used_size <= part.size);
        goes_on = take(&cutter, &cut, pieces);
        CHECK(!goes_on || cut.used_size > 0);
        bytes = (struct text){ bytes.data + cut.used_size, bytes.size - cut.used_size };
    }
    is_between = goes_on && cutter_is_between(&cutter);
    cutter_done(&cutter);
    return is_between;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT(PIECES_SIZE_MAX), parts = BUF_INIT(PIECES_SIZE_MAX);
    struct text bytes = fuzz_text(data + 1, size - 1);
    bool is_between;

    if (size == 0) return 0;
    is_between = cut_all(bytes, bytes.size, &whole);
    CHECK(cut_all(bytes, (size_t)data[0] + 1, &parts) == is_between);
    CHECK(text_is_equal(buf_peek(&whole), buf_peek(&parts)));
    buf_done(&whole);
    buf_done(&parts);
    return 0;
}
