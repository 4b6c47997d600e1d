/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what /proc says of a thread: where it waits, and which filters it has. */
#include "common/base/own.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/look/blocked.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(mem_freep) char *text = mem_zalloc(1, size + 1);
    struct wait_view wait;
    int rc;

    if (size > 0) memcpy(text, data, size);
    rc = blocked_parse(text, &wait);
    CHECK(rc == 0 || rc == -EAGAIN || rc == -EINVAL);
    (void)filters_parse(text);
    return 0;
}
