/* SPDX-License-Identifier: Apache-2.0 */
/* lock_owner.h: where the C library writes down who holds a mutex or a read-write lock.
 *
 *     at = lock_owner_at(LOCK_MUTEX, &wait)        0: nobody can tell
 *     tid = lock_owner_read(at)                    0: nobody holds it, or only readers do
 *
 * The places are glibc's own and no interface. So they are proven before they are used: at the
 * first question locks of each kind are taken and looked at. Where one is not found as it should be
 * (another C library, another version, an interposer), that family of locks has no owners.
 *
 * What is read is what a lock says of itself. Whether that number is a thread of ours, and what it
 * is doing, is lock_watch.h's.
 *
 * Threads: any, but never one of the host's. */
#ifndef STAKEOUT_PROBE_AGENT_LOOK_LOCK_OWNER_H
#define STAKEOUT_PROBE_AGENT_LOOK_LOCK_OWNER_H

#include <stdbool.h>
#include <stdint.h>

struct wait_view;

enum lock_family {
    LOCK_NONE,  /* what has no owner: a condition, a semaphore, a join, some futex */
    LOCK_MUTEX, /* normal, recursive, error-checking, adaptive, robust, priority-inheriting */
    LOCK_RWLOCK /* its writer; readers are not written down */
};

/* Are the owners of this family where we look for them? */
bool lock_owner_is_proven(enum lock_family family);

/* The address of the owner's thread id, of the lock for which a thread waits in futex(); 0: the
 * family has none, or is not proven. */
uint64_t lock_owner_at(enum lock_family family, const struct wait_view *wait);

/* Is this the word of a mutex whose owner the kernel knows, too (robust, priority-inheriting)?
 * There the owner is in the word itself, and the C library has the same one at its usual place. */
bool lock_owner_is_in_word(uint64_t futex);

/* What is there now; 0 also where it cannot be read. */
uint32_t lock_owner_read(uint64_t at);

#endif
