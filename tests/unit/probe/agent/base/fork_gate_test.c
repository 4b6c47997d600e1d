/* SPDX-License-Identifier: Apache-2.0 */
/* fork_gate_test.c: children can use the loader, whatever a thread of ours did at the fork.
 *
 * A fork waits for us at most FORK_WAIT_NS_MAX. On a machine so busy that our thread does not get
 * out within that, the child is not promised anything: such a fork is made again. */
#include "probe/agent/base/fork_gate.h"

#include "probe/agent/unwind/modules.h"
#include "tests/support/test.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* A child has threads of its parent's, which nobody will join there. */
const char *__tsan_default_options(void) __attribute__((visibility("default")));
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}
#endif

enum { FORKS = 20, TRIES_MAX = 200, CHILD_S_MAX = 30 /* which only a child that hangs reaches */ };

enum fate { CHILD_IS_WELL, CHILD_IS_SHUT_OUT, CHILD_HANGS, CHILD_WAS_PROMISED_NOTHING };

#define LINGER_NS_MAX (5 * NS_PER_S) /* for a fork that does not wait for us */

static _Atomic bool is_inside, is_over;
static _Atomic uint64_t refresh_count;

static int on_module(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)info;
    (void)size;
    (void)context;
    return 0;
}

static enum fate fork_child(void)
{
    uint64_t before_ns = clock_monotonic_ns();
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (clock_monotonic_ns() - before_ns >= FORK_WAIT_NS_MAX) _exit(CHILD_WAS_PROMISED_NOTHING);
        alarm(CHILD_S_MAX);
        dl_iterate_phdr(on_module, NULL);
        _exit(fork_gate_enter() ? CHILD_IS_WELL : CHILD_IS_SHUT_OUT);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? (enum fate)WEXITSTATUS(status) : CHILD_HANGS;
}

/* Called with the loader's lock held, which it keeps until a fork is under way. */
static int linger(struct dl_phdr_info *info, size_t size, void *context)
{
    uint64_t until_ns = clock_monotonic_ns() + LINGER_NS_MAX;

    atomic_store(&is_inside, true);
    while (fork_gate_enter()) {
        fork_gate_leave();
        if (clock_monotonic_ns() > until_ns) break;
    }
    (void)info;
    (void)size;
    (void)context;
    return 1;
}

static void *linger_in_the_loader(void *context)
{
    fork_gate_enter_late();
    dl_iterate_phdr(linger, NULL);
    fork_gate_leave();
    return context;
}

static enum fate fork_while_one_lingers(void)
{
    enum fate fate;
    pthread_t thread;

    atomic_store(&is_inside, false);
    assert_int_equal(pthread_create(&thread, NULL, linger_in_the_loader, NULL), 0);
    while (!atomic_load(&is_inside)) {
        /* It is on its way. */
    }
    fate = fork_child();
    pthread_join(thread, NULL);
    return fate;
}

static void *refresh_modules(void *context)
{
    struct modules modules = { 0 };

    while (!atomic_load(&is_over)) {
        modules_refresh(&modules);
        atomic_fetch_add(&refresh_count, 1);
    }
    modules_done(&modules);
    return context;
}

static enum fate fork_while_one_refreshes(void)
{
    uint64_t before = atomic_load(&refresh_count);

    while (atomic_load(&refresh_count) == before) {
        /* It refused while the fork before was under way; now it is at it again. */
    }
    return fork_child();
}

static void assert_children_are_well(enum fate (*fork_once)(void))
{
    uint32_t well = 0;

    for (uint32_t i = 0; i < TRIES_MAX && well < FORKS; i++) {
        enum fate fate = fork_once();

        if (fate == CHILD_IS_WELL) well++;
        if (fate == CHILD_HANGS) fail_msg("a child hangs, after %u forks", i);
        assert_int_not_equal(fate, CHILD_IS_SHUT_OUT);
    }
    assert_int_equal(well, FORKS);
}

static void a_fork_waits_for_who_is_inside(void **state)
{
    (void)state;
    assert_children_are_well(fork_while_one_lingers);
}

static void a_child_of_one_that_refreshes_its_modules_can_use_the_loader(void **state)
{
    pthread_t thread;

    (void)state;
    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&thread, NULL, refresh_modules, NULL), 0);
    assert_children_are_well(fork_while_one_refreshes);
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
}

/* Who does not come out is not waited for. */
static void a_fork_passes_one_who_stays_inside(void **state)
{
    pid_t child;
    int status;

    (void)state;
    assert_true(fork_gate_enter());
    child = fork();
    if (child == 0) _exit(fork_gate_enter() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    fork_gate_leave();
    fork_gate_enter_late();
    fork_gate_leave();
}

static int setup(void **state)
{
    (void)state;
    fork_gate_open();
    fork_gate_open(); /* once is enough, twice no harm */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_waits_for_who_is_inside),
        cmocka_unit_test(a_child_of_one_that_refreshes_its_modules_can_use_the_loader),
        cmocka_unit_test(a_fork_passes_one_who_stays_inside),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
