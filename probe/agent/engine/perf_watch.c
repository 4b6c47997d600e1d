/* SPDX-License-Identifier: Apache-2.0 */
/* perf_watch.c: which call has which event, and when it fires.
 *
 * An event is open only while its call is listened to: a thread that has one pays a little at each
 * switch of its CPU, too.
 *
 * INVARIANTS
 *
 * (1) No system call is made at which a filter kills, as far as that is known (base/filters.h).
 * (2) Events are opened in a descriptor table of our own alone. In the host's, what we hold may be
 *     closed under us, and its number be something of the host's.
 * (3) A place is one watch's: watch->place points to it, and frees it. */
#include "probe/agent/engine/perf_watch.h"

#include "probe/agent/base/filters.h"
#include "probe/agent/look/perf_proof.h"
#include "probe/agent/unwind/self_memory.h"
#include "probe/hot/ticks.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PPM = 1000000,
    RED_ZONE_SIZE = 128, /* below the stack pointer, yet in use: the ABI's */
    EPILOGUE_SIZE = 16,  /* up to six pops of two bytes, and the return */
};

static_assert(RED_ZONE_SIZE + PERF_STACK_LARGE <= STACK_COPY_SIZE_MAX, "room for both");

#define CHANGE_PART 4 /* a period that is off by less than a quarter stays */

void perf_engine_open(struct perf_engine *perf, enum sampler_engine choice, bool has_own_table)
{
    memset(perf, 0, sizeof *perf);
    perf->choice = choice;
    if (choice != SAMPLER_ENGINE_SIGNAL && !has_own_table) perf->refusal = -EBADF;
}

void perf_engine_close(struct perf_engine *perf)
{
    for (int i = 0; i < PERF_EVENTS_MAX; i++) {
        perf_event_close(&perf->places[i].event);
    }
    perf->is_on = false;
}

static bool is_filtered(void)
{
    return !filters_allow(TRIED_perf_event_open) || !filters_allow(TRIED_ioctl);
}

void perf_engine_prove(struct perf_engine *perf, unsigned char *bytes, size_t size)
{
    int rc = perf->refusal;

    if (perf->choice == SAMPLER_ENGINE_SIGNAL) return;
    if (rc == 0 && is_filtered()) rc = -ENOSYS;
    if (rc == 0) rc = perf_prove(false, bytes, size, &perf->pause_ns);
    if (rc == -EACCES && perf->choice == SAMPLER_ENGINE_PERF) {
        perf->excludes_kernel = true;
        rc = perf_prove(true, bytes, size, &perf->pause_ns);
    }
    perf->refusal = rc;
    perf->is_on = rc == 0;
}

const char *perf_engine_trouble(const struct perf_engine *perf)
{
    if (perf->choice == SAMPLER_ENGINE_SIGNAL) return NULL;
    if (perf->is_on && perf->refusal != 0)
        return "A perf event could not be had (perf_event_mlock_kb, RLIMIT_MEMLOCK, "
               "RLIMIT_NOFILE): some running threads are sent signals.";
    if (perf->is_on && perf->excludes_kernel)
        return "Perf events do not see the kernel here (perf_event_paranoid, CAP_PERFMON): a "
               "running thread's system calls look like what ran before them.";
    switch (perf->refusal) {
    case 0:
        return NULL;
    case -EACCES:
    case -EPERM:
        return "perf_event_open is not allowed here (perf_event_paranoid, CAP_PERFMON): running "
               "threads are sent signals.";
    case -ENOSYS:
        return "Filters of system calls kill at perf events: running threads are sent signals.";
    case -EBADF:
        return "There is no descriptor table of our own for perf events: running threads are sent "
               "signals.";
    case -ERANGE:
        return "perf_event_max_sample_rate is below 25000: no perf events; running threads are "
               "sent signals.";
    default:
        return "Perf events do not work here: running threads are sent signals.";
    }
}

uint64_t perf_engine_size(const struct perf_engine *perf)
{
    uint64_t size = 0;

    for (int i = 0; i < PERF_EVENTS_MAX; i++) {
        size += perf_event_size(&perf->places[i].event);
    }
    return size;
}

/* ---- periods ---- */

uint64_t perf_engine_period_min_ns(const struct perf_engine *perf, uint32_t tid,
                                   uint32_t thread_ppm)
{
    uint64_t count = 0;

    if (thread_ppm == BUDGET_NONE) return 0;
    for (int i = 0; i < PERF_EVENTS_MAX; i++) {
        count += perf->places[i].tid == tid;
    }
    return count * perf->pause_ns * PPM / thread_ppm;
}

static bool is_near(uint64_t period_ns, uint64_t wanted_ns)
{
    uint64_t less = period_ns < wanted_ns ? period_ns : wanted_ns;
    uint64_t more = period_ns < wanted_ns ? wanted_ns : period_ns;

    return more - less <= less / CHANGE_PART;
}

static int pace(struct perf_watch *watch, struct perf_engine *perf, uint64_t period_ns)
{
    int rc = is_filtered() ? -ENOSYS : perf_event_pace(&watch->place->event, period_ns);

    if (rc == 0) return 0;
    perf->refusal = rc;
    perf->is_on = perf->is_on && rc != -ENOSYS;
    watch->is_refused = true;
    perf_watch_end(watch);
    return rc;
}

void perf_watch_settle(struct perf_watch *watch, struct perf_engine *perf, uint64_t period_ns)
{
    bool was_settled;

    if (!watch->place) return;
    was_settled = watch->place->is_settled;
    watch->place->is_settled = true;
    if (was_settled && is_near(watch->place->event.period_ns, period_ns)) return;
    pace(watch, perf, period_ns);
}

/* ---- events ---- */

static struct perf_place *place_find(struct perf_engine *perf)
{
    for (int i = 0; i < PERF_EVENTS_MAX; i++) {
        if (perf->places[i].tid == 0) return &perf->places[i];
    }
    return NULL;
}

static int place_open(struct perf_engine *perf, struct perf_place *place, uint32_t tid,
                      bool is_deep)
{
    const struct perf_order order = { .tid = tid,
                                      .period_ns = PERF_QUICK_NS,
                                      .is_deep = is_deep,
                                      .excludes_kernel = perf->excludes_kernel };
    int rc;

    if (is_filtered()) {
        perf->is_on = false;
        return -ENOSYS;
    }
    rc = perf_event_open(&place->event, &order);
    if (rc == 0) place->tid = tid;
    return rc;
}

static void place_close(struct perf_place *place)
{
    perf_event_close(&place->event);
    place->tid = 0;
}

int perf_watch_begin(struct perf_watch *watch, struct perf_engine *perf, uint32_t tid,
                     uint64_t unloads)
{
    struct perf_place *place = place_find(perf);
    uint64_t clock_ns = thread_cpu_ns(tid);
    int rc = place ? place_open(perf, place, tid, false) : -EMFILE;

    if (rc < 0) {
        *watch = (struct perf_watch){ .is_refused = true };
        if (place && rc != -ESRCH) perf->refusal = rc;
        return rc;
    }
    *watch = (struct perf_watch){ .place = place };
    place->is_settled = place->is_short = false;
    place->asked_ns = clock_monotonic_ns();
    place->offset_ns = place->clock_ns = clock_ns;
    place->unloads = unloads;
    return 0;
}

void perf_watch_end(struct perf_watch *watch)
{
    if (watch->place) place_close(watch->place);
    watch->place = NULL;
}

void perf_watch_hurry(struct perf_watch *watch, struct perf_engine *perf, bool is_deep)
{
    struct perf_place *place = watch->place;

    place->is_settled = false;
    place->asked_ns = clock_monotonic_ns();
    if (is_deep && place->event.stack_size < PERF_STACK_LARGE) {
        uint32_t tid = place->tid;
        int rc;

        place_close(place);
        place->offset_ns = thread_cpu_ns(tid);
        rc = place_open(perf, place, tid, true);
        if (rc == 0) return;
        watch->place = NULL;
        watch->is_refused = true;
        perf->refusal = rc;
    } else if (place->event.period_ns != PERF_QUICK_NS) {
        pace(watch, perf, PERF_QUICK_NS);
    }
}

/* ---- what came ---- */

/* The thread's CPU clock at that moment. The event's count is of the kernel's other clock of the
 * same time, which may drift from it where a hypervisor takes some: so it is kept between what the
 * clock says now and what it could have been then. */
static uint64_t clock_of(struct perf_watch *watch, const struct perf_moment *moment)
{
    uint64_t clock_ns = watch->place->offset_ns + moment->count_ns;
    uint64_t now_clock_ns = thread_cpu_ns(watch->place->tid), now_ns = clock_monotonic_ns();
    uint64_t since_ns = now_ns > moment->at_ns ? now_ns - moment->at_ns : 0;
    uint64_t least_ns = now_clock_ns > since_ns ? now_clock_ns - since_ns : 0;

    if (clock_ns < least_ns) clock_ns = least_ns;
    if (clock_ns > now_clock_ns) clock_ns = now_clock_ns;
    watch->place->offset_ns = clock_ns - moment->count_ns;
    return clock_ns;
}

/* What lies above the thread's own stack is none of it. */
static uint64_t stack_size(const struct perf_moment *moment, const struct stack_thread *thread)
{
    uint64_t sp = moment->registers[REGISTER_RSP];
    uint64_t size = thread->pointer > sp ? thread->pointer - sp : UINT64_MAX;

    return size < moment->size ? size : moment->size;
}

int perf_watch_take(struct perf_watch *watch, struct perf_engine *perf,
                    const struct stack_thread *thread, unsigned char *bytes, struct sighting *ret)
{
    struct perf_moment moment;
    int rc = perf_event_take(&watch->place->event, &moment, bytes + RED_ZONE_SIZE,
                             STACK_COPY_SIZE_MAX - RED_ZONE_SIZE);

    if (rc < 0) return rc;
    perf->pause_count += moment.interrupts;
    watch->place->clock_ns = clock_of(watch, &moment);
    *ret = (struct sighting){
        .at_ns = moment.at_ns,
        .clock_ns = watch->place->clock_ns,
        .stack = { .bytes = bytes + RED_ZONE_SIZE,
                   .base = moment.registers[REGISTER_RSP],
                   .size = stack_size(&moment, thread),
                   .known = REGISTERS_ALL },
    };
    watch->place->is_short = moment.is_cut && ret->stack.size == moment.size &&
                             watch->place->event.stack_size < PERF_STACK_LARGE;
    memcpy(ret->stack.registers, moment.registers, sizeof ret->stack.registers);
    return (int)moment.interrupts;
}

/* Is there nothing before the return but pops of registers other than rbp? */
static bool is_epilogue(const unsigned char *code, size_t size)
{
    enum { POP = 0x58, POP_RBP = 0x5d, POP_LAST = 0x5f, PREFIX_HIGH = 0x41 };
    enum { RET = 0xc3, REP = 0xf3, BND = 0xf2 };

    for (size_t i = 0; i + 1 < size;) {
        bool is_high = code[i] == PREFIX_HIGH; /* r8 to r15 */
        unsigned char next = code[i + is_high];

        if (next < POP || next > POP_LAST || (next == POP_RBP && !is_high))
            return code[i] == RET || ((code[i] == REP || code[i] == BND) && code[i + 1] == RET);
        i += 1 + (size_t)is_high;
    }
    return false;
}

/* Its caller expects rbp as it was; on the way to the return nothing changes it any more; so it has
 * been restored. Where it had been saved is below the stack pointer then, and what unwinding reads
 * there is put there. */
bool perf_sighting_mend(struct sighting *sighting)
{
    struct stack_view *stack = &sighting->stack;
    unsigned char code[EPILOGUE_SIZE], *bytes = (unsigned char *)stack->bytes - RED_ZONE_SIZE;
    const uint64_t *rbp = &stack->registers[REGISTER_RBP];

    if (self_read(stack->registers[REGISTER_RIP], code, sizeof code) != sizeof code) return false;
    if (!is_epilogue(code, sizeof code)) return false;
    for (size_t at = 0; at < RED_ZONE_SIZE; at += sizeof *rbp) {
        memcpy(bytes + at, rbp, sizeof *rbp);
    }
    stack->bytes = bytes;
    stack->base -= RED_ZONE_SIZE;
    stack->size += RED_ZONE_SIZE;
    return true;
}
