/* SPDX-License-Identifier: Apache-2.0 */
/* blocked.h: what a thread that sleeps in the kernel says of itself, without being disturbed.
 *
 *     blocked_parse(line of /proc/self/task/TID/syscall, &wait)     0: it is blocked
 *     ... read its stack from wait.sp, walk it ...
 *     blocked_describe(&names, &wait, &walk, &ret)                  on what it waits
 *
 * Threads: any; the functions share nothing but the loader's symbols, looked up once by
 * blocked_open(); without it waits for locks are futex waits. */
#ifndef STAKEOUT_PROBE_AGENT_LOOK_BLOCKED_H
#define STAKEOUT_PROBE_AGENT_LOOK_BLOCKED_H

#include "common/model/sample.h"
#include "probe/agent/look/lock_owner.h"
#include "probe/agent/unwind/unwinder.h"

enum { WAITING_FOR_SIZE_MAX = 256 };

struct wait_view {
    int32_t syscall; /* SYSCALL_NONE: blocked elsewhere, as a rule in a page fault */
    uint64_t arguments[6];
    uint64_t sp, pc;
};

/* Asks the loader for the C library's functions that wait; where it is kept busy, they are known
 * later, and in a static program never. One thread at a time. */
void blocked_open(void);

/* Reads a line of the file. 0; -EAGAIN: the thread runs, or could; -EINVAL: not such a line. */
int blocked_parse(const char *line, struct wait_view *ret);

struct descriptor_names;

struct blocked_names {
    void *context;
    size_t (*name_data)(void *context, uint64_t address, char *ret, size_t ret_size); /* or NULL */
    const struct descriptor_names *descriptors;                                       /* or NULL */
    uint32_t tid;
};

struct wait_account {
    enum wait_kind kind;
    char waiting_for[WAITING_FOR_SIZE_MAX]; /* "mutex cart_lock"; "": nothing to say */
    enum lock_family lock;                  /* what it is, where it may have an owner */
};

/* Tells on what a blocked thread waits, by its system call, its arguments, and, where several
 * things wait by one call, the innermost frames. */
void blocked_describe(const struct blocked_names *names, const struct wait_view *wait,
                      const struct walk *walk, struct wait_account *ret);

#endif
