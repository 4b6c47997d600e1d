/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder with a bug: if this one survives its corpus, replaying proves nothing. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CHECK(!text_starts_with(fuzz_text(data, size), TEXT("canary")));
    return 0;
}
