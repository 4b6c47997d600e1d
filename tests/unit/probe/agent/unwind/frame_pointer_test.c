/* SPDX-License-Identifier: Apache-2.0 */
/* frame_pointer_test.c: what is found, against the registers that were there.
 *
 * A thread stands in a system call below functions of many kinds. The handler of its own signal
 * keeps stack and registers; then all but the two that /proc would tell are taken away. */
#include "probe/agent/unwind/frame_pointer.h"

#include "tests/support/test.h"
#include "tests/unit/probe/agent/unwind/moment.h"
#include "tests/unit/probe/agent/unwind/unwound.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct unwinder *unwinder;
static struct walk whole, walk;

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    moment_take(context);
}

/* ---- functions of many kinds, each of which leads to the next ---- */

typedef void (*step_fn)(void *context);

struct way {
    step_fn steps[64];
    int at;
    volatile uint64_t sink;
};

static void go_on(struct way *way)
{
    step_fn next = way->steps[way->at++];

    next(way);
    way->sink++;
}

/* By a function of the C library that leaves rbp alone, as most that wait do. */
static void stand(void *context)
{
    (void)context;
    syscall(SYS_tgkill, (long)getpid(), (long)gettid(), (long)SIGUSR2);
}

/* A frame whose size is known only at run time: its row needs the frame pointer. */
__attribute__((noinline)) static void variable(void *context)
{
    struct way *way = context;
    char *bytes = __builtin_alloca((size_t)(64 + way->at * 112 % 900));

    memset(bytes, way->at, 64);
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* or compilers see that none is needed */
    go_on(way);
    way->sink += (uint64_t)bytes[7];
}

__attribute__((noinline)) static void through_direct_call(void *context)
{
    struct way *way = context;

    variable(way);
    way->sink++;
}

static struct way *sorted_way;

static int by_nothing(const void *left, const void *right)
{
    struct way *way = sorted_way;

    (void)left;
    (void)right;
    if (way) {
        sorted_way = NULL;
        go_on(way);
    }
    return 0;
}

__attribute__((noinline)) static void through_sort(void *context)
{
    int values[2] = { 2, 1 };

    sorted_way = context;
    qsort(values, 2, sizeof *values, by_nothing);
    sorted_way = NULL;
}

__attribute__((noinline)) static void through_descent(void *context)
{
    unwound_descend(3, (void (*)(void *))go_on, context);
}

static void (*library_descend)(int depth, void (*then)(void *context), void *context);

__attribute__((noinline)) static void through_library(void *context)
{
    library_descend(3, (void (*)(void *))go_on, context);
}

/* ---- the claims ---- */

static uint32_t random_below(uint32_t bound)
{
    return (uint32_t)(moment_random() >> 20) % bound;
}

static void way_make(struct way *way)
{
    static const step_fn kinds[] = { variable, through_direct_call, through_sort, through_descent,
                                     through_library };
    int length = 1 + (int)random_below(24);

    *way = (struct way){ .at = 0 };
    for (int i = 0; i < length; i++) {
        way->steps[i] = kinds[random_below(sizeof kinds / sizeof *kinds)];
    }
    way->steps[length] = stand;
}

static bool walks_are_equal(void)
{
    if (walk.count != whole.count) return false;
    for (uint32_t i = 0; i < walk.count; i++) {
        if (walk.frames[i].pc != whole.frames[i].pc) return false;
    }
    return true;
}

static inline __attribute__((always_inline)) void anchor_take(uint64_t anchor[2])
{
    anchor[0] = (uint64_t)(uintptr_t)__builtin_frame_address(0) - 8;
    __asm__ volatile("lea 0(%%rip), %0" : "=r"(anchor[1]));
}

/* As a wrapper calls begin: nothing of it is there while the call waits. */
static __attribute__((noinline)) void anchor_take_in_a_helper(uint64_t anchor[2])
{
    anchor_take(anchor);
}

static bool has_begin_returned;

static __attribute__((noinline)) void way_go(struct way *way, uint64_t anchor[2])
{
    if (has_begin_returned) {
        anchor_take_in_a_helper(anchor);
    } else {
        anchor_take(anchor);
    }
    go_on(way);
    way->sink++;
}

/* Goes a way, and takes all registers away but those of a blocked thread. */
static void stand_somewhere(void)
{
    uint64_t anchor[2];
    struct way way;

    way_make(&way);
    moment.high = has_begin_returned ? (uint64_t)getauxval(AT_RANDOM)
                                     : (uint64_t)(uintptr_t)__builtin_frame_address(0) + 1024;
    way_go(&way, anchor);
    moment.view.anchor_sp = anchor[0];
    moment.view.anchor_pc = anchor[1];
    unwinder_walk(unwinder, &moment.view, &whole);
    assert_true(has_begin_returned ? whole.is_complete : whole.reached_begin);
    moment.view.known = REGISTER_BIT(REGISTER_RIP) | REGISTER_BIT(REGISTER_RSP);
    unwinder_walk(unwinder, &moment.view, &walk);
}

/* All but the frames of alloca, which grow beyond what their prologue tells. */
static void it_is_found_and_the_walk_is_the_true_one(void **state)
{
    uint32_t fixed = 0, found = 0, wrong = 0;

    (void)state;
    for (int round = 0; round < 400; round++) {
        stand_somewhere();
        if (walk.reached_begin || !walk.lacks_register) continue;
        if (walk.frames[walk.count - 1].function != (uint64_t)(uintptr_t)&variable) {
            fixed++;
            found += frame_pointer_find(unwinder, &moment.view, &walk);
            wrong += !walks_are_equal();
        } else if (frame_pointer_find(unwinder, &moment.view, &walk)) {
            wrong += !walks_are_equal();
        }
    }
    print_message("  %u of %u found, %u wrong\n", found, fixed, wrong);
    assert_true(fixed >= 100);
    assert_true(found >= fixed * 95 / 100);
    assert_int_equal(wrong, fixed - found);
}

/* A frame of alloca looks like any other where its prologue is read, and what lies there may be the
 * pair of a call that has returned: here begin's frame cannot tell, so the function's code must. */
static void assert_found_where_frames_are_fixed(void)
{
    uint32_t fixed = 0, found = 0, grown = 0, wrong = 0;

    has_begin_returned = true;
    for (int round = 0; round < 1000; round++) {
        bool is_grown;

        stand_somewhere();
        if (!walk.lacks_register) continue;
        is_grown = walk.frames[walk.count - 1].function == (uint64_t)(uintptr_t)&variable;
        *(is_grown ? &grown : &fixed) += 1;
        if (!frame_pointer_find(unwinder, &moment.view, &walk)) continue;
        found++;
        wrong += is_grown || !walks_are_equal();
    }
    has_begin_returned = false;
    print_message("  %u of %u found, %u in frames that grew, %u wrong\n", found, fixed, grown,
                  wrong);
    assert_true(fixed >= 100 && grown >= 100);
    assert_true(found >= fixed * 95 / 100);
    assert_int_equal(wrong, 0);
}

static void it_is_found_where_begin_has_returned_and_frames_are_fixed(void **state)
{
    (void)state;
    assert_found_where_frames_are_fixed();
}

/* The first wait of a program is looked at before the tables of its modules are there. */
static void it_is_found_without_tables(void **state)
{
    struct unwinder *with_tables = unwinder;

    (void)state;
    assert_int_equal(unwinder_open(&unwinder), 0); /* a second one gets none */
    assert_found_where_frames_are_fixed();
    unwinder_close(unwinder);
    unwinder = with_tables;
}

static void what_is_not_found_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        stand_somewhere();
        if (!walk.reached_begin && walk.lacks_register) break;
    }
    moment.view.size = walk.end_sp + 8 - moment.view.base;
    unwinder_walk(unwinder, &moment.view, &walk);
    whole = walk;
    assert_false(frame_pointer_find(unwinder, &moment.view, &walk));
    assert_true(walks_are_equal());
    assert_true(walk.lacks_register);
    assert_false(moment.view.known & REGISTER_BIT(REGISTER_RBP));
}

/* ---- a pair that looks true, where a frame grew ---- */

static struct forgery {
    struct way *way;
    uint64_t pair[2]; /* the frame pointer of a frame that is there, and where a call returned to */
    uint32_t phase;
} forgery;

/* Fills what it takes of the stack with the pair, as returned calls could leave it. */
__attribute__((noinline)) static void forger(struct forgery *of)
{
    uint64_t *words;

    if (!of->way) {
        of->pair[1] = (uint64_t)(uintptr_t)__builtin_return_address(0);
        return;
    }
    words = __builtin_alloca((size_t)(2048 + of->way->at * 16));
    for (uint32_t i = 0; i < 256; i++) {
        ((volatile uint64_t *)words)[i] = of->pair[(i + of->phase) & 1];
    }
    go_on(of->way);
}

/* Has called it, and returned. */
__attribute__((noinline)) static void forger_call_before(struct forgery *of)
{
    forger(of);
    *(volatile uint32_t *)&of->phase = of->phase;
}

__attribute__((noinline)) static void forger_call(struct way *way, uint64_t anchor[2])
{
    anchor_take_in_a_helper(anchor);
    forgery.pair[0] = *(uint64_t *)__builtin_frame_address(0);
    forgery.way = way;
    forger(&forgery);
    way->sink++;
}

static void a_forged_pair_in_a_frame_that_grew_is_not_believed(void **state)
{
    (void)state;
    for (uint32_t phase = 0; phase < 2; phase++) {
        struct way way = { .steps = { stand } };
        uint64_t anchor[2];

        forgery = (struct forgery){ .phase = phase };
        forger_call_before(&forgery);
        moment.high = (uint64_t)getauxval(AT_RANDOM);
        forger_call(&way, anchor);
        moment.view.anchor_sp = anchor[0];
        moment.view.anchor_pc = anchor[1];
        moment.view.known = REGISTER_BIT(REGISTER_RIP) | REGISTER_BIT(REGISTER_RSP);
        unwinder_walk(unwinder, &moment.view, &walk);
        assert_true(walk.lacks_register);
        assert_false(frame_pointer_find(unwinder, &moment.view, &walk));
    }
}

/* The pair is destroyed: whatever else is on the stack, nothing false is believed. */
static void a_stack_without_the_pair_is_not_explained(void **state)
{
    uint32_t needed = 0, found = 0;

    (void)state;
    for (int round = 0; round < 100; round++) {
        uint64_t pair = 0;

        stand_somewhere();
        if (walk.reached_begin || !walk.lacks_register) continue;
        if (!frame_pointer_find(unwinder, &moment.view, &walk)) continue;
        needed++;
        pair = moment.view.registers[REGISTER_RBP];
        memset(moment.bytes + (pair - moment.view.base), 0, 16);
        moment.view.known &= ~REGISTER_BIT(REGISTER_RBP);
        unwinder_walk(unwinder, &moment.view, &walk);
        found += frame_pointer_find(unwinder, &moment.view, &walk);
    }
    print_message("  %u of %u explained\n", found, needed);
    assert_true(needed >= 30);
    assert_true(found <= needed / 20);
}

static void garbage_harms_nobody(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        stand_somewhere();
        for (int i = 0; i < 60; i++) {
            moment.bytes[random_below((uint32_t)moment.view.size)] =
                (unsigned char)random_below(256);
        }
        unwinder_walk(unwinder, &moment.view, &walk);
        if (walk.lacks_register) frame_pointer_find(unwinder, &moment.view, &walk);
        assert_true(walk.count >= 1);
    }
}

static int setup(void **state)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO };
    void *found = moment_library_symbol("unwound_descend");

    (void)state;
    if (!found) return -1;
    memcpy(&library_descend, &found, sizeof found);
    action.sa_sigaction = on_signal;
    sigaction(SIGUSR2, &action, NULL);
    return unwinder_open(&unwinder);
}

static int teardown(void **state)
{
    (void)state;
    unwinder = unwinder_close(unwinder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_found_and_the_walk_is_the_true_one),
        cmocka_unit_test(it_is_found_where_begin_has_returned_and_frames_are_fixed),
        cmocka_unit_test(it_is_found_without_tables),
        cmocka_unit_test(a_forged_pair_in_a_frame_that_grew_is_not_believed),
        cmocka_unit_test(what_is_not_found_changes_nothing),
        cmocka_unit_test(a_stack_without_the_pair_is_not_explained),
        cmocka_unit_test(garbage_harms_nobody),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
