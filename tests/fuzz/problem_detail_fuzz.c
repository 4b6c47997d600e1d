/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the body of a refusal: a line of printable text within its bound, and the same for
 * any smaller bound, but for what that cuts. */
#include "probe/agent/link/problem_detail.h"

#include "tests/fuzz/fuzz.h"

enum { LINE_SIZE_MAX = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char whole[LINE_SIZE_MAX], part[LINE_SIZE_MAX];
    struct text body = fuzz_text(data, size);
    size_t whole_size = problem_detail(body, whole, sizeof whole);

    CHECK(whole_size <= sizeof whole);
    CHECK(text_is_printable((struct text){ whole, whole_size }));
    for (size_t size_max = 0; size_max < sizeof part; size_max += 37) {
        size_t part_size = problem_detail(body, part, size_max);

        CHECK(part_size <= size_max);
        CHECK(
            text_starts_with((struct text){ whole, whole_size }, (struct text){ part, part_size }));
    }
    return 0;
}
