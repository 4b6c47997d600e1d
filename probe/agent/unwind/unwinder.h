/* SPDX-License-Identifier: Apache-2.0 */
/* unwinder.h: from registers and a copy of a stack to the addresses of its frames.
 *
 *     rc = unwinder_open(&unwinder);
 *     unwinder_refresh(unwinder);                    before a round of looks
 *     unwinder_walk(unwinder, &copy, &walk);
 *     unwinder_close(unwinder);
 *
 * It walks by tables of our own (unwind_tables.h), and by libunwind where they do not reach. It
 * runs on the sampler's thread, never on the host's, and reads nothing but the copy and the
 * segments of known modules, the latter without faulting. A frame that has no unwind information
 * ends the walk: nothing is guessed.
 *
 * Threads: one at a time. Limits: WALK_FRAMES_MAX frames. One in a process has tables; another one
 * walks by libunwind alone. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWINDER_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWINDER_H

#include "common/model/limits.h"
#include "probe/hot/stack_copy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct modules;
struct unwinder;

enum { WALK_FRAMES_MAX = STACK_COPY_SIZE_MAX / 16 }; /* a frame is at least 16 bytes */

/* A thread's registers and stack, at one moment. */
struct stack_view {
    const unsigned char *bytes;
    uint64_t base; /* the address of bytes[0] */
    uint64_t size;
    uint64_t registers[REGISTERS]; /* by DWARF number */
    uint32_t known;                /* bit n: registers[n] is known */
    uint64_t anchor_sp, anchor_pc; /* where the call's begin was called; 0: unknown */
};

#define REGISTERS_ALL   ((UINT32_C(1) << REGISTERS) - 1)
#define REGISTER_BIT(n) (UINT32_C(1) << (n))

struct walk_frame {
    uint64_t pc;       /* of a caller's frame: the return address less 1 */
    uint64_t function; /* where its unwind entry begins; 0: unknown */
};

struct walk {
    uint32_t count;
    bool is_complete;    /* the thread's outermost frame was reached */
    bool reached_begin;  /* the frame that called begin was passed */
    bool lacks_register; /* it ended for want of a register that is not known */
    bool ran_out;        /* it ended for want of stack that is not in the copy */
    uint64_t end_sp;     /* the stack pointer of the last frame */
    struct walk_frame frames[WALK_FRAMES_MAX]; /* innermost first */
};

/* Without libunwind on this machine, walks end where the tables do not reach. 0 or -ENOMEM. */
int unwinder_open(struct unwinder **ret);
bool unwinder_has_library(const struct unwinder *unwinder);
struct unwinder *unwinder_close(struct unwinder *unwinder); /* NULL is fine; returns NULL */

/* In a forked child, where the thread that builds tables is gone: before the next open, which has
 * the parent's tables then. */
void unwinder_forget(void);

/* Looks whether modules or tables came or went. The list lives as long as the unwinder. */
void unwinder_refresh(struct unwinder *unwinder);

/* How often something was unloaded, as of the last refresh. What a stack names is what lies there
 * when it is walked: so the number is taken before the stack is, and the walk is true if
 * unwinder_stands(), which refreshes, finds it unchanged behind it. */
uint64_t unwinder_unloads(const struct unwinder *unwinder);
bool unwinder_stands(struct unwinder *unwinder, uint64_t unloads);
const struct modules *unwinder_modules(const struct unwinder *unwinder);

/* Fills *ret. The innermost frame is always there, even where nothing else is known. */
void unwinder_walk(struct unwinder *unwinder, const struct stack_view *view, struct walk *ret);

/* Where the unwind entry that holds an address begins; 0: there is none. */
uint64_t unwinder_function(struct unwinder *unwinder, uint64_t pc);

/* Where the code that the entry is about has ended, at the latest; 0: nothing tells. */
uint64_t unwinder_function_end(const struct unwinder *unwinder, uint64_t pc);

/* Reads bytes of a known module, from the pages that the unwinder keeps. False: not all of them are
 * readable, or they are of no known module. */
bool unwinder_read(struct unwinder *unwinder, uint64_t address, void *ret, size_t size);

uint64_t unwinder_size(const struct unwinder *unwinder); /* bytes held */

/* CPU time of the threads that built tables, in this process. */
uint64_t unwinder_cpu_ns(void);

#endif
