/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a date: what is read is written so that it reads the same. */
#include "common/base/wall_time.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t at_ms, again_ms;
    char text[WALL_TIME_SIZE];

    if (wall_time_parse(fuzz_text(data, size), &at_ms) < 0) return 0;
    wall_time_format(at_ms, text);
    CHECK(wall_time_parse(text_of(text), &again_ms) == 0);
    CHECK(again_ms == at_ms || again_ms == UINT64_C(253402300799999)); /* the last of year 9999 */
    return 0;
}
