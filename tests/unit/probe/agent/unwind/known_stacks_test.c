/* SPDX-License-Identifier: Apache-2.0 */
/* Where stacks of threads begin and end. */
#include "probe/agent/unwind/known_stacks.h"

#include "tests/support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t here(void)
{
    return (uint64_t)(uintptr_t)__builtin_frame_address(0);
}

static struct stack_thread this_thread(uint32_t tid)
{
    return (struct stack_thread){ .tid = tid,
                                  .slot = 7,
                                  .pointer = (uint64_t)(uintptr_t)__builtin_thread_pointer() };
}

static int setup(void **state)
{
    struct known_stacks *stacks = malloc(sizeof *stacks);

    if (stacks) known_stacks_init(stacks);
    *state = stacks;
    return stacks ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void the_main_stack_ends_below_the_environment(void **state)
{
    struct stack_thread thread = this_thread((uint32_t)getpid());
    struct stack_bounds bounds;

    assert_int_equal(known_stacks_find(*state, &thread, here(), &bounds), 0);
    assert_in_range(here(), bounds.low, bounds.high);
    assert_int_equal(bounds.high, getauxval(AT_RANDOM));
    assert_true(bounds.is_own);
    assert_true(here() - bounds.low >= 512 * 1024); /* it may still grow */
}

/* What a thread found; the assertions are the main thread's, where cmocka can end the test. */
struct found {
    struct known_stacks *stacks;
    uint64_t sp, pointer;
    struct stack_bounds bounds, again, of_heir;
    int rc;
};

static void *in_thread(void *argument)
{
    struct found *found = argument;
    struct stack_thread thread = this_thread(2), heir = this_thread(3);

    found->sp = here();
    found->pointer = thread.pointer;
    found->rc = known_stacks_find(found->stacks, &thread, here(), &found->bounds);
    found->stacks->places[7].bounds.low += 16; /* to see that it is kept, */
    if (found->rc == 0)
        found->rc = known_stacks_find(found->stacks, &thread, here(), &found->again);
    if (found->rc == 0)
        found->rc = known_stacks_find(found->stacks, &heir, here(), &found->of_heir);
    return NULL;
}

static void a_threads_stack_ends_where_the_thread_is_kept(void **state)
{
    struct found found = { .stacks = *state };
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, in_thread, &found), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(found.rc, 0);
    assert_in_range(found.sp, found.bounds.low, found.bounds.high);
    assert_int_equal(found.bounds.high, found.pointer);
    assert_true(found.bounds.is_own);
    assert_int_equal(found.again.low, found.bounds.low + 16);
    assert_int_equal(found.of_heir.low, found.bounds.low); /* and for no other thread */
}

static void a_stack_that_is_not_the_threads_own_is_not_kept(void **state)
{
    struct known_stacks *stacks = *state;
    struct stack_thread thread = this_thread((uint32_t)getpid());
    char *pages = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t sp = (uint64_t)(uintptr_t)pages + 32768;
    struct stack_bounds bounds;

    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(known_stacks_find(stacks, &thread, sp, &bounds), 0);
    assert_in_range(sp, bounds.low, bounds.high);
    assert_false(bounds.is_own);
    assert_int_equal(stacks->places[7].tid, 0);
    munmap(pages, 65536);
    assert_true(known_stacks_find(stacks, &thread, 16, &bounds) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_main_stack_ends_below_the_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(a_threads_stack_ends_where_the_thread_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stack_that_is_not_the_threads_own_is_not_kept, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
