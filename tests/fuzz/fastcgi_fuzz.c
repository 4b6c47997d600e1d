/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the beginning of a CGI response: a code of three digits, within the bytes given. */
#include "probe/integrations/preload/fastcgi.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int code = fastcgi_response_code(data, size);

    CHECK(code >= 1 && code <= 999);
    return 0;
}
