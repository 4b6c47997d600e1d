/* SPDX-License-Identifier: Apache-2.0 */
/* stack_copy.c: the signal handler, and the loans that it works on.
 *
 * INVARIANTS
 *
 * (1) A buffer is lent to at most one thread. Only the handler of that thread gives it back; or the
 *     sampler, when the thread no longer exists. A loan that was written off is lost until then,
 *     because the signal may still be pending, and may still land.
 * (2) The handler reads the host's memory between the stack pointer and `high` alone, and only if
 *     the stack pointer lies within [low, high). A thread's own stack is mapped as long as the
 *     thread lives. Of another (a coroutine's) only the mapping is known, which the kernel may have
 *     merged with a neighbour that is freed at this moment: the kernel reads it, and cannot fault.
 * (3) A signal that is not ours goes to the handler that was there before. A handler that was put
 *     in our place later is never replaced: then we send no more.
 * (4) The kernel makes one of two signals that are pending for a thread. So whichever comes serves
 *     the thread's loan, also one of the host's; but only one of ours repairs what it met, and
 *     calls young what the order of the loan that it served says.
 *
 * The copy is made by one string instruction: it is not instrumented by sanitizers, which would
 * object to reading the redzones of somebody else's frames, and it calls nothing. */
#include "probe/hot/stack_copy.h"

#include "common/base/clock.h"
#include "probe/hot/index_stack.h"
#include "probe/hot/memory.h"
#include "probe/hot/rest.h"
#include "probe/hot/ticks.h"
#include "probe/hot/transfer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    RED_ZONE_SIZE = 128,         /* below the stack pointer, yet in use: the ABI's */
    COOKIE_MAGIC = 0x57a,        /* beside the sequence: chance does not make it */
    CLOCK_HOLDS_NS = 40000,      /* a signal takes 5 to 20 us */
    YOUNG_NS = 10000000,         /* from the look to the signal: 20 us, or our wait for a CPU */
    QUEUED_NS = 1000000000,      /* and to the handler: the thread's */
    HANDLER_FRAMES_SIZE = 16384, /* between the kernel's frame and ours: a sanitizer's, at most */
};

static struct sigaction previous;    /* the host's; written before ours is installed */
static _Atomic int installed_signal; /* 0: never installed. Outlives forks, as handlers do */

/* ucontext's places of the registers, by DWARF number. */
static const int register_places[REGISTERS] = {
    REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
    REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

static uint64_t cookie_make(uint32_t loan, uint32_t sequence)
{
    return (uint64_t)COOKIE_MAGIC << 52 | (uint64_t)loan << 32 | sequence;
}

static uint64_t cookie_of(const siginfo_t *info)
{
    return (uint64_t)(uintptr_t)info->si_value.sival_ptr;
}

static uint32_t cookie_loan(uint64_t cookie)
{
    return (uint32_t)(cookie >> 32) & 0xfffff;
}

static bool is_ours(const siginfo_t *info)
{
    uint64_t cookie = cookie_of(info);

    if (info->si_code != SI_QUEUE || (uint32_t)info->si_pid != hot.pid || hot.pid == 0)
        return false;
    return cookie >> 52 == COOKIE_MAGIC && cookie_loan(cookie) < STACK_COPIES_MAX;
}

/* The loan that was lent with this very signal, if it was not written off long ago. */
static struct loan *loan_of_cookie(uint64_t cookie)
{
    struct loan *loan = &hot.loans[cookie_loan(cookie)];
    uint32_t sequence = atomic_load_explicit(&loan->sequence, memory_order_relaxed);

    return cookie == cookie_make(cookie_loan(cookie), sequence) ? loan : NULL;
}

/* The loan that waits for this thread, whatever signal woke it. */
static struct loan *loan_of_thread(void)
{
    struct slot *slot = slot_mine();
    uint32_t tid = slot ? atomic_load_explicit(&slot->tid, memory_order_relaxed) : 0;

    for (int i = 0; i < STACK_COPIES_MAX && tid != 0; i++) {
        struct loan *loan = &hot.loans[i];
        uint32_t status = atomic_load_explicit(&loan->status, memory_order_acquire);

        if ((status == LOAN_LENT || status == LOAN_LOST) &&
            atomic_load_explicit(&loan->tid, memory_order_relaxed) == tid)
            return loan;
    }
    return NULL;
}

static void bytes_copy(void *to, const void *from, size_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

void stack_copy_registers(const ucontext_t *context, uint64_t ret[REGISTERS])
{
    for (int i = 0; i < REGISTERS; i++) {
        ret[i] = (uint64_t)context->uc_mcontext.gregs[register_places[i]];
    }
}

int stack_copy_signal(void)
{
    return atomic_load_explicit(&installed_signal, memory_order_relaxed);
}

static bool call_runs_here(const struct loan_order *order)
{
    struct slot *slot = slot_mine();

    return slot && slot_index(slot) == order->slot &&
           atomic_load_explicit(&hot.records[order->record].state, memory_order_acquire) ==
               order->state;
}

/* Is the thread, which is in our handler, the owner of the lock? The lock may be gone for long, its
 * memory unmapped: so the kernel reads the word, which cannot fault. */
static bool lock_is_held(const struct loan_order *order)
{
    uint32_t tid = 0;

    return memory_read(order->lock_owner_at, &tid, sizeof tid) == sizeof tid && tid == order->tid;
}

static bool order_holds(const struct loan_order *order)
{
    return order->record == INDEX_NONE ? lock_is_held(order) : call_runs_here(order);
}

/* Is the stack the one of which the order has the bounds? */
static bool order_knows_stack(const struct loan_order *order, uint64_t sp, uint64_t thread_pointer)
{
    if (order->record == INDEX_NONE && order->thread_pointer != thread_pointer) return false;
    return sp >= order->low && sp < order->high;
}

/* Copies `size` bytes of a stack; returns how many. One that is not the thread's own may be
 * unmapped by any other thread at this moment, from above: so the kernel reads it, and stops at a
 * hole. */
static uint64_t stack_read(const struct loan_order *order, void *to, uint64_t base, uint64_t size)
{
    if (!order->stack_is_own) return memory_read(base, to, size);
    bytes_copy(to, (const void *)(uintptr_t)base, (size_t)size);
    return size;
}

static enum loan_outcome loan_fill(struct loan *loan, const ucontext_t *context)
{
    const struct loan_order *order = &loan->order;
    uint64_t sp = (uint64_t)context->uc_mcontext.gregs[REG_RSP];
    uint64_t base, size;

    loan->thread_pointer = (uint64_t)(uintptr_t)__builtin_thread_pointer();
    if (!order_holds(order)) return LOAN_CALL_ENDED;
    stack_copy_registers(context, loan->registers);
    if (!order_knows_stack(order, sp, loan->thread_pointer)) return LOAN_STACK_BOUNDS;
    base = sp - order->low >= RED_ZONE_SIZE ? sp - RED_ZONE_SIZE : order->low;
    size = order->high - base;
    if (size > STACK_COPY_SIZE_MAX) size = STACK_COPY_SIZE_MAX;
    size = stack_read(order, hot.stack_bytes[loan - hot.loans], base, size);
    if (size == 0) return LOAN_STACK_BOUNDS;
    loan->base = base;
    loan->size = (uint32_t)size;
    /* A lock cannot be given up meanwhile, by a thread that is in here. */
    return order->record == INDEX_NONE || call_runs_here(order) ? LOAN_COPIED : LOAN_CALL_ENDED;
}

/* The thread's CPU clock when the handler was entered. A thread that was on a CPU just before has
 * used the time since then: if others had it in between, that is an error of so much at most, once,
 * because the next reading of the clock does not build on this one. */
static uint64_t clock_when_entered(const struct loan_order *order, uint64_t entered_ticks)
{
    uint64_t since_ns = ticks_to_ns(entered_ticks - order->clock_ticks);

    if (order->clock_ns != 0 && entered_ticks > order->clock_ticks && since_ns < CLOCK_HOLDS_NS)
        return order->clock_ns + since_ns;
    return clock_thread_cpu_ns();
}

/* Fills the loan, if it still waits for that. */
static bool loan_serve(struct loan *loan, const ucontext_t *context, uint64_t entered_ticks)
{
    uint32_t status = LOAN_LENT;

    if (!atomic_compare_exchange_strong_explicit(&loan->status, &status, LOAN_COPYING,
                                                 memory_order_acquire, memory_order_relaxed))
        return false;
    loan->taken_ticks = entered_ticks;
    loan->is_made_again = loan->was_young = false;
    loan->cpu_ns = clock_when_entered(&loan->order, entered_ticks);
    loan->outcome = loan_fill(loan, context);
    return true;
}

/* Gives the loan back; or finds it lost, and frees it. */
static void loan_give_back(struct loan *loan, bool is_served, uint64_t entered_ticks)
{
    uint32_t status = LOAN_COPYING;

    if (is_served) {
        loan->pause_ticks = ticks_now() - entered_ticks;
        atomic_fetch_add_explicit(&hot.handler_ticks, loan_charge_ticks(loan),
                                  memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&loan->status, &status, LOAN_BACK,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
    status = LOAN_LOST;
    atomic_compare_exchange_strong_explicit(&loan->status, &status, LOAN_FREE, memory_order_release,
                                            memory_order_relaxed);
}

/* Is this what the kernel will return by, or a copy that somebody who stands between made? */
static bool is_live(const void *context)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), there = (uintptr_t)context;

    return there > here && there - here < HANDLER_FRAMES_SIZE;
}

static bool is_within(uint64_t from_ticks, uint64_t to_ticks, uint64_t ns)
{
    uint64_t passed = to_ticks - from_ticks;

    /* Clocks of two cores may differ by a few ticks either way. */
    return (int64_t)passed <= 0 || ticks_to_ns(passed) <= ns;
}

/* The sampler may have lost its CPU between its look and the signal. What is late after that is the
 * thread's own wait for one. */
bool loan_saw_running(const struct loan *loan)
{
    uint64_t seen = loan->order.seen_ticks, taken = loan->taken_ticks;
    uint64_t sent = atomic_load_explicit(&loan->sent_ticks, memory_order_relaxed);

    if (!loan->order.was_running) return false;
    if (is_within(seen, taken, YOUNG_NS)) return true;
    return sent != 0 && is_within(seen, sent, YOUNG_NS) && is_within(sent, taken, QUEUED_NS);
}

/* A thread that is woken in vain runs, and sleeps on in the same call. So it seems with one that
 * makes the call again in a loop. */
static bool is_old_wait(const struct loan_order *order, const ucontext_t *context)
{
    return (uint64_t)context->uc_mcontext.gregs[REG_RIP] == order->old_pc &&
           (uint64_t)context->uc_mcontext.gregs[REG_RSP] == order->old_sp;
}

/* `served`: the loan that this handler works on, whose order nobody changes meanwhile; or NULL. */
static enum wait_age wait_age_of(const struct loan *served, const ucontext_t *context)
{
    if (!served || !served->order.may_repair) return WAIT_AGE_UNKNOWN;
    if (!loan_saw_running(served)) return WAIT_OLD;
    if (!served->order.was_awake || is_old_wait(&served->order, context)) return WAIT_WOKEN;
    return WAIT_YOUNG;
}

/* The host's own handler of our signal is to run when it comes; it could not while ours waits. */
static bool host_has_handler(void)
{
    return (previous.sa_flags & SA_SIGINFO) ||
           (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN);
}

/* What is left of a call that is to be brought to its end here. */
struct mending {
    enum repair repair;
    struct made_call call;
    struct unfinished *unfinished; /* NULL: nothing is */
};

static void mending_begin(struct mending *mending, const struct loan *served,
                          const ucontext_t *context)
{
    if (!unfinished_has_stack(context, served ? served->order.low : 0)) return;
    if (mending->repair == REPAIR_TRANSFER)
        mending->unfinished = transfer_begin(&mending->call, context);
    if (mending->repair == REPAIR_REST && !host_has_handler())
        mending->unfinished = rest_begin(&mending->call, context);
}

static void mending_end(const struct mending *mending, ucontext_t *context)
{
    if (mending->repair == REPAIR_TRANSFER) {
        transfer_complete(mending->unfinished, &mending->call, context);
    } else {
        rest_wait(mending->unfinished, context);
    }
}

static void call_count(uint64_t cookie)
{
    /* Of a loan that is not its own any more it is another's account: a count all the same. */
    uint32_t account =
        atomic_load_explicit(&hot.loans[cookie_loan(cookie)].account, memory_order_relaxed);

    atomic_fetch_add_explicit(&hot.interrupted[account % INTERRUPTION_ACCOUNTS], 1,
                              memory_order_relaxed);
}

/* Repairs the call that our signal met, or counts it. */
static void call_mend(uint64_t cookie, struct loan *served, ucontext_t *context,
                      struct mending *ret)
{
    bool is_made_again;

    ret->repair = is_live(context) ? repair_call(context, wait_age_of(served, context), &ret->call)
                                   : REPAIR_LEFT;
    if (ret->repair == REPAIR_NONE) return;
    if (ret->repair != REPAIR_LEFT) mending_begin(ret, served, context);
    is_made_again =
        ret->repair == REPAIR_RESTARTED || (ret->unfinished && ret->repair == REPAIR_REST);
    if (served) {
        served->is_made_again = is_made_again;
        served->was_young = is_made_again && repair_asks_for_age(&ret->call);
    }
    if (!ret->unfinished && !is_made_again) call_count(cookie);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    uint64_t entered_ticks = ticks_now();
    int error = errno;
    bool for_us = is_ours(info), is_served = false;
    struct loan *loan = for_us ? loan_of_cookie(cookie_of(info)) : NULL;
    struct mending mending = { .repair = REPAIR_NONE };

    if (!loan) loan = loan_of_thread();
    if (loan) is_served = loan_serve(loan, context, entered_ticks);
    if (for_us) call_mend(cookie_of(info), is_served ? loan : NULL, context, &mending);
    if (loan) loan_give_back(loan, is_served, entered_ticks);
    if (mending.unfinished) mending_end(&mending, context);
    if (atomic_load_explicit(&hot.has_left_files, memory_order_relaxed)) transfer_close_left();
    if (!for_us) pass_on(number, info, context);
    errno = error;
}

bool stack_copy_is_open(void)
{
    struct sigaction now;
    int number = atomic_load_explicit(&installed_signal, memory_order_relaxed);

    if (number == 0 || sigaction(number, NULL, &now) != 0) return false;
    return (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_signal;
}

int stack_copy_open(int signal_number)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };

    if (stack_copy_is_open()) return 0;
    if (atomic_load_explicit(&installed_signal, memory_order_relaxed) == signal_number)
        return -EBUSY;
    action.sa_sigaction = on_signal;
    sigfillset(&action.sa_mask);
    if (sigaction(signal_number, NULL, &previous) != 0) return -errno;
    if (sigaction(signal_number, &action, NULL) != 0) return -errno;
    atomic_store_explicit(&installed_signal, signal_number, memory_order_relaxed);
    return 0;
}

static int signal_send(uint32_t tid, uint64_t cookie)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_signo = atomic_load_explicit(&installed_signal, memory_order_relaxed);
    info.si_code = SI_QUEUE;
    info.si_pid = (pid_t)hot.pid;
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)(uintptr_t)cookie;
    if (syscall(SYS_rt_tgsigqueueinfo, (long)hot.pid, (long)tid, (long)info.si_signo, &info) != 0)
        return -errno;
    return 0;
}

/* A loan for a thread: one that is free, or was lost to a thread that no longer exists. While a
 * signal to the thread is under way, a second one would be merged with it by the kernel. */
static int loan_find(uint32_t tid)
{
    int found = -ENOBUFS;

    for (int i = 0; i < STACK_COPIES_MAX; i++) {
        struct loan *loan = &hot.loans[i];
        uint32_t status = atomic_load_explicit(&loan->status, memory_order_acquire);

        if (status == LOAN_LOST && thread_is_gone(loan->order.tid)) status = LOAN_FREE;
        if (status == LOAN_FREE) {
            found = i;
        } else if (status != LOAN_BACK && loan->order.tid == tid) {
            return status == LOAN_LOST ? -ETIMEDOUT : -EALREADY;
        }
    }
    return found;
}

int stack_copy_request(const struct loan_order *order)
{
    int index = loan_find(order->tid), rc;
    uint32_t sequence;
    struct loan *loan;

    if (index < 0) return index;
    if (!stack_copy_is_open()) return -EBUSY;
    loan = &hot.loans[index];
    sequence = atomic_load_explicit(&loan->sequence, memory_order_relaxed) + 1;
    atomic_store_explicit(&loan->sequence, sequence, memory_order_relaxed);
    atomic_store_explicit(&loan->account, order->account, memory_order_relaxed);
    atomic_store_explicit(&loan->tid, order->tid, memory_order_relaxed);
    atomic_store_explicit(&loan->sent_ticks, 0, memory_order_relaxed);
    loan->order = *order;
    atomic_store_explicit(&loan->status, LOAN_LENT, memory_order_release);
    rc = signal_send(order->tid, cookie_make((uint32_t)index, sequence));
    if (rc < 0) {
        atomic_store_explicit(&loan->status, LOAN_FREE, memory_order_relaxed);
        return rc;
    }
    atomic_store_explicit(&loan->sent_ticks, ticks_now(), memory_order_relaxed);
    return index;
}

bool loan_is_back(int loan)
{
    return atomic_load_explicit(&hot.loans[loan].status, memory_order_acquire) == LOAN_BACK;
}

void loan_return(int loan)
{
    atomic_store_explicit(&hot.loans[loan].status, LOAN_FREE, memory_order_release);
}

void loan_write_off(int loan)
{
    uint32_t status = LOAN_LENT;

    /* Also while the handler is at it: what nobody waits for, it gives back itself. */
    while (status == LOAN_LENT || status == LOAN_COPYING) {
        if (atomic_compare_exchange_weak_explicit(&hot.loans[loan].status, &status, LOAN_LOST,
                                                  memory_order_acq_rel, memory_order_relaxed))
            return;
    }
    if (status == LOAN_BACK) loan_return(loan);
}

static uint32_t loan_count(enum loan_status status)
{
    uint32_t count = 0;

    for (int i = 0; i < STACK_COPIES_MAX; i++) {
        if (atomic_load_explicit(&hot.loans[i].status, memory_order_relaxed) == status) count++;
    }
    return count;
}

uint32_t loan_count_lost(void)
{
    return loan_count(LOAN_LOST);
}

uint32_t loan_count_free(void)
{
    return loan_count(LOAN_FREE);
}

const unsigned char *loan_bytes(int loan)
{
    return hot.stack_bytes[loan];
}
