/* SPDX-License-Identifier: Apache-2.0 */
/* repair.h: makes good what our signal did to a system call of the host.
 *
 *     switch (repair_call(context, age, &call)) {
 *     case REPAIR_LEFT: ... count it: the host may see it ...
 *     case REPAIR_TRANSFER: ... transfer_begin() ...
 *     case REPAIR_REST: ... rest_begin() ...
 *
 * A thread that enters a system call just before our signal reaches it comes back from it with
 * -EINTR where SA_RESTART does not hold, or with a short count. Both are undone where that is
 * proven to be harmless, and nowhere else; the table in repair.c says where.
 *
 * Threads: async-signal-safe; called by our handler alone. */
#ifndef STAKEOUT_PROBE_HOT_REPAIR_H
#define STAKEOUT_PROBE_HOT_REPAIR_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

enum repair {
    REPAIR_NONE,      /* there was nothing to repair */
    REPAIR_RESTARTED, /* the call is made again when the handler returns */
    REPAIR_TRANSFER,  /* it wrote less than it was to: see transfer.h */
    REPAIR_REST,      /* the kernel knows how long it would have waited yet: see rest.h */
    REPAIR_LEFT,      /* the host may see EINTR, or a short count */
};

/* How long the call may have waited when our signal came. */
enum wait_age {
    WAIT_AGE_UNKNOWN, /* another signal may have ended it: it is not made again */
    WAIT_OLD,         /* any time */
    WAIT_WOKEN,       /* any time, but its thread did not sleep just before: it may have been woken
                       * in vain */
    WAIT_YOUNG,       /* its thread was seen outside just before: no longer than our signal took */
};

/* A system call as it was made. */
struct made_call {
    int32_t number;
    uint64_t arguments[6];
    uint64_t result; /* or -errno */
};

/* Of anything but REPAIR_NONE, *ret_call is the call; its number is -1 if that cannot be told. */
enum repair repair_call(ucontext_t *context, enum wait_age age, struct made_call *ret_call);

/* May a write to this descriptor be short for want of room alone? */
bool repair_is_nonblocking(uint64_t fd);

/* Is it of a kind whose age alone tells whether it may be made again? */
bool repair_asks_for_age(const struct made_call *call);

/* The number of the system call whose instruction ends `code`, which has `size` bytes; -1: it does
 * not say. */
int32_t repair_number(const unsigned char *code, uint32_t size);

#endif
