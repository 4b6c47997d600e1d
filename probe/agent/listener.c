/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c: one slow call's thread, looked at in one of three ways.
 *
 * 1. Its CPU clock reads what it read at the last look: it has not run, and so its stack is the
 * same.
 * 2. It is blocked: /proc says where its stack pointer and program counter are, the stack is read
 *    where it lies, and the CPU clock, read again, says that both are of one moment. Nothing of
 *    this is noticed by the thread. Of the other registers none is known; where the walk needs the
 *    frame pointer, it is found on the stack (frame_pointer.c), or, where that is not sure and the
 *    walk did not even reach the call's begin, one signal per wait is spent on it.
 * 3. It is running, or could: it copies its stack itself, in our handler (hot/stack_copy.c).
 *
 * INVARIANTS
 *
 * (1) A thread is sent a signal only after the copy before came back, or the thread changed.
 * (2) `holds` is set only when the clock value is of the very moment of the stack. After a signal
 *     it is not: the thread ran on.
 * (3) A stack that was walked with a remembered frame pointer counts only if the walk passed the
 *     frame that called begin or reached the outermost one; else it is shown as cut where it was
 *     sure. */
#include "probe/agent/listener.h"

#include "probe/agent/frame_pointer.h"
#include "probe/agent/modules.h"
#include "probe/agent/self_memory.h"
#include "probe/hot/call.h"
#include "probe/hot/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    RED_ZONE_SIZE = 128,
    SYSCALL_LINE_SIZE = 256,
    READ_TRIES = 3,
    SYSCALL_INSTRUCTION_SIZE = 2,
};

#define LOAN_NS_MAX        (NS_PER_S)            /* then it is written off */
#define RETRY_NS           (200 * NS_PER_US)     /* after a look that met a move */
#define MAIN_STACK_MAX     (UINT64_C(128) << 20) /* however large its limit is */
#define REPORT_INTERVAL_NS (RUNNING_AFTER_MS * NS_PER_MS)

int engine_open(struct engine *engine, const struct sampler_options *options)
{
    memset(engine, 0, sizeof *engine);
    engine->options = *options;
    engine->main_stack_end = getauxval(AT_RANDOM);
    thread_files_init(&engine->files, options->thread_files_max);
    tick_clock_update(&engine->clock);
    return unwinder_open(&engine->unwinder);
}

void engine_close(struct engine *engine)
{
    engine->unwinder = unwinder_close(engine->unwinder);
    thread_files_done(&engine->files);
}

static uint64_t state_moves(uint64_t state)
{
    return state & (STATE_MOVES_MASK | STATE_SLOT_MASK | 7);
}

/* Is the call still in the stint that we know, or has it ended in it? */
static bool is_same_stint(const struct listening *listening, uint64_t state)
{
    if (state_phase(state) == RECORD_ENDED)
        return state_moves(state) == ((listening->moves & ~UINT64_C(7)) | RECORD_ENDED);
    return state_moves(state) == listening->moves;
}

static struct face *face_of(const struct listening *listening)
{
    return &hot.faces[atomic_load_explicit(&hot.records[listening->record].face,
                                           memory_order_relaxed)];
}

static void snapshot_drop(struct listening *listening, enum snapshot_drop drop)
{
    listening->watch->counts.snapshot_drops[drop]++;
}

static void thread_name_read(uint32_t tid, char ret[THREAD_NAME_SIZE_MAX + 1])
{
    char path[64];
    ssize_t size = 0;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/comm", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        size = read(fd, ret, THREAD_NAME_SIZE_MAX);
        close(fd);
    }
    ret[size > 0 ? size : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
}

/* A new stint: the call is on another thread, or on none, or has just triggered. */
static void stint_begin(struct listening *listening, const struct record_view *view)
{
    if (listening->loan != NO_LOAN) {
        loan_write_off(listening->loan);
        listening->loan = NO_LOAN;
        snapshot_drop(listening, SNAPSHOT_DROP_MOVED);
    }
    listening->moves = state_moves(view->state);
    listening->slot = state_slot(view->state);
    listening->tid = atomic_load_explicit(&hot.slots[listening->slot].tid, memory_order_relaxed);
    listening->high = 0;
    listening->has_queue = false;
    listening->holds = false;
    listening->known_count = 0;
    memset(listening->known_waits, 0, sizeof listening->known_waits);
    listening->is_opaque = false;
}

static struct sample *sample_make(const struct watch *watch, const struct record_view *view,
                                  uint64_t began_ns)
{
    struct sample *sample = sample_new();
    struct text name = registry_name(view->interface_id);
    uint32_t tid =
        atomic_load_explicit(&hot.slots[state_slot(view->state)].tid, memory_order_relaxed);
    uint64_t trace[2];

    if (!sample) return NULL;
    call_trace(view, trace);
    sample->id = sample_id_make();
    sample->task = watch->order.id;
    snprintf(sample->trace.text, sizeof sample->trace.text, "%016" PRIx64 "%016" PRIx64, trace[0],
             trace[1]);
    snprintf(sample->interface, sizeof sample->interface, "%.*s", TEXT_ARGS(name));
    sample->thread_id = tid;
    thread_name_read(tid, sample->thread_name);
    sample->began_wall_ns = clock_wall_ns() - (clock_monotonic_ns() - began_ns);
    sample->threshold_ns = watch->order.threshold_ns;
    sample->frequency_ns = watch->order.frequency_ns;
    return sample;
}

int listening_begin(struct engine *engine, struct listening *listening, uint32_t face,
                    struct watch *watch, const struct record_view *view)
{
    uint64_t began_ns = tick_clock_ns(&engine->clock, view->began_ticks);
    uint64_t state = view->state, stint_cpu_ns = 0;
    struct sample *sample = sample_make(watch, view, began_ns);

    if (!sample) return -ENOMEM;
    if (state_phase(state) == RECORD_RUNNING) stint_cpu_ns = thread_cpu_ns(sample->thread_id);
    atomic_store_explicit(&hot.faces[face].carried_cpu_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&hot.faces[face].stint_cpu_ns, stint_cpu_ns, memory_order_relaxed);
    atomic_store_explicit(&hot.records[view->index].face, (uint16_t)face, memory_order_relaxed);
    if (!record_change(view->index, &state, state | STATE_LISTENED | STATE_FACED)) {
        sample_free(sample);
        return -EAGAIN;
    }
    *listening = (struct listening){
        .is_used = true,
        .record = view->index,
        .watch = watch,
        .due_ns = began_ns + watch->order.threshold_ns,
        .loan = NO_LOAN,
    };
    builder_init(&listening->builder, sample, began_ns);
    stint_begin(listening, view);
    return 0;
}

/* The call's CPU time since it triggered, when its thread's clock reads this. False: the call moved
 * meanwhile, and the clock would be set against another thread's. */
static bool call_cpu_ns(const struct listening *listening, uint64_t clock_ns, uint64_t *ret)
{
    const struct face *face = face_of(listening);
    uint64_t stint = atomic_load_explicit(&face->stint_cpu_ns, memory_order_relaxed);
    uint64_t carried = atomic_load_explicit(&face->carried_cpu_ns, memory_order_relaxed);

    /* Pairs with the release of the move: who sees its values, sees that it is under way. */
    atomic_thread_fence(memory_order_acquire);
    if (!is_same_stint(listening, atomic_load_explicit(&hot.records[listening->record].state,
                                                       memory_order_relaxed)))
        return false;
    *ret = clock_ns > stint ? carried + (clock_ns - stint) : carried;
    return true;
}

/* Time in the queue since the last look, from schedstat. */
static uint64_t queue_since(struct engine *engine, struct listening *listening)
{
    uint64_t now = 0, before = listening->queue_ns;
    bool had = listening->has_queue;

    listening->has_queue = thread_files_queue_ns(&engine->files, listening->tid, &now) == 0;
    if (!listening->has_queue) {
        engine->schedstat_unreadable |= thread_cpu_ns(listening->tid) != 0;
        return 0;
    }
    listening->queue_ns = now;
    return had && now > before ? now - before : 0;
}

/* Adds a snapshot, and books it. */
static void look_add(struct listening *listening, const struct look *look)
{
    struct ledger *counts = &listening->watch->counts;
    struct sample_builder *builder = &listening->builder;
    uint32_t thinned = builder->thinned_count;
    bool is_first = builder->sample->snapshot_count == 0;
    int rc = builder_add(builder, look);

    if (rc < 0) {
        builder_add_queue(builder, look->queue_ns);
        if (rc == -ENOMEM) snapshot_drop(listening, SNAPSHOT_DROP_NO_BUFFER);
        return;
    }
    counts->snapshots++;
    listening->last = *look;
    if (is_first) {
        uint64_t late_ns = look->at_ns > listening->due_ns ? look->at_ns - listening->due_ns : 0;

        if (late_ns > counts->late_ns_max) counts->late_ns_max = late_ns;
        listening->next_report_ns = look->at_ns + REPORT_INTERVAL_NS;
    }
    if (builder->thinned_count != thinned) {
        counts->snapshot_drops[SNAPSHOT_DROP_THINNED] += builder->thinned_count - thinned;
        listening->watch->thinned_count++;
        listening->holds = false; /* the stack's number is another one now */
    }
}

/* The stack of the walk that was just made, in the sample's table. */
static int stack_of_walk(struct engine *engine, struct listening *listening, uint32_t *ret)
{
    int rc =
        builder_stack(&listening->builder, &engine->walk, unwinder_modules(engine->unwinder), ret);

    if (rc < 0) snapshot_drop(listening, SNAPSHOT_DROP_NO_BUFFER);
    return rc;
}

static void waiting_for_put(struct listening *listening, const char *text, struct look *look)
{
    look->waiting_for = 0;
    stack_table_string(&listening->builder.sample->stacks, text_of(text), &look->waiting_for);
}

/* On no thread: the time is waiting, under the name that detach was given. */
static void look_detached(struct listening *listening, const struct record_view *view,
                          uint64_t now_ns)
{
    struct look look = { .at_ns = now_ns, .syscall = SYSCALL_NONE, .wait = WAIT_OTHER };
    char name[WAITING_FOR_SIZE_MAX - 16], text[WAITING_FOR_SIZE_MAX];

    self_read_text((uint64_t)(uintptr_t)view->waiting_for, name, sizeof name);
    snprintf(text, sizeof text, "%s%s", name[0] != '\0' ? "detached: " : "detached", name);
    if (!call_cpu_ns(listening, 0, &look.cpu_ns)) return;
    waiting_for_put(listening, text, &look);
    if (builder_detached_stack(&listening->builder, &look.stack) < 0) return;
    look_add(listening, &look);
}

/* The mapping that holds a stack pointer, up to where the C library keeps the thread, or the
 * environment begins. */
static int stack_mapping(const struct engine *engine, uint64_t sp, uint64_t thread_pointer,
                         struct mapping *ret)
{
    uint64_t top = thread_pointer;
    struct rlimit limit;
    int rc = self_mapping(sp, ret);

    if (rc < 0) return rc;
    if (ret->is_main_stack) {
        uint64_t size = MAIN_STACK_MAX; /* it grows: what is below may be mapped by now */

        if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < size) size = limit.rlim_cur;
        if (ret->high - size < ret->low) ret->low = ret->high - size;
        top = engine->main_stack_end;
    }
    if (top > sp && top < ret->high) ret->high = top;
    return 0;
}

/* Finds the bounds of the stack that the call began on. */
static bool bounds_find(struct engine *engine, struct listening *listening, uint64_t sp)
{
    struct known_stack *known = &engine->known_stacks[listening->slot % KNOWN_STACKS];
    uint64_t top =
        atomic_load_explicit(&hot.slots[listening->slot].thread_pointer, memory_order_relaxed);
    struct mapping mapping;

    if (listening->high != 0) return true;
    if (known->tid == listening->tid && known->high == top && sp >= known->low && sp < top) {
        mapping = (struct mapping){ known->low, known->high, 0 };
    } else {
        if (stack_mapping(engine, sp, top, &mapping) < 0) return false;
        if (mapping.high == top)
            *known = (struct known_stack){ listening->tid, mapping.low, mapping.high };
    }
    listening->low = mapping.low;
    listening->high = mapping.high;
    return true;
}

/* Sends the signal. Returns whether a copy is to be expected. */
static bool signal_request(struct engine *engine, struct listening *listening,
                           const struct record_view *view, uint64_t now_ns)
{
    struct loan_order order = { .tid = listening->tid,
                                .slot = listening->slot,
                                .record = listening->record,
                                .state = view->state };
    int loan;

    if (!bounds_find(engine, listening, view->anchor_sp)) {
        snapshot_drop(listening, SNAPSHOT_DROP_UNREADABLE);
        return false;
    }
    order.low = listening->low;
    order.high = listening->high;
    loan = stack_copy_request(&order);
    if (loan == -EALREADY) {
        /* For another call of this thread, as a rule: our turn comes when that one is back. */
        listening->next_look_ns = now_ns + RETRY_NS;
        return false;
    }
    if (loan < 0) {
        engine->handler_taken |= loan == -EBUSY;
        snapshot_drop(listening, loan == -ENOBUFS ? SNAPSHOT_DROP_NO_BUFFER
                                 : loan == -EBUSY ? SNAPSHOT_DROP_HANDLER_TAKEN
                                 : loan == -ESRCH ? SNAPSHOT_DROP_CALL_ENDED
                                                  : SNAPSHOT_DROP_LOAN_LOST);
        return false;
    }
    listening->loan = loan;
    listening->loan_sent_ns = now_ns;
    listening->loan_wait.sp = 0;
    return true;
}

static void look_blocked_add(struct engine *engine, struct listening *listening,
                             const struct wait_view *wait, uint64_t clock_ns)
{
    struct blocked_names names = { .context = engine->options.context,
                                   .name_data = engine->options.name_data,
                                   .tid = listening->tid };
    struct look look = { .at_ns = clock_monotonic_ns(), .syscall = wait->syscall };
    struct wait_account account;

    if (stack_of_walk(engine, listening, &look.stack) < 0) return;
    blocked_describe(&names, wait, &engine->walk, &account);
    look.wait = account.kind;
    if (!call_cpu_ns(listening, clock_ns, &look.cpu_ns)) return;
    look.queue_ns = queue_since(engine, listening);
    waiting_for_put(listening, account.waiting_for, &look);
    listening->holds = true;
    listening->clock_ns = clock_ns;
    look_add(listening, &look);
}

/* What distinguishes a wait that the walk could not come out of. */
static struct known_wait wait_of_walk(const struct wait_view *wait, const struct walk *walk)
{
    return (struct known_wait){ .is_set = true,
                                .syscall = wait->syscall,
                                .frame_count = walk->count,
                                .sp = wait->sp,
                                .pc = wait->pc,
                                .last_pc = walk->frames[walk->count - 1].pc };
}

static struct known_wait *known_wait_find(struct listening *listening,
                                          const struct known_wait *wanted)
{
    for (uint32_t i = 0; i < KNOWN_WAITS; i++) {
        struct known_wait *known = &listening->known_waits[i];

        if (known->is_set && known->syscall == wanted->syscall &&
            known->frame_count == wanted->frame_count && known->sp == wanted->sp &&
            known->pc == wanted->pc && known->last_pc == wanted->last_pc)
            return known;
    }
    return NULL;
}

/* Walks the stack that lies in engine->stack. Returns 0 if it can be relied upon as a whole; 1 if
 * it lacks the frame pointer, and a signal may be spent on that; 2 if it stays cut: a signal was
 * spent and did not help, or is not worth it. */
static int walk_blocked(struct engine *engine, struct listening *listening,
                        const struct wait_view *wait, const struct record_view *view,
                        struct stack_view *stack)
{
    struct known_wait wanted, *known;

    stack->registers[REGISTER_RIP] = wait->pc;
    stack->registers[REGISTER_RSP] = wait->sp;
    stack->known = REGISTER_BIT(REGISTER_RIP) | REGISTER_BIT(REGISTER_RSP);
    stack->anchor_sp = view->anchor_sp;
    stack->anchor_pc = view->anchor_pc;
    unwinder_walk(engine->unwinder, stack, &engine->walk);
    if (engine->walk.is_complete || !engine->walk.lacks_register) return 0;
    if (frame_pointer_find(engine->unwinder, stack, &engine->walk)) return 0;
    wanted = wait_of_walk(wait, &engine->walk);
    known = known_wait_find(listening, &wanted);
    if (!known) return engine->walk.reached_begin ? 2 : 1; /* the call itself is seen as a whole */
    if (!known->has_rbp) return 2;
    stack->registers[REGISTER_RBP] = known->rbp;
    stack->known |= REGISTER_BIT(REGISTER_RBP);
    unwinder_walk(engine->unwinder, stack, &engine->walk);
    if (engine->walk.is_complete || engine->walk.reached_begin) return 0;
    stack->known &= ~REGISTER_BIT(REGISTER_RBP);
    unwinder_walk(engine->unwinder, stack, &engine->walk);
    return 2;
}

/* Spends a signal on the frame pointer of a wait. Returns whether a copy is to be expected. */
static bool signal_for_wait(struct engine *engine, struct listening *listening,
                            const struct record_view *view, const struct wait_view *wait)
{
    struct known_wait *known = &listening->known_waits[listening->known_count++ % KNOWN_WAITS];

    *known = wait_of_walk(wait, &engine->walk);
    if (!signal_request(engine, listening, view, clock_monotonic_ns())) return false;
    listening->loan_wait = *wait;
    listening->loan_known = known;
    return true;
}

/* Reads a blocked thread's line, and its stack where it lies, as of one moment. Returns 0 with
 * engine->stack filled; -EAGAIN: it runs; -EBUSY: it ran in between, each time; or why the file
 * cannot be read. */
static int read_blocked(struct engine *engine, const struct listening *listening,
                        struct wait_view *ret_wait, struct stack_view *ret_stack,
                        uint64_t *clock_ns)
{
    uint64_t top =
        atomic_load_explicit(&hot.slots[listening->slot].thread_pointer, memory_order_relaxed);
    char line[SYSCALL_LINE_SIZE];

    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t before = *clock_ns, size = STACK_COPY_SIZE_MAX;
        int rc = thread_files_syscall(&engine->files, listening->tid, line, sizeof line);

        if (rc == 0) rc = blocked_parse(line, ret_wait);
        if (rc < 0) return rc;
        ret_stack->base = ret_wait->sp - RED_ZONE_SIZE;
        if (top > ret_stack->base && top - ret_stack->base < size) size = top - ret_stack->base;
        ret_stack->bytes = engine->stack;
        ret_stack->size = self_read(ret_stack->base, engine->stack, size);
        *clock_ns = thread_cpu_ns(listening->tid);
        if (*clock_ns == before) return ret_stack->size > RED_ZONE_SIZE ? 0 : -EFAULT;
    }
    return -EBUSY;
}

/* Way 2. Returns false if it does not apply: the thread runs. */
static bool look_blocked(struct engine *engine, struct listening *listening,
                         const struct record_view *view, uint64_t clock_ns)
{
    struct stack_view stack = { 0 };
    struct wait_view wait;
    int rc = read_blocked(engine, listening, &wait, &stack, &clock_ns);

    if (rc == -EAGAIN) return false;
    if (rc == -EBUSY || rc == -EFAULT) {
        snapshot_drop(listening, rc == -EBUSY ? SNAPSHOT_DROP_MOVED : SNAPSHOT_DROP_UNREADABLE);
        return rc == -EFAULT;
    }
    if (rc < 0) {
        listening->is_opaque = true;
        engine->syscall_unreadable |= thread_cpu_ns(listening->tid) != 0;
        return false;
    }
    if (walk_blocked(engine, listening, &wait, view, &stack) == 1 && listening->loan == NO_LOAN &&
        signal_for_wait(engine, listening, view, &wait))
        return true;
    look_blocked_add(engine, listening, &wait, clock_ns);
    return true;
}

static void look_running(struct engine *engine, struct listening *listening,
                         const struct record_view *view, uint64_t now_ns)
{
    uint64_t clock_ns = thread_cpu_ns(listening->tid);

    if (listening->holds && clock_ns == listening->clock_ns) { /* way 1 */
        struct look look = listening->last;

        look.at_ns = now_ns;
        if (!call_cpu_ns(listening, clock_ns, &look.cpu_ns)) return;
        look.queue_ns = queue_since(engine, listening);
        look_add(listening, &look);
        return;
    }
    listening->holds = false;
    if (look_blocked(engine, listening, view, clock_ns)) return;
    if (listening->loan == NO_LOAN) signal_request(engine, listening, view, now_ns);
}

/* When it is looked at next. Looks that could not be made in time are counted and left out. */
static void schedule_next(struct listening *listening, uint64_t now_ns)
{
    uint64_t interval_ns = listening->builder.sample->interval_ns;

    if (listening->next_look_ns > now_ns) return; /* a look that could not be made, soon again */
    if (listening->next_look_ns == 0) listening->next_look_ns = now_ns;
    listening->next_look_ns += interval_ns;
    if (listening->next_look_ns <= now_ns) {
        uint64_t late = (now_ns - listening->next_look_ns) / interval_ns + 1;

        listening->watch->counts.snapshot_drops[SNAPSHOT_DROP_LATE] += late;
        listening->next_look_ns += late * interval_ns;
    }
}

bool listening_look(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    struct record_view view;

    if (listening_has_ended(listening)) return false;
    if (!record_read(listening->record, &view)) {
        listening->next_look_ns = now_ns + RETRY_NS; /* it is on the move */
        return true;
    }
    if (state_phase(view.state) == RECORD_ENDED) return false;
    if (!is_same_stint(listening, view.state)) stint_begin(listening, &view);
    if (state_phase(view.state) == RECORD_DETACHED) {
        look_detached(listening, &view, now_ns);
    } else {
        look_running(engine, listening, &view, now_ns);
    }
    schedule_next(listening, now_ns);
    return true;
}

/* Was the thread, when it copied its stack, still in the wait for which it was signalled? The
 * kernel sets it back to the system call's instruction if the call is to be restarted. */
static bool copy_is_of_wait(const struct loan *loan, const struct wait_view *wait)
{
    uint64_t pc = loan->registers[REGISTER_RIP];

    if (wait->sp == 0 || loan->registers[REGISTER_RSP] != wait->sp) return false;
    return pc == wait->pc || pc + SYSCALL_INSTRUCTION_SIZE == wait->pc;
}

static void copy_take(struct engine *engine, struct listening *listening, const struct loan *loan)
{
    struct stack_view stack = { .bytes = loan_bytes(listening->loan),
                                .base = loan->base,
                                .size = loan->size,
                                .known = REGISTERS_ALL };
    struct look look = { .at_ns = tick_clock_ns(&engine->clock, loan->taken_ticks),
                         .syscall = SYSCALL_NONE };

    /* (2) has one exception. Of a thread whose waiting cannot be seen, what it did since the copy
     * is taken for its way back to sleep: else each look would interrupt its wait once more. */
    listening->holds = listening->is_opaque;
    listening->clock_ns = thread_cpu_ns(listening->tid);
    memcpy(stack.registers, loan->registers, sizeof stack.registers);
    unwinder_walk(engine->unwinder, &stack, &engine->walk);
    if (stack_of_walk(engine, listening, &look.stack) < 0) return;
    if (copy_is_of_wait(loan, &listening->loan_wait)) {
        struct blocked_names names = { .context = engine->options.context,
                                       .name_data = engine->options.name_data,
                                       .tid = listening->tid };
        struct wait_account account;

        listening->loan_known->has_rbp = true;
        listening->loan_known->rbp = loan->registers[REGISTER_RBP];
        blocked_describe(&names, &listening->loan_wait, &engine->walk, &account);
        look.syscall = listening->loan_wait.syscall;
        look.wait = account.kind;
        waiting_for_put(listening, account.waiting_for, &look);
    }
    if (!call_cpu_ns(listening, loan->cpu_ns, &look.cpu_ns))
        look.cpu_ns = listening->builder.cpu_ns;
    look.queue_ns = queue_since(engine, listening);
    look_add(listening, &look);
}

static void pause_count(struct watch *watch, uint64_t pause_ns)
{
    watch->pauses.count++;
    watch->pauses.buckets[histogram_bucket(pause_ns)]++;
    if (pause_ns > watch->pauses.max_ns) watch->pauses.max_ns = pause_ns;
}

void listening_collect(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    const struct loan *loan;

    if (listening->loan == NO_LOAN) return;
    if (!loan_is_back(listening->loan)) {
        if (now_ns - listening->loan_sent_ns < LOAN_NS_MAX) return;
        loan_write_off(listening->loan);
        listening->loan = NO_LOAN;
        snapshot_drop(listening, SNAPSHOT_DROP_LOAN_LOST);
        return;
    }
    loan = &hot.loans[listening->loan];
    pause_count(listening->watch, ticks_to_ns(loan->pause_ticks));
    switch (loan->outcome) {
    case LOAN_COPIED:
        copy_take(engine, listening, loan);
        break;
    case LOAN_CALL_ENDED:
        snapshot_drop(listening, SNAPSHOT_DROP_CALL_ENDED);
        break;
    case LOAN_STACK_BOUNDS:
        snapshot_drop(listening, SNAPSHOT_DROP_STACK_BOUNDS);
        listening->high = 0; /* look again where its stack is */
        break;
    }
    loan_return(listening->loan);
    listening->loan = NO_LOAN;
}

bool listening_has_ended(const struct listening *listening)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[listening->record].state, memory_order_acquire);

    return state_phase(state) == RECORD_ENDED;
}

/* Returns the loan and the record, and forgets the rest. */
static void listening_close(struct listening *listening)
{
    if (listening->loan != NO_LOAN) loan_write_off(listening->loan);
    builder_done(&listening->builder);
    *listening = (struct listening){ .loan = NO_LOAN };
}

struct sample *listening_end(struct engine *engine, struct listening *listening)
{
    const struct face *face = face_of(listening);
    uint64_t state =
        atomic_load_explicit(&hot.records[listening->record].state, memory_order_acquire);
    uint64_t ended_ticks = atomic_load_explicit(&face->ended_ticks, memory_order_relaxed);
    struct call_end end = {
        .ended_ns = tick_clock_ns(&engine->clock, ended_ticks),
        .cpu_ns = atomic_load_explicit(&face->end_cpu_ns, memory_order_relaxed),
        .response_code = atomic_load_explicit(&face->response_code, memory_order_relaxed),
    };
    struct sample *sample;

    if (state_phase(state) != RECORD_ENDED) return NULL;
    if (listening->loan != NO_LOAN) {
        if (loan_is_back(listening->loan)) {
            listening_collect(engine, listening, end.ended_ns);
        } else {
            snapshot_drop(listening, SNAPSHOT_DROP_CALL_ENDED);
        }
    }
    if (is_same_stint(listening, state)) end.queue_ns = queue_since(engine, listening);
    sample = builder_end(&listening->builder, &end);
    record_free(listening->record, state);
    listening_close(listening);
    return sample;
}

struct sample *listening_report(struct listening *listening, uint64_t now_ns)
{
    uint64_t cpu_ns = 0;

    listening->next_report_ns = now_ns + REPORT_INTERVAL_NS;
    if (!call_cpu_ns(listening, thread_cpu_ns(listening->tid), &cpu_ns)) cpu_ns = 0;
    return builder_report(&listening->builder, now_ns, cpu_ns);
}

bool listening_abandon(struct listening *listening)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[listening->record].state, memory_order_acquire);

    while (state_phase(state) == RECORD_RUNNING || state_phase(state) == RECORD_DETACHED) {
        if (record_change(listening->record, &state, state & ~STATE_FACED)) {
            listening_close(listening);
            return true;
        }
    }
    if (state_phase(state) != RECORD_ENDED) return false;
    record_free(listening->record, state);
    listening_close(listening);
    return true;
}
