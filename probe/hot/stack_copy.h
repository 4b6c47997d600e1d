/* SPDX-License-Identifier: Apache-2.0 */
/* stack_copy.h: a running thread's registers and stack, copied by itself in our signal handler.
 *
 *     rc = stack_copy_request(&(struct loan_order){ ... })       the number of a loan, or -errno
 *     ... sleep a little ...
 *     if (loan_is_back(rc)) use hot.loans[rc], then loan_return(rc)
 *     ... or, much later: loan_write_off(rc)
 *
 * A loan lends one buffer to one handler:
 *
 *     FREE --request--> LENT --handler--> COPYING --handler--> BACK --return--> FREE
 *                        |                |
 *                        +---write off----+--> LOST --handler, or the thread is gone--> FREE
 *
 * A visit is a loan to a thread that runs no call: it holds a lock for which a call waits. Its
 * handler asks the lock whether that is so; while it is in the handler it cannot change.
 *
 * The handler checks the cookie (loan and sequence), and that the call still runs on this thread,
 * before and after it copies. No lock, no allocation, no unwinding there; its one system call reads
 * the thread's CPU clock, which nobody else can read for that moment: what the thread did between
 * its copy and the sampler's look at it is not known later. That is half of its work, and left out
 * where the order says that the thread was on a CPU some microseconds ago, and when. A system call
 * of the host that the signal met is repaired (repair.h); what cannot be is counted in
 * hot.interrupted.
 *
 * Threads: the sampler's; the handler runs on the host's. */
#ifndef STAKEOUT_PROBE_HOT_STACK_COPY_H
#define STAKEOUT_PROBE_HOT_STACK_COPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* The registers that unwinding needs, in the order of the processor's ABI (DWARF numbers). Those
 * that have no name here lie between the others. */
enum {
    REGISTER_RAX = 0,
    REGISTER_RDX = 1,
    REGISTER_RSI = 4,
    REGISTER_RDI = 5,
    REGISTER_RBP = 6,
    REGISTER_RSP = 7,
    REGISTER_R8 = 8,
    REGISTER_R9 = 9,
    REGISTER_R10 = 10,
    REGISTER_RIP = 16,
    REGISTERS = 17,
};

enum { INTERRUPTION_ACCOUNTS = 256 }; /* as many as there are tasks */

enum loan_status { LOAN_FREE, LOAN_LENT, LOAN_COPYING, LOAN_BACK, LOAN_LOST };

enum loan_outcome {
    LOAN_COPIED,
    LOAN_CALL_ENDED,   /* it returned before the signal landed, or moved; the lock was given up */
    LOAN_STACK_BOUNDS, /* the stack pointer was outside of [low, high) */
};

struct loan_order {
    uint32_t tid, slot; /* of the thread */
    uint32_t record;    /* of the call; INDEX_NONE: a visit, of any thread that holds a lock, */
    uint64_t state;     /* and the state that it must be in */
    uint64_t low, high; /* the stack's bounds: nothing else is read */
    bool stack_is_own;  /* the thread's own: mapped as long as it lives. Another is read warily */
    uint32_t account;   /* index into hot.interrupted */
    bool may_repair;    /* the thread did not block our signal just before: what it met, it did */
    /* A call that the signal meets is young (repair.h) if the thread was seen running just before,
     * at seen_ticks, and was not only woken; and if it is not the wait that the thread was in
     * before, of which these are the registers; 0: none is known, or it has left it. */
    bool was_running, was_awake;
    uint64_t seen_ticks, old_pc, old_sp;
    /* The thread's CPU clock read clock_ns at clock_ticks, and the thread was on a CPU then. Who
     * comes soon after need not read it again. 0: it was not, or that is not known. */
    uint64_t clock_ticks, clock_ns;
    /* Of a visit: the address at which the lock names its owner, and the thread's own pointer,
     * which says that the bounds are of its stack (0: they are not known yet). */
    uint64_t lock_owner_at, thread_pointer;
};

struct loan {
    _Alignas(64) _Atomic uint32_t status;
    _Atomic uint32_t sequence;   /* rises with each request; the sampler's */
    _Atomic uint32_t account;    /* the order's, also for a handler that comes after its loan */
    _Atomic uint32_t tid;        /* likewise, for one that looks for its own among all loans */
    struct loan_order order;     /* written before LENT */
    _Atomic uint64_t sent_ticks; /* when the signal had been sent; 0: not yet */
    enum loan_outcome outcome;
    uint64_t taken_ticks; /* when the copy was made */
    uint64_t cpu_ns;      /* the thread's CPU clock then */
    bool is_made_again;   /* the call that it met is made again, or goes on, */
    bool was_young;       /* for no other reason than its age */
    uint64_t pause_ticks; /* how long the handler took */
    uint64_t base;        /* the address of stack_bytes[0] */
    uint32_t size;        /* bytes copied, from `base` up */
    uint64_t registers[REGISTERS];
    uint64_t thread_pointer; /* of a visit, as are the registers also if nothing was copied */
};

/* What a copy is charged with. A thread that lost its CPU in the handler's midst waited for it
 * there as it would have elsewhere: more than this, about 0.2 ms, no copy takes. */
#define LOAN_CHARGE_TICKS_MAX ((uint64_t)1 << 19)

static inline uint64_t loan_charge_ticks(const struct loan *loan)
{
    return loan->pause_ticks < LOAN_CHARGE_TICKS_MAX ? loan->pause_ticks : LOAN_CHARGE_TICKS_MAX;
}

/* The registers of an interrupted thread. Async-signal-safe. */
void stack_copy_registers(const ucontext_t *context, uint64_t ret[REGISTERS]);

/* The signal that we use; 0: none yet. Async-signal-safe. */
int stack_copy_signal(void);

/* Installs the handler, in front of the host's if there is one. Called again: does nothing while
 * ours is in place, and returns -EBUSY if another one took its place since. */
int stack_copy_open(int signal_number);

/* Is the handler still ours? */
bool stack_copy_is_open(void);

/* Lends a buffer and sends the signal. Returns the loan's index; -ENOBUFS: all are lent;
 * -EALREADY: a signal to this thread is under way; -ETIMEDOUT: one that was written off may still
 * be; -EBUSY: the handler is not ours any more;
 * -ESRCH: the thread is gone; -EAGAIN: the kernel took no signal. */
int stack_copy_request(const struct loan_order *order);

bool loan_is_back(int loan);
void loan_return(int loan);
void loan_write_off(int loan);
uint32_t loan_count_lost(void);
uint32_t loan_count_free(void);

/* Was its thread seen running so shortly before that what the handler met began since then, and had
 * not waited for longer when the signal was sent? Async-signal-safe. */
bool loan_saw_running(const struct loan *loan);

/* The bytes of a loan that is back. */
const unsigned char *loan_bytes(int loan);

#endif
