/* SPDX-License-Identifier: Apache-2.0 */
/* slot.h: one thread's public face: which calls it runs, innermost last.
 *
 * A thread gets its slot at its first begin, without the host's help, and gives it back when it
 * ends: by a destructor of thread-specific data, or, where that does not run (a thread that
 * leaves by a raw system call), when slot_sweep() finds the thread gone. Calls that a thread leaves
 * behind end with it, and are counted as forgotten.
 *
 * `running` holds the tokens of the calls that began or were attached here. It is the owner's own
 * list for nesting; who really runs a call is said by the record's state alone, so that another
 * thread can take a call away without touching this list. Such an entry is dead, and is dropped
 * when the owner next meets it.
 *
 * Threads: as each function says. Signals: none of these but slot_mine(). */
#ifndef STAKEOUT_PROBE_HOT_SLOT_H
#define STAKEOUT_PROBE_HOT_SLOT_H

#include "common/model/limits.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOCK_CACHE_SIZE = 8 };

struct slot {
    _Alignas(128) _Atomic uint32_t tid; /* 0: the slot is free. Written by the owner */
    _Atomic uint32_t next;              /* link of the free stack; private to it */
    uint32_t depth;                     /* of `running`; the owner's own */
    uint64_t running[NESTING_MAX];      /* opaque[0] of the tokens; the owner's own */
    _Atomic uint64_t thread_pointer;    /* where the C library keeps the thread: its stack's top */
    uint16_t block_cache[BLOCK_CACHE_SIZE]; /* by interface; statistics.c; the owner's own */
};

static_assert(sizeof(struct slot) == 128, "two lines");

/* Which slot the calling thread has, and in which process: another epoch than hot.epoch, and it
 * has none. Of the initial-exec model: reading it never calls into the loader. */
struct thread_face {
    struct slot *slot;
    uint32_t epoch;
};
extern __thread struct thread_face slot_face __attribute__((tls_model("initial-exec")));

/* The calling thread's slot, or NULL if it has none in this process. Async-signal-safe. */
struct slot *slot_mine(void);

/* The calling thread's slot; takes one if it has none. NULL if all are in use. */
struct slot *slot_acquire(void);

/* Puts a call on the calling thread's list, or takes it off. slot_push returns false if the list is
 * full, even without its dead entries. Threads: the owner. */
bool slot_push(struct slot *slot, uint64_t token);
void slot_remove(struct slot *slot, uint64_t token);

uint32_t slot_index(const struct slot *slot);

/* Reserves the destructor's key. Once per process, before the gate opens. */
void slot_open(void);

/* Is there no such thread in this process? Threads: any, where filters allow tgkill. */
bool thread_is_gone(uint32_t tid);

/* Gives back the slots of threads that are gone. Threads: the sampler's. */
void slot_sweep(void);

/* Slots in use, for the cost report. Threads: any. */
uint32_t slot_count_used(void);

#endif
