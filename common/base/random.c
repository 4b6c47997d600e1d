/* SPDX-License-Identifier: Apache-2.0 */
/* random.c: ids must be made also where getrandom(2) is refused (a sandbox): then clocks, an
 * address and the pid are mixed. Tokens are never made so: random_bytes() says that it failed. */
#include "common/base/random.h"

#include "common/base/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

int random_bytes(void *ret, size_t size)
{
    ssize_t got;

    do {
        got = getrandom(ret, size, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return -errno;
    return (size_t)got == size ? 0 : -EIO;
}

uint64_t random_u64(void)
{
    uint64_t value = 0;

    if (random_bytes(&value, sizeof value) < 0) {
        value = clock_monotonic_ns() * 0x9e3779b97f4a7c15u;
        value ^= clock_ticks() ^ (uintptr_t)&value ^ (uint64_t)getpid() << 40;
    }
    return value != 0 ? value : 1;
}
