/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a report that was kept: refused, or within the bound; and any bytes as a report to
 * be kept: they come back. */
#include "common/base/own.h"
#include "scheduler/store/blob.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

enum { BYTES_MAX = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(buf_done) struct buf bytes = BUF_INIT(BYTES_MAX);
    OWN(buf_done) struct buf packed = BUF_INIT(2 * size + 1024);
    OWN(buf_done) struct buf again = BUF_INIT(size + 1);
    struct text text = fuzz_text(data, size);
    int rc = blob_unpack(text, BYTES_MAX, &bytes);

    CHECK(rc == 0 || rc == -EBADMSG);
    CHECK(bytes.size <= (rc == 0 ? BYTES_MAX : 0));
    CHECK(blob_pack(text, &packed) == 0);
    CHECK(blob_unpack(buf_peek(&packed), size, &again) == 0);
    CHECK(text_is_equal(buf_peek(&again), text));
    if (size == 0) return 0;
    CHECK(blob_unpack(buf_peek(&packed), size - 1, &bytes) == -EBADMSG);
    return 0;
}
