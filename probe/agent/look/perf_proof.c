/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/look/perf_proof.h"

#include "common/base/clock.h"
#include "probe/agent/look/perf_event.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    TRIES = 9,
    TRIES_MAX = 100, /* with those that come to nothing */
    TURNS = 1000,    /* between two readings of the CPU clock */
};

#define PERIOD_NS    (100 * NS_PER_US)
#define WAIT_NS_MAX  (5 * NS_PER_MS) /* of CPU time, for one */
#define COOKIE_FIRST UINT64_C(0x5741b3e0c29d6f18)

/* Spins until there is a record. Returns the longest gap in its time, or 0 if none came. What it
 * does it does outside of the kernel, as far as possible: there it might not be seen. */
static uint64_t spin(const struct perf_event *event)
{
    uint64_t begin_ns = clock_thread_cpu_ns(), before_ns = clock_monotonic_ns(), now_ns;
    uint64_t longest_ns = 1;

    for (uint32_t turn = 1; !perf_event_has(event); turn++) {
        now_ns = clock_monotonic_ns();
        if (now_ns - before_ns > longest_ns) longest_ns = now_ns - before_ns;
        before_ns = now_ns;
        if (turn % TURNS != 0) continue;
        if (clock_thread_cpu_ns() - begin_ns > WAIT_NS_MAX) return 0;
        before_ns = clock_monotonic_ns();
    }
    now_ns = clock_monotonic_ns();
    return now_ns - before_ns > longest_ns ? now_ns - before_ns : longest_ns;
}

/* Is it a copy of this function's frame, of just now? */
static int check(const struct perf_moment *moment, const unsigned char *bytes,
                 const volatile uint64_t *cookie, uint64_t begin_ns)
{
    uint64_t at = (uint64_t)(uintptr_t)cookie - moment->registers[REGISTER_RSP], copied;

    if (moment->at_ns < begin_ns) return -EAGAIN; /* of the try before */
    if (moment->at_ns > clock_monotonic_ns() + NS_PER_MS) return -EBADMSG;
    if (moment->size < sizeof copied || at > moment->size - sizeof copied) return -EBADMSG;
    memcpy(&copied, bytes + at, sizeof copied);
    return copied == *cookie ? 0 : -EBADMSG;
}

static int try_one(struct perf_event *event, uint64_t number, unsigned char *bytes, size_t size,
                   uint64_t *ret_pause_ns)
{
    volatile uint64_t cookie = COOKIE_FIRST + number;
    uint64_t begin_ns = clock_monotonic_ns(), gap_ns;
    struct perf_moment moment;
    int rc;

    gap_ns = spin(event);
    if (gap_ns == 0) return -ETIMEDOUT;
    *ret_pause_ns = gap_ns;
    rc = perf_event_take(event, &moment, bytes, size);
    return rc < 0 ? rc : check(&moment, bytes, &cookie, begin_ns);
}

/* The lower quartile: others may hold the thread up, too. */
static uint64_t quartile(uint64_t values[TRIES])
{
    for (int i = 1; i < TRIES; i++) {
        for (int at = i; at > 0 && values[at - 1] > values[at]; at--) {
            uint64_t value = values[at];

            values[at] = values[at - 1];
            values[at - 1] = value;
        }
    }
    return values[TRIES / 4];
}

int perf_prove(bool excludes_kernel, unsigned char *bytes, size_t size, uint64_t *ret_pause_ns)
{
    struct perf_order order = { .tid = (uint32_t)syscall(SYS_gettid),
                                .period_ns = PERIOD_NS,
                                .excludes_kernel = excludes_kernel };
    uint64_t pauses[TRIES] = { 0 };
    struct perf_event event = { .ring = NULL };
    uint32_t count = 0;
    int rc;

    if (!perf_rate_suffices()) return -ERANGE;
    rc = perf_event_open(&event, &order);
    if (rc < 0) return rc;
    for (uint64_t i = 0; i < TRIES_MAX && count < TRIES && (rc == 0 || rc == -EAGAIN); i++) {
        rc = try_one(&event, i, bytes, size, &pauses[count]);
        count += rc == 0;
    }
    perf_event_close(&event);
    if (rc < 0) return rc == -EAGAIN ? -ETIMEDOUT : rc;
    *ret_pause_ns = quartile(pauses);
    return 0;
}
