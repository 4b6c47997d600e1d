/* SPDX-License-Identifier: Apache-2.0 */
/* slot.c: registers threads, and notices their end.
 *
 * The thread-local variable uses the initial-exec model: reading it never calls into the loader,
 * which might allocate, even when the probe was opened with dlopen(). `epoch` tells whose process
 * the pointer is of: after a fork it differs from hot.epoch, and the thread registers anew.
 *
 * INVARIANTS
 *
 * (1) Only the owner, or slot_sweep() after the owner's death, changes a slot.
 * (2) A slot's statistics blocks stay with it for ever: the next owner goes on counting there.
 * (3) The destructor looks at the thread-local variable, not at its argument, which in a forked
 *     child may be a slot that is somebody else's now. */
#include "probe/hot/slot.h"

#include "probe/hot/call.h"
#include "probe/hot/index_stack.h"
#include "probe/hot/memory.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    /* glibc keeps the values of the first 32 keys within the thread's own descriptor; setting one
     * of a later key may allocate, which we do not do on the host's threads. */
    KEYS_WITHOUT_ALLOCATION = 32,
};

__thread struct thread_face slot_face __attribute__((tls_model("initial-exec")));
static pthread_key_t exit_key;
static bool has_exit_key; /* outlives forks, as the key does */

static _Atomic uint32_t *slot_link(uint32_t index)
{
    return &hot.slots[index].next;
}

uint32_t slot_index(const struct slot *slot)
{
    return (uint32_t)(slot - hot.slots);
}

struct slot *slot_mine(void)
{
    return slot_face.epoch == hot.epoch ? slot_face.slot : NULL;
}

/* Is this entry of a slot's list still a call that the slot's thread runs? */
static bool entry_is_alive(const struct slot *slot, uint64_t token)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[token_record(token)].state, memory_order_acquire);

    return state_generation(state) == token_generation(token) &&
           state_phase(state) == RECORD_RUNNING && state_slot(state) == slot_index(slot);
}

static void slot_drop_dead_entries(struct slot *slot)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < slot->depth; i++) {
        if (entry_is_alive(slot, slot->running[i])) slot->running[kept++] = slot->running[i];
    }
    slot->depth = kept;
}

bool slot_push(struct slot *slot, uint64_t token)
{
    if (__builtin_expect(slot->depth >= NESTING_MAX, 0)) {
        slot_drop_dead_entries(slot);
        if (slot->depth >= NESTING_MAX) return false;
    }
    slot->running[slot->depth++] = token;
    return true;
}

void slot_remove(struct slot *slot, uint64_t token)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < slot->depth; i++) {
        if (slot->running[i] != token) slot->running[kept++] = slot->running[i];
    }
    slot->depth = kept;
}

/* Ends the calls that a thread leaves behind, and gives its slot back. */
static void slot_give_back(struct slot *slot)
{
    while (slot->depth > 0) {
        uint64_t token = slot->running[--slot->depth];

        if (entry_is_alive(slot, token)) call_forget(token);
    }
    atomic_store_explicit(&slot->tid, 0, memory_order_release);
    index_stack_push(&hot.free_slots, slot_link, slot_index(slot));
}

/* Runs on the host's thread when it ends. */
static void on_thread_exit(void *value)
{
    struct slot *slot = slot_mine();

    (void)value;
    if (!slot) return;
    slot_face = (struct thread_face){ NULL, 0 };
    atomic_signal_fence(memory_order_seq_cst); /* our handler on this thread: no slot from here */
    slot_give_back(slot);
}

void slot_open(void)
{
    if (has_exit_key || pthread_key_create(&exit_key, on_thread_exit) != 0) return;
    if (exit_key >= KEYS_WITHOUT_ALLOCATION) {
        pthread_key_delete(exit_key);
        return;
    }
    has_exit_key = true;
}

static uint32_t slot_take_fresh(void)
{
    uint32_t count = atomic_load_explicit(&hot.slot_count, memory_order_relaxed);

    do {
        if (count >= THREADS_MAX) return INDEX_NONE;
    } while (!atomic_compare_exchange_weak_explicit(&hot.slot_count, &count, count + 1,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return count;
}

struct slot *slot_acquire(void)
{
    struct slot *slot = slot_mine();
    uint32_t index;

    if (slot) return slot;
    index = index_stack_pop(&hot.free_slots, slot_link);
    if (index == INDEX_NONE) index = slot_take_fresh();
    if (index == INDEX_NONE) return NULL;
    slot = &hot.slots[index];
    slot->depth = 0;
    atomic_store_explicit(&slot->thread_pointer, (uint64_t)(uintptr_t)__builtin_thread_pointer(),
                          memory_order_relaxed);
    atomic_store_explicit(&slot->tid, (uint32_t)syscall(SYS_gettid), memory_order_release);
    if (has_exit_key) pthread_setspecific(exit_key, slot);
    slot_face = (struct thread_face){ slot, hot.epoch };
    return slot;
}

bool thread_is_gone(uint32_t tid)
{
    return syscall(SYS_tgkill, (long)hot.pid, (long)tid, 0L) != 0 && errno == ESRCH;
}

void slot_sweep(void)
{
    uint32_t count = atomic_load_explicit(&hot.slot_count, memory_order_acquire);

    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = &hot.slots[i];
        uint32_t tid = atomic_load_explicit(&slot->tid, memory_order_acquire);

        if (tid == 0 || !thread_is_gone(tid)) continue;
        /* The destructor may have given the slot back while we asked; the dead do nothing more. */
        if (atomic_load_explicit(&slot->tid, memory_order_acquire) == tid) slot_give_back(slot);
    }
}

uint32_t slot_count_used(void)
{
    uint32_t count = atomic_load_explicit(&hot.slot_count, memory_order_acquire), used = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (atomic_load_explicit(&hot.slots[i].tid, memory_order_relaxed) != 0) used++;
    }
    return used;
}
