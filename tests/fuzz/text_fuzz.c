/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as text: cleaning makes it printable and never longer; distances are symmetrical. */
#include "tests/fuzz/fuzz.h"

#include "common/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(mem_freep) char *room = mem_alloc(size);
    struct text text = fuzz_text(data, size), half = { text.data, size / 2 };
    struct text clean = { room, text_clean(text, room, size) };

    CHECK(clean.size <= size && text_is_printable(clean));
    CHECK(!text_is_printable(text) || text_is_equal(clean, text));
    CHECK(size > 256 || text_distance(text, half) == text_distance(half, text));
    CHECK(size > 256 || text_distance(text, half) >= size - half.size);
    return 0;
}
