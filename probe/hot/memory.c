/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/memory.h"

#include "probe/hot/registry.h"
#include "probe/hot/ticks.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct hot hot;

static _Atomic bool is_read_forbidden; /* outlives forks, as filters do */
static uint32_t epochs;                /* outlives forks, so that a child's epoch is another one */

/* Random where the kernel gives it, else unlikely to be another process's. */
static void trace_key_make(uint64_t ret[2])
{
    if (getrandom(ret, 2 * sizeof *ret, GRND_NONBLOCK) == 2 * (ssize_t)sizeof *ret) return;
    ret[0] = clock_wall_ns() * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)getpid();
    ret[1] = clock_monotonic_ns() * UINT64_C(0xbf58476d1ce4e5b9) + (uint64_t)(uintptr_t)ret;
}

/* Once per process. */
static int memory_prepare(void)
{
    if (madvise(&hot, sizeof hot, MADV_WIPEONFORK) != 0) return -errno;
    ticks_open();
    slot_open();
    trace_key_make(hot.trace_key);
    for (uint32_t i = 0; i < INTERFACE_IDS; i++) {
        atomic_store_explicit(&hot.alert_ticks[i], UINT64_MAX, memory_order_relaxed);
        atomic_store_explicit(&hot.threshold_ticks[i], UINT64_MAX, memory_order_relaxed);
    }
    hot.epoch = ++epochs;
    hot.pid = (uint32_t)getpid();
    return 0;
}

int memory_open(bool statistics_on)
{
    int rc = hot.pid != 0 ? 0 : memory_prepare();

    if (rc < 0) return rc;
    atomic_store_explicit(&hot.statistics, statistics_on, memory_order_relaxed);
    /* Pairs with the begin that first sees the gate open, and needs the clock and the rest. */
    atomic_store_explicit(&hot.gate, hot.epoch, memory_order_release);
    return 0;
}

void memory_close(void)
{
    atomic_store_explicit(&hot.gate, 0, memory_order_release);
}

uint64_t memory_read(uint64_t address, void *ret, uint64_t size)
{
    struct iovec here = { ret, size }, there = { (void *)(uintptr_t)address, size };
    long read;

    if (atomic_load_explicit(&is_read_forbidden, memory_order_relaxed)) return 0;
    read = syscall(SYS_process_vm_readv, (long)hot.pid, &here, 1L, &there, 1L, 0L);
    return read > 0 ? (uint64_t)read : 0;
}

void memory_allow_reads(bool is_allowed)
{
    atomic_store_explicit(&is_read_forbidden, !is_allowed, memory_order_relaxed);
}

uint64_t memory_size(void)
{
    return sizeof hot + registry_size();
}
