/* SPDX-License-Identifier: Apache-2.0 */
/* lock_owner.c: the layout of glibc's locks, and its proof.
 *
 *     mutex     0 lock   4 count   8 owner   12 users   16 kind
 *     rwlock    0 readers   4 writers   8 phase   12 writers' futex   ...   24 writer
 *
 * The owner is written after a lock was taken and erased before it is given up: so whoever is there
 * holds it. A waiter sleeps on the lock word of a mutex. Of a read-write lock readers sleep on the
 * phase, or on the readers' word while a writer is preferred; writers on the phase or on their own.
 * All of these lie in the first sixteen bytes of a struct that is aligned to eight, hence
 *
 *     on 8 (phase) or 12 (writers):   writer at (futex & -8) + 16
 *     on 0 (readers):                 the same sum gives 16, padding, which is 0: readers hold it
 *
 * A wait that begins in pthread_cond_wait() is for the condition, until it is signalled: then the
 * mutex is taken again (blocked.c tells the two apart by the futex operation). */
#include "probe/agent/look/lock_owner.h"

#include "probe/agent/look/blocked.h"
#include "probe/agent/unwind/self_memory.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MUTEX_OWNER = 8, FUTEX_ALIGNMENT = 8, WRITER_BEHIND = 16, RWLOCK_PHASE = 8 };

uint32_t lock_owner_read(uint64_t at)
{
    uint32_t tid = 0;

    return at != 0 && self_read(at, &tid, sizeof tid) == sizeof tid ? tid : 0;
}

bool lock_owner_is_in_word(uint64_t futex)
{
    uint32_t tid = lock_owner_read(futex) & FUTEX_TID_MASK;

    return tid != 0 && lock_owner_read(futex + MUTEX_OWNER) == tid;
}

static uint64_t owner_place(enum lock_family family, uint64_t futex)
{
    switch (family) {
    case LOCK_MUTEX:
        return futex + MUTEX_OWNER;
    case LOCK_RWLOCK:
        return (futex & ~(uint64_t)(FUTEX_ALIGNMENT - 1)) + WRITER_BEHIND;
    default:
        return 0;
    }
}

/* ---- the proof ---- */

static bool is_owner_found(enum lock_family family, uint64_t futex, uint32_t tid)
{
    return lock_owner_read(owner_place(family, futex)) == tid;
}

/* Takes and gives back a mutex that `kind`, `protocol` and `robust` make. */
static bool mutex_prove(int kind, int protocol, int robust)
{
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    pthread_mutexattr_t attributes;
    pthread_mutex_t mutex;
    bool found = false;

    if (pthread_mutexattr_init(&attributes) != 0) return false;
    pthread_mutexattr_settype(&attributes, kind);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutexattr_setrobust(&attributes, robust);
    if (pthread_mutex_init(&mutex, &attributes) == 0) {
        if (pthread_mutex_lock(&mutex) == 0) {
            found = is_owner_found(LOCK_MUTEX, (uint64_t)(uintptr_t)&mutex, tid);
            pthread_mutex_unlock(&mutex);
            found &= is_owner_found(LOCK_MUTEX, (uint64_t)(uintptr_t)&mutex, 0);
        }
        pthread_mutex_destroy(&mutex);
    }
    pthread_mutexattr_destroy(&attributes);
    return found;
}

static bool mutexes_prove(void)
{
    static const int kinds[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                 PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!mutex_prove(kinds[i], PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED)) return false;
    }
    return mutex_prove(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED) &&
           mutex_prove(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
}

static bool rwlocks_prove(void)
{
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    uint64_t at = (uint64_t)(uintptr_t)&lock;
    bool found;

    if (pthread_rwlock_wrlock(&lock) != 0) return false;
    found =
        is_owner_found(LOCK_RWLOCK, at + RWLOCK_PHASE, tid) && is_owner_found(LOCK_RWLOCK, at, 0);
    pthread_rwlock_unlock(&lock);
    if (pthread_rwlock_rdlock(&lock) != 0) return false;
    found &= is_owner_found(LOCK_RWLOCK, at + RWLOCK_PHASE, 0);
    pthread_rwlock_unlock(&lock);
    pthread_rwlock_destroy(&lock);
    return found;
}

bool lock_owner_is_proven(enum lock_family family)
{
    enum { UNKNOWN, PROVEN, REFUTED };
    static _Atomic int mutexes, rwlocks; /* asked twice at once, both answers are the same */
    _Atomic int *known = family == LOCK_RWLOCK ? &rwlocks : &mutexes;
    int now = atomic_load_explicit(known, memory_order_relaxed);

    if (family == LOCK_NONE) return false;
    if (now == UNKNOWN) {
        now = (family == LOCK_RWLOCK ? rwlocks_prove() : mutexes_prove()) ? PROVEN : REFUTED;
        atomic_store_explicit(known, now, memory_order_relaxed);
    }
    return now == PROVEN;
}

uint64_t lock_owner_at(enum lock_family family, const struct wait_view *wait)
{
    if (wait->syscall != SYS_futex || !lock_owner_is_proven(family)) return 0;
    return owner_place(family, wait->arguments[0]);
}
