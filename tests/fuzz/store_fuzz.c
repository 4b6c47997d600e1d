/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a Redis answers to a scheduler that begins: who greets it, asks for its state,
 * tokens, settings, sessions and news, and brings it the functions. */
#include "common/base/log.h"
#include "scheduler/store/store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/redis_double.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_base *base = event_base_new();
    struct redis_double *it = redis_double_new(base, fuzz_text(data, size));
    struct problem problem;
    struct store *store;
    char url[96];

    log_start(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR);
    snprintf(url, sizeof url, "redis+unix://%s", it->path);
    store = store_new(&(struct store_options){ .base = base, .url = url }, &problem);
    CHECK(store);
    redis_double_run(it);
    store_free(store);
    redis_double_free(it);
    event_base_free(base);
    close(log_descriptor());
    return 0;
}
