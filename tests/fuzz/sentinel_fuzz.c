/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a Sentinel says: it names a master that can be dialed, or it is no use. */
#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/redis_sentinel.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/redis_double.h"

#include <event2/event.h>
#include <string.h>

static void on_master(void *context, const struct redis_place *master)
{
    (void)context;
    CHECK(master->port > 0 && *master->host && memchr(master->host, '\0', sizeof master->host));
}

static void on_nobody(void *context, const char *why)
{
    (void)context;
    CHECK(*why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_base *base = event_base_new();
    struct redis_double *it = redis_double_new(base, fuzz_text(data, size));
    struct redis_address address = { .shape = REDIS_SENTINEL,
                                     .master = "house",
                                     .seeds = { { "127.0.0.1", it->port } },
                                     .seed_count = 1 };
    struct redis_sentinel *sentinel = redis_sentinel_new(&(struct redis_sentinel_options){
        .base = base, .on_master = on_master, .on_nobody = on_nobody });

    redis_sentinel_ask(sentinel, &address);
    redis_double_run(it);
    redis_sentinel_free(sentinel);
    redis_double_free(it);
    event_base_free(base);
    return 0;
}
