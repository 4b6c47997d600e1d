/* SPDX-License-Identifier: Apache-2.0 */
/* errand_test.c: an errand is run once, and keeps nobody waiting who has no patience. */
#include "probe/agent/base/errand.h"

#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* The one of which the child has no thread is begun again there. */
const char *__tsan_default_options(void) __attribute__((visibility("default")));
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0:die_after_fork=0";
}
#endif

enum { DONE_MS_MAX = 20000, CHILD_S_MAX = 30 };
#define LONG_NS  (UINT64_C(20000000000))
#define SHORT_NS UINT64_C(1000000)

static sem_t held;
static int runs;

static void run(void)
{
    runs++;
}

static void wait_for_loader(void)
{
    sem_wait(&held);
    runs++;
}

static bool is_done(void *context)
{
    return errand_is_done(context);
}

static void it_is_run_once_and_waited_for(void **state)
{
    static struct errand errand;

    (void)state;
    runs = 0;
    assert_false(errand_is_done(&errand) || errand_is_under_way(&errand));
    errand_run(&errand, run, LONG_NS);
    assert_true(errand_is_done(&errand));
    assert_false(errand_is_under_way(&errand));
    assert_int_equal(runs, 1);
    errand_run(&errand, run, LONG_NS);
    assert_int_equal(runs, 1);
}

static void who_has_no_patience_goes_on(void **state)
{
    static struct errand errand;

    (void)state;
    runs = 0;
    errand_run(&errand, wait_for_loader, SHORT_NS);
    assert_true(errand_is_under_way(&errand));
    errand_run(&errand, wait_for_loader, LONG_NS); /* it is: nothing to wait for */
    sem_post(&held);
    assert_true(wait_until(is_done, &errand, DONE_MS_MAX));
    assert_int_equal(runs, 1);
}

/* A parent's thread is not in the child. */
static void what_a_fork_cut_off_is_begun_again(void **state)
{
    static struct errand errand;
    int status = 0;
    pid_t child;

    (void)state;
    errand_run(&errand, wait_for_loader, SHORT_NS);
    child = fork();
    if (child == 0) {
        alarm(CHILD_S_MAX);
        if (errand_is_under_way(&errand)) _exit(1);
        errand_run(&errand, run, LONG_NS);
        _exit(errand_is_done(&errand) ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(errand_is_under_way(&errand));
    sem_post(&held);
    assert_true(wait_until(is_done, &errand, DONE_MS_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_run_once_and_waited_for),
        cmocka_unit_test(who_has_no_patience_goes_on),
        cmocka_unit_test(what_a_fork_cut_off_is_begun_again),
    };

    sem_init(&held, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
