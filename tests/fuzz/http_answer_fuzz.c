/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a scheduler's answer: whole and byte by byte they come to the same, within the
 * bound. */
#include "probe/agent/link/http_answer.h"

#include "tests/fuzz/fuzz.h"

enum { BODY_SIZE_MAX = 256 };

static int feed(struct http_answer *answer, const uint8_t *data, size_t size, size_t step)
{
    size_t at = 0, taken = 1;
    int rc = 0;

    http_answer_init(answer, BODY_SIZE_MAX);
    while (rc == 0 && at < size && !http_answer_is_complete(answer)) {
        size_t some = size - at < step ? size - at : step;

        rc = http_answer_feed(answer, fuzz_text(data + at, some), &taken);
        if (rc == 0) at += taken;
    }
    return rc < 0 ? rc : (int)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer whole, pieces;

    if (size > 65536) return 0;
    CHECK(feed(&whole, data, size, size) == feed(&pieces, data, size, 1));
    CHECK(whole.state == pieces.state || !http_answer_is_complete(&whole));
    if (http_answer_is_complete(&whole)) {
        CHECK(whole.status >= 200 && whole.status <= 599);
        CHECK(text_is_equal(buf_peek(&whole.body), buf_peek(&pieces.body)));
    }
    CHECK(whole.body.size <= BODY_SIZE_MAX);
    http_answer_done(&whole);
    http_answer_done(&pieces);
    return 0;
}
