/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a perf map: what is found holds the address, and nothing is read outside. */
#include "common/base/own.h"
#include "probe/agent/names/jit_map.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t addresses[] = { 0, 1, 0x1000, 0x1010, 0x7f0000001000, UINT64_MAX };
    char path[] = "/tmp/stakeout-fuzz-XXXXXX", name[16];
    OWN(fd_closep) int fd = mkostemp(path, O_CLOEXEC);
    struct jit_map *map = jit_map_new(path);

    CHECK(map && fd >= 0 && write(fd, data, size) == (ssize_t)size);
    jit_map_refresh(map);
    for (size_t i = 0; i < ARRAY_COUNT(addresses); i++) {
        uint64_t begin = 0;
        size_t found = jit_map_find(map, addresses[i], name, sizeof name, &begin);

        CHECK(found < sizeof name && begin <= addresses[i]);
    }
    CHECK(jit_map_size(map) <= 64 * (size + 64));
    jit_map_free(map);
    unlink(path);
    return 0;
}
