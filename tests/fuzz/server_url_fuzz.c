/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the server of a probe: a host and a port, or a sentence; or as its token. */
#include "probe/agent/link/http_client.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = fuzz_text(data, size);
    struct http_target target;
    char why[160] = "";

    if (http_target_parse(text, &target, why, sizeof why) < 0) {
        CHECK(*why && memchr(why, '\0', sizeof why));
    } else {
        CHECK(target.port > 0 && *target.host && text_is_printable(text_of(target.host)));
    }
    if (http_token_is_valid(text)) CHECK(size <= HTTP_TOKEN_SIZE_MAX && text_is_printable(text));
    return 0;
}
