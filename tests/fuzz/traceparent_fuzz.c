/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a `traceparent` header and as ids: what is accepted is an id, and from there. */
#include "common/model/id.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = fuzz_text(data, size);
    struct trace_id trace, again;
    struct task_id task;
    uint64_t incarnation;

    if (traceparent_parse(text, &trace) == 0) {
        CHECK(memcmp(trace.text, data + 3, TRACE_ID_SIZE) == 0);
        CHECK(trace_id_parse(text_of(trace.text), &again) == 0);
    }
    if (task_id_parse(text, &task) == 0) CHECK(text_is_equal(text_of(task.text), text));
    if (incarnation_parse(text, &incarnation) == 0) CHECK(incarnation != 0);
    return 0;
}
