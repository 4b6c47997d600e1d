/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a report: a sample that is sound, weighs what it listened, and can be sent on. */
#include "common/wire/report.h"
#include "tests/fuzz/fuzz.h"

static void check_sample(struct sample *sample)
{
    OWN(buf_done) struct buf first = BUF_INIT(8 * 1024 * 1024), second = BUF_INIT(8 * 1024 * 1024);
    OWN(sample_freep) struct sample *again = NULL;
    struct problem problem = { 0 };
    uint64_t sum_ns = 0;

    CHECK(sample_check(sample, &problem) == 0);
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        sum_ns += sample_weight(sample, i).weight_ns;
    }
    CHECK(sum_ns == sample->listened_ns);
    CHECK(report_encode(sample, &first) == 0);
    CHECK(report_decode(buf_peek(&first), &again, &problem) == 0);
    CHECK(report_encode(again, &second) == 0);
    CHECK(text_is_equal(buf_peek(&first), buf_peek(&second)));
    sample_thin(sample);
    CHECK(sample_check(sample, &problem) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(sample_freep) struct sample *sample = NULL;
    struct problem problem = { 0 };

    if (report_decode(fuzz_text(data, size), &sample, &problem) == 0) {
        check_sample(sample);
    } else {
        fuzz_check_problem(&problem);
    }
    return 0;
}
