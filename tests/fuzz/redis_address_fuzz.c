/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the URL of a Redis: what is accepted is whole, and no refusal repeats it. */
#include "scheduler/store/redis/redis_address.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problem problem = { 0 };
    struct redis_address address;

    if (redis_address_parse(fuzz_text(data, size), &address, &problem) < 0) {
        fuzz_check_problem(&problem);
        return 0;
    }
    CHECK(memchr(address.path, '\0', sizeof(address.path)));
    CHECK(memchr(address.user, '\0', sizeof(address.user)));
    CHECK(memchr(address.password, '\0', sizeof(address.password)));
    if (address.shape == REDIS_SENTINEL) {
        CHECK(address.master[0] && address.wants_master);
        CHECK(address.seed_count > 0 && address.seed_count <= REDIS_SEEDS_MAX);
    } else if (address.shape == REDIS_CLUSTER) {
        CHECK(address.seed_count > 0 && address.seed_count <= REDIS_SEEDS_MAX);
    } else {
        CHECK(!address.path[0] != !address.host[0]);
    }
    for (size_t i = 0; i < address.seed_count; i++) {
        CHECK(address.seeds[i].host[0] && address.seeds[i].port);
    }
    return 0;
}
