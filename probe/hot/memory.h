/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h: everything that begin, end and the signal handler touch, reserved at start.
 *
 * It is one static object, so that the hot path reaches it without a pointer, nothing is ever
 * allocated, and a process that never starts the probe has none of its pages. All of it is marked
 * MADV_WIPEONFORK: a forked child finds zeros, that is a probe that was never started, without any
 * atfork handler. Names of interfaces are kept elsewhere (registry.c), because ids must
 * survive a fork.
 *
 *     memory_open(statistics_on)     the gate opens: begins are kept
 *     memory_close()                 the gate closes; what is in flight may still end
 *
 * Slots, records and counts outlive close and the next open: they are never cleared, so that a
 * thread that was stopped in the middle of a begin can never write into what has become another's.
 *
 * Threads: open and close one at a time; everything else as the fields say. */
#ifndef STAKEOUT_PROBE_HOT_MEMORY_H
#define STAKEOUT_PROBE_HOT_MEMORY_H

#include "common/model/limits.h"
#include "probe/hot/notes.h"
#include "probe/hot/record.h"
#include "probe/hot/slot.h"
#include "probe/hot/stack_copy.h"
#include "probe/hot/statistics.h"
#include "probe/hot/unfinished.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    PAGE_SIZE_BYTES = 4096,
    INTERFACE_IDS = INTERFACES_MAX + 2, /* 0: none; then the registered ones; the last: (other) */
    RECORDS = THREADS_MAX + CALLS_MAX,  /* one at home with each slot, and the shared ones */
    LISTENINGS_MAX = SAMPLES_IN_FLIGHT_MAX + LOOKBACKS_MAX,

    /* What is reserved at start, 8 MB: this object, the names, and the sampler's books. */
    MEMORY_HOT_MAX = 5992 * 1024,
    MEMORY_REGISTRY_MAX = 1112 * 1024,
    MEMORY_SAMPLER_MAX = 1088 * 1024,
};

static_assert(MEMORY_HOT_MAX + MEMORY_REGISTRY_MAX + MEMORY_SAMPLER_MAX <= 8 * 1024 * 1024,
              "8 MB in all");

struct hot {
    /* Read by every begin; written by open and close alone. */
    _Alignas(PAGE_SIZE_BYTES) _Atomic uint32_t gate; /* 0: closed; else `epoch` */
    uint32_t epoch;          /* of this process, never 0 once opened; differs after a fork */
    uint32_t pid;            /* of this process */
    _Atomic bool statistics; /* false: only calls of watched interfaces are kept */
    bool uses_tsc;           /* the time-stamp counter is fit to be a clock (ticks.h) */
    _Atomic uint64_t ns_per_tick_q32; /* 32 bits before and 32 behind the point */
    uint64_t trace_key[2];            /* trace IDs are made from it (call.c) */

    /* Written by many threads, seldom: on lines of their own. */
    _Alignas(128) _Atomic uint64_t free_slots; /* index_stack */
    _Atomic uint32_t slot_count;               /* slots [0, slot_count) have been used */
    _Alignas(128) _Atomic uint64_t free_records;
    _Atomic uint32_t record_count; /* shared records [THREADS_MAX, THREADS_MAX + record_count) */
    _Alignas(128) _Atomic uint32_t block_count;
    _Atomic uint64_t handler_ticks; /* that our handler took from the host's threads */
    _Atomic uint64_t notes[HOT_NOTE_COUNT];
    _Alignas(128) _Atomic uint32_t wakes; /* wake.h */
    _Atomic bool sampler_sleeps;

    /* Per interface: a call that took longer than alert_ticks has something to say at its end: it
     * is the slowest so far, or slow. UINT64_MAX: nobody watches. Written by the sampler, and
     * raised by ending calls up to threshold_ticks. */
    _Alignas(128) _Atomic uint64_t alert_ticks[INTERFACE_IDS];
    _Atomic uint64_t threshold_ticks[INTERFACE_IDS];

    struct slot slots[THREADS_MAX];
    struct record records[RECORDS];
    struct face faces[LISTENINGS_MAX];
    _Atomic uint16_t block_table[BLOCK_TABLE_SIZE];
    struct block blocks[BLOCKS];
    struct loan loans[STACK_COPIES_MAX];
    _Alignas(PAGE_SIZE_BYTES) unsigned char stack_bytes[STACK_COPIES_MAX][STACK_COPY_SIZE_MAX];
    struct unfinished unfinished[UNFINISHED_MAX];
    _Atomic bool has_left_files; /* some of them hold files of threads that are gone */
    _Atomic uint32_t interrupted[INTERRUPTION_ACCOUNTS]; /* calls that may have seen our signal */
};

static_assert(sizeof(struct hot) <= MEMORY_HOT_MAX, "8 MB in all");

extern struct hot hot;

/* Returns 0, or -errno if the memory cannot be marked for fork: then the gate stays closed. */
int memory_open(bool statistics_on);
void memory_close(void);

/* Reads memory of this process, which may be gone, up to the first hole: by a system call, which
 * does not fault. Returns how many bytes; 0 also where it is not allowed, because a filter of
 * system calls kills at it. Threads: any, also in the handler. */
uint64_t memory_read(uint64_t address, void *ret, uint64_t size);
void memory_allow_reads(bool is_allowed);

/* Bytes reserved: struct hot and the registry. */
uint64_t memory_size(void);

#endif
