/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the message MESSAGE: what is decoded encodes to bytes that decode to the same. */
#include "common/wire/messages.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/own.h"

#include <string.h>

#define PASTE(a, b, c)      a##b##c
#define NAMED(a, b, c)      PASTE(a, b, c)
#define MESSAGE_STRUCT      NAMED(wire_, MESSAGE, )
#define MESSAGE_DECODE(...) NAMED(wire_, MESSAGE, _decode)(__VA_ARGS__)
#define MESSAGE_ENCODE(...) NAMED(wire_, MESSAGE, _encode)(__VA_ARGS__)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    OWN(buf_done) struct buf first = BUF_INIT(8 * 1024 * 1024), second = BUF_INIT(8 * 1024 * 1024);
    struct problem problem = { 0 };
    struct MESSAGE_STRUCT value;

    if (MESSAGE_DECODE(fuzz_text(data, size), &arena, &value, &problem) < 0) {
        fuzz_check_problem(&problem);
        return 0;
    }
    CHECK(MESSAGE_ENCODE(&value, &first) == 0);
    CHECK(MESSAGE_DECODE(buf_peek(&first), &arena, &value, &problem) == 0);
    CHECK(MESSAGE_ENCODE(&value, &second) == 0);
    CHECK(text_is_equal(buf_peek(&first), buf_peek(&second)));
    return 0;
}
