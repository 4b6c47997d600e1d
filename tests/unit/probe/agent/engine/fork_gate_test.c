/* SPDX-License-Identifier: Apache-2.0 */
/* fork_gate_test.c: children can use the loader, whatever a thread of ours did at the fork. */
#include "probe/agent/fork_gate.h"

#include "probe/agent/modules.h"
#include "tests/support/test.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 200, CHILD_S_MAX = 5 };

static _Atomic bool is_over;
static _Atomic uint64_t entered_count, refused_count;

static int on_module(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)info;
    (void)size;
    (void)context;
    return 0;
}

static void *use_the_loader(void *context)
{
    (void)context;
    while (!atomic_load(&is_over)) {
        if (!fork_gate_enter()) {
            atomic_fetch_add(&refused_count, 1);
            continue;
        }
        dl_iterate_phdr(on_module, NULL);
        fork_gate_leave();
        atomic_fetch_add(&entered_count, 1);
    }
    return NULL;
}

static void *refresh_modules(void *context)
{
    struct modules modules = { 0 };

    (void)context;
    while (!atomic_load(&is_over)) {
        modules_refresh(&modules);
        atomic_fetch_add(&entered_count, 1);
    }
    modules_done(&modules);
    return NULL;
}

/* How many children of a process hang, one thread of which runs this? */
static uint32_t children_that_hang(void *(*run)(void *context))
{
    uint32_t count = 0;
    pthread_t thread;

    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
    for (int i = 0; i < FORKS && count == 0; i++) {
        uint64_t before = atomic_load(&entered_count);
        pid_t child;
        int status;

        while (atomic_load(&entered_count) == before) {
        }
        child = fork();
        if (child == 0) {
            alarm(CHILD_S_MAX);
            dl_iterate_phdr(on_module, NULL);
            _exit(fork_gate_enter() ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status)) {
            print_message("signal %d after %d forks\n", WTERMSIG(status), i);
            count++;
        }
        if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
    }
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    return count;
}

static void a_child_can_use_the_loader(void **state)
{
    (void)state;
    assert_int_equal(children_that_hang(use_the_loader), 0);
}

static void a_child_of_one_that_refreshes_its_modules_can_as_well(void **state)
{
    (void)state;
    assert_int_equal(children_that_hang(refresh_modules), 0);
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
        cmocka_unit_test(a_child_can_use_the_loader),
        cmocka_unit_test(a_child_of_one_that_refreshes_its_modules_can_as_well),
        cmocka_unit_test(a_fork_passes_one_who_stays_inside),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
