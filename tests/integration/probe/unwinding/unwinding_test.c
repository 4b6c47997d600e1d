/* SPDX-License-Identifier: Apache-2.0 */
/* unwinding_test.c: our walks against libunwind's, frame by frame, over the same copies.
 *
 * A thread works in some library; it is interrupted again and again at random points, and a handler
 * copies its registers and stack as ours does. Both then walk the copy: ours by tables, libunwind
 * alone. Every difference is given a class:
 *
 *   modules changed    the list moved while the two walked, which is not at one moment; one of them
 *                      found a module gone, and is cut
 *   landing            the thread is about to jump to where an exception is caught; libunwind takes
 *                      the place for a return address, and so the code before it for the caller
 *   libunwind lost     ours reaches the outermost frame, libunwind does not
 *   both cut           the same as far as both come, and neither reaches the outermost frame
 *   ours cut           libunwind reaches the outermost frame, and ours ends before it, so far equal
 *   wrong              a frame that is another one, with no such reason
 *
 * In the last two there may be none. TRUTH_PRINT=1 prints the walks of each difference. */
#include "common/base/check.h"
#include "probe/agent/unwind/modules.h"
#include "probe/agent/unwind/remote_unwinder.h"
#include "probe/agent/unwind/unwind_build.h"
#include "probe/agent/unwind/unwind_tables.h"
#include "probe/agent/unwind/unwinder.h"
#include "tests/integration/probe/unwinding/works.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ucontext.h>
#include <unistd.h>

enum {
    INTERRUPTIONS = 2000, /* of each work, after its tables are there */
    WARM_MAX = 4000,      /* interruptions until they are */
    WARM_QUIET = 100,     /* in a row without an order: they are there */
    RED_ZONE = 128,
    WAIT_MS = 20000,
    MET_MIN = INTERRUPTIONS / 20, /* walks that must have met the work's library */
};

enum difference {
    EQUAL,
    MODULES_CHANGED,
    LANDING,
    LIBUNWIND_LOST,
    BOTH_CUT,
    OURS_CUT,
    WRONG,
    DIFFERENCES
};

static const char *const difference_names[DIFFERENCES] = {
    "equal", "modules changed", "landing", "libunwind lost", "both cut", "ours cut", "wrong",
};

static struct unwinder *unwinder;
static struct remote_unwinder *remote;
static uint64_t remote_generation;
static struct walk walk;
static uint64_t pcs[WALK_FRAMES_MAX];
static uint32_t pc_count;
static bool pcs_complete;

/* The thread that may be interrupted: while the lock is held it stays alive. */
static struct {
    pthread_mutex_t lock;
    pthread_t thread;
    bool is_there;
    uint64_t high; /* of its stack */
} target = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct {
    struct stack_view view;
    unsigned char bytes[STACK_COPY_SIZE_MAX];
    _Atomic int is_taken;
} moment;

static _Atomic int stop;

int is_stopped(void)
{
    return atomic_load_explicit(&stop, memory_order_relaxed);
}

void target_enter(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;

    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    CHECK(pthread_attr_getstack(&attributes, &low, &size) == 0);
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&target.lock);
    target.thread = pthread_self();
    target.high = (uint64_t)(uintptr_t)low + size;
    target.is_there = true;
    pthread_mutex_unlock(&target.lock);
}

void target_leave(void)
{
    pthread_mutex_lock(&target.lock);
    target.is_there = false;
    pthread_mutex_unlock(&target.lock);
}

static const int places[REGISTERS] = {
    REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
    REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

static void on_interruption(int number, siginfo_t *info, void *context)
{
    const ucontext_t *interrupted = context;
    uint64_t sp = (uint64_t)interrupted->uc_mcontext.gregs[REG_RSP];
    const void *from = (const void *)(uintptr_t)(sp - RED_ZONE);
    void *to = moment.bytes;
    size_t size = target.high - sp + RED_ZONE;

    (void)number;
    (void)info;
    if (size > sizeof moment.bytes) size = sizeof moment.bytes;
    moment.view = (struct stack_view){
        .bytes = moment.bytes, .base = sp - RED_ZONE, .size = size, .known = REGISTERS_ALL
    };
    for (int i = 0; i < REGISTERS; i++) {
        moment.view.registers[i] = (uint64_t)interrupted->uc_mcontext.gregs[places[i]];
    }
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    atomic_store(&moment.is_taken, 1);
}

/* Interrupts the target, if there is one just now, and waits for the copy. */
static bool interrupt(void *context)
{
    bool is_sent;

    (void)context;
    atomic_store(&moment.is_taken, 0);
    pthread_mutex_lock(&target.lock);
    is_sent = target.is_there && pthread_kill(target.thread, SIGUSR2) == 0;
    while (is_sent && !atomic_load(&moment.is_taken)) {
        sched_yield();
    }
    pthread_mutex_unlock(&target.lock);
    return is_sent;
}

/* Lets some time pass that has nothing to do with what the target does. */
static void dawdle(void)
{
    static uint64_t random = 88172645463325252u;

    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    for (uint64_t i = random % 20000; i > 0; i--) {
        works_sink++;
    }
}

static void walk_both(void)
{
    unwinder_refresh(unwinder);
    if (unwinder_modules(unwinder)->generation != remote_generation) remote_unwinder_flush(remote);
    remote_generation = unwinder_modules(unwinder)->generation;
    unwinder_walk(unwinder, &moment.view, &walk);
    pc_count = remote_unwinder_walk(remote, &moment.view, pcs, WALK_FRAMES_MAX, &pcs_complete);
}

static uint32_t equal_count(void)
{
    uint32_t i = 0;

    while (i < walk.count && i < pc_count &&
           (walk.frames[i].pc == pcs[i] || (i > 0 && walk.frames[i].pc == pcs[i] - 1))) {
        i++;
    }
    return i;
}

/* Is the innermost instruction the jump by which libgcc ends a throw: jmp *%rcx? */
static bool is_landing(void)
{
    const struct loaded_module *module = modules_find(unwinder_modules(unwinder), pcs[0]);
    unsigned char code[2];

    return module && strstr(module->path, "libgcc_s") &&
           unwinder_read(unwinder, pcs[0], code, sizeof code) && code[0] == 0xff && code[1] == 0xe1;
}

static enum difference difference_find(void)
{
    uint32_t equal = equal_count();

    if (equal == walk.count && equal == pc_count && walk.is_complete == pcs_complete) return EQUAL;
    unwinder_refresh(unwinder);
    if (unwinder_modules(unwinder)->generation != remote_generation)
        return walk.is_complete && pcs_complete ? WRONG : MODULES_CHANGED;
    if (walk.is_complete && is_landing()) return LANDING;
    if (walk.is_complete && !pcs_complete) return LIBUNWIND_LOST;
    if (equal < walk.count && equal < pc_count) return WRONG;
    return pcs_complete ? OURS_CUT : BOTH_CUT;
}

static void difference_print(enum difference difference)
{
    const struct modules *modules = unwinder_modules(unwinder);

    if (!getenv("TRUTH_PRINT")) return;
    print_message("  %s: %u frames (%s), libunwind %u (%s), equal %u\n",
                  difference_names[difference], walk.count, walk.is_complete ? "whole" : "cut",
                  pc_count, pcs_complete ? "whole" : "cut", equal_count());
    for (uint32_t i = 0; i < walk.count || i < pc_count; i++) {
        uint64_t pc = i < walk.count ? walk.frames[i].pc : 0;
        const struct loaded_module *module = modules_find(modules, pc);

        print_message("    %2u %16llx %16llx %s+%llx\n", i, (unsigned long long)pc,
                      i < pc_count ? (unsigned long long)pcs[i] : 0, module ? module->path : "?",
                      module ? (unsigned long long)(pc - module->bias) : 0);
    }
}

/* Over all works. */
static struct {
    uint32_t walks, complete, frames;
    uint32_t differences[DIFFERENCES];
} total;

/* Does the walk pass through a library of this name? */
static bool walk_meets(const char *name)
{
    for (uint32_t i = 0; i < walk.count; i++) {
        const struct loaded_module *module =
            modules_find(unwinder_modules(unwinder), walk.frames[i].pc);

        if (module && strstr(module->path, name)) return true;
    }
    return false;
}

/* As of a blocked thread, of which two registers are known: how far the walk comes then is true,
 * and where it ends earlier than the whole one, it is for want of a register. Returns whether it
 * did. */
static bool lacks_without_registers(void)
{
    static struct walk bare;
    struct stack_view view = moment.view;

    view.known = REGISTER_BIT(REGISTER_RIP) | REGISTER_BIT(REGISTER_RSP);
    unwinder_walk(unwinder, &view, &bare);
    assert_true(bare.count <= walk.count);
    for (uint32_t i = 0; i < bare.count; i++) {
        assert_true(bare.frames[i].pc == walk.frames[i].pc);
    }
    assert_true(bare.count < walk.count ? bare.lacks_register && !bare.is_complete
                                        : bare.is_complete == walk.is_complete);
    return bare.lacks_register;
}

static void warm_up(void)
{
    struct unwind_tables_counts counts;
    int quiet = 0;

    for (int i = 0; i < WARM_MAX && quiet < WARM_QUIET; i++) {
        assert_true(wait_until(interrupt, NULL, WAIT_MS));
        walk_both();
        unwind_tables_count(&counts);
        quiet = counts.ordered == 0 ? quiet + 1 : 0;
        dawdle();
    }
}

static void *work_main(void *context)
{
    void (*const *work)(void) = context;

    (*work)();
    return NULL;
}

/* Interrupts a work, and counts how the walks compare. */
static void check_work(void (*work)(void), const char *library)
{
    uint32_t differences[DIFFERENCES] = { 0 }, complete = 0, met = 0, lacking = 0;
    pthread_t thread;

    atomic_store(&stop, 0);
    assert_int_equal(pthread_create(&thread, NULL, work_main, &work), 0);
    warm_up();
    for (int i = 0; i < INTERRUPTIONS; i++) {
        enum difference difference;

        assert_true(wait_until(interrupt, NULL, WAIT_MS));
        walk_both();
        difference = difference_find();
        if (difference != EQUAL) difference_print(difference);
        differences[difference]++;
        complete += walk.is_complete;
        total.frames += walk.count;
        met += walk_meets(library);
        if (work != work_dlopen) lacking += lacks_without_registers();
        dawdle();
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    print_message("  %u equal of %u, %u to the outermost frame, %u through %s, %u need rbp",
                  differences[EQUAL], INTERRUPTIONS, complete, met, library, lacking);
    for (int i = EQUAL + 1; i < DIFFERENCES; i++) {
        if (differences[i] > 0) print_message(", %u %s", differences[i], difference_names[i]);
        total.differences[i] += differences[i];
    }
    print_message("\n");
    total.walks += INTERRUPTIONS;
    /* What was unloaded since it was copied is of no known module: such a stack is cut, rightly. */
    total.complete += work == work_dlopen ? INTERRUPTIONS : complete;
    assert_int_equal(differences[WRONG], 0);
    assert_int_equal(differences[OURS_CUT], 0);
    assert_true(met >= MET_MIN);
}

#define WORK(name, library)                                  \
    static void walks_are_libunwinds_in_##name(void **state) \
    {                                                        \
        (void)state;                                         \
        check_work(work_##name, library);                    \
    }

WORK(malloc, "libc.so")
WORK(qsort, "libc.so")
WORK(regex, "libc.so")
WORK(printf, "libc.so")
WORK(signal, "libc.so")
WORK(threads, "libc.so")
WORK(dlopen, "ld-linux")
WORK(throw, "libstdc++")
WORK(crypto, "libcrypto")
WORK(python, "libpython")
WORK(llvm, "libLLVM")

static void all_but_two_in_a_thousand_are_equal(void **state)
{
    uint32_t others = 0;

    (void)state;
    for (int i = MODULES_CHANGED + 1; i < DIFFERENCES; i++) {
        others += total.differences[i];
    }
    total.walks -= total.differences[MODULES_CHANGED]; /* which were not of one moment */
    print_message("  %u walks, %u frames, %u differ, %u to the outermost frame\n", total.walks,
                  total.frames, others, total.complete);
    assert_true(total.walks > 0 && total.differences[MODULES_CHANGED] < INTERRUPTIONS / 4);
    assert_true(others <= total.walks * 2 / 1000);
    assert_true(total.complete >= total.walks * 995 / 1000);
}

/* Those of the libraries that were worked in are there by now. */
static void the_tables_of_all_five_are_whole(void **state)
{
    static const char *const names[] = { "libc.so", "libstdc++", "libcrypto", "libpython",
                                         "libLLVM" };
    const struct modules *modules = unwinder_modules(unwinder);

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct unwind_table *table = NULL;

        for (uint32_t j = 0; j < modules->count && !table; j++) {
            if (strstr(modules->list[j].path, names[i]))
                table = unwind_tables_peek(modules->list[j].low);
        }
        if (!table) fail_msg("%s has no table", names[i]);
        print_message("  %-10s %6u entries %7u rows, of which libunwind does %u; %zu KB\n",
                      names[i], table->entry_count, table->row_count, table->other_count,
                      table->size / 1024);
        assert_true(table->is_whole);
        assert_true(table->other_count <= table->row_count / 500);
    }
}

static int open_unwinders(void **state)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART };
    int rc = unwinder_open(&unwinder);

    (void)state;
    if (rc == 0) rc = remote_unwinder_open(unwinder_modules(unwinder), &remote);
    if (rc < 0 || !remote_unwinder_has_library(remote)) return -1;
    action.sa_sigaction = on_interruption;
    return sigaction(SIGUSR2, &action, NULL);
}

static int close_unwinders(void **state)
{
    (void)state;
    remote = remote_unwinder_close(remote);
    unwinder = unwinder_close(unwinder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_are_libunwinds_in_malloc),
        cmocka_unit_test(walks_are_libunwinds_in_qsort),
        cmocka_unit_test(walks_are_libunwinds_in_regex),
        cmocka_unit_test(walks_are_libunwinds_in_printf),
        cmocka_unit_test(walks_are_libunwinds_in_signal),
        cmocka_unit_test(walks_are_libunwinds_in_threads),
        cmocka_unit_test(walks_are_libunwinds_in_dlopen),
        cmocka_unit_test(walks_are_libunwinds_in_throw),
        cmocka_unit_test(walks_are_libunwinds_in_crypto),
        cmocka_unit_test(walks_are_libunwinds_in_python),
        cmocka_unit_test(walks_are_libunwinds_in_llvm),
        cmocka_unit_test(all_but_two_in_a_thousand_are_equal),
        cmocka_unit_test(the_tables_of_all_five_are_whole),
    };

    return cmocka_run_group_tests(tests, open_unwinders, close_unwinders);
}
