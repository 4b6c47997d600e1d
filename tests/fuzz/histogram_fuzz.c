/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the buckets of a histogram: what is accepted is what encoding would write. */
#include "common/wire/report.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(buf_done) struct buf again = BUF_INIT(2048);
    struct problem problem = { 0 };
    struct histogram histogram;

    if (histogram_decode(fuzz_text(data, size), &histogram, &problem) < 0) {
        fuzz_check_problem(&problem);
        return 0;
    }
    CHECK(histogram_percentile_ns(&histogram, 50) <= histogram_percentile_ns(&histogram, 99));
    CHECK(histogram_encode(&histogram, &again) == 0);
    CHECK(text_is_equal(buf_peek(&again), fuzz_text(data, size)));
    return 0;
}
