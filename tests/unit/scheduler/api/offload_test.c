/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/api/offload.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "tests/support/test.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <unistd.h>

enum { LARGE = 5 * 1000 * 1000, WAIT_S_MAX = 20 };

static struct event_base *base;
static struct offloads *offloads;

/* What an offload is to do, and what came of it. */
struct task_of_test {
    int (*work)(void *context, struct buf *to);
    size_t size_max;
    int changed; /* by the child, in its own memory */
    int called;
    int rc;
    struct buf result;
};

static void on_done(void *context, int rc, struct buf *result)
{
    struct task_of_test *task = context;

    task->called++;
    task->rc = rc;
    task->result = *result;
    *result = (struct buf){ 0 };
}

static int start(struct task_of_test *task)
{
    if (task->size_max == 0) task->size_max = LARGE;
    return offload_start(offloads, &(struct offload){ task->size_max, task->work, on_done, task });
}

/* Turns the loop until all have been called. */
static void wait_for(struct task_of_test *tasks, size_t count)
{
    uint64_t deadline_ns = clock_monotonic_ns() + WAIT_S_MAX * NS_PER_S;

    for (size_t done = 0; done < count;) {
        event_base_loopexit(base, &(struct timeval){ .tv_usec = 50000 });
        event_base_loop(base, EVLOOP_ONCE);
        for (done = 0; done < count && tasks[done].called > 0;) {
            done++;
        }
        if (clock_monotonic_ns() > deadline_ns) fail_msg("only %zu of %zu ended", done, count);
    }
}

static int say_hello(void *context, struct buf *to)
{
    struct task_of_test *task = context;

    task->changed = 1;
    return buf_text(to, TEXT("hello"));
}

static int say_much(void *context, struct buf *to)
{
    char *room = buf_reserve(to, LARGE);

    (void)context;
    if (!room) return -ENOBUFS;
    memset(room, 'x', LARGE);
    room[LARGE - 1] = 'z';
    buf_commit(to, LARGE);
    return 0;
}

static int refuse(void *context, struct buf *to)
{
    (void)context;
    buf_text(to, TEXT("half of it"));
    return -EOPNOTSUPP;
}

static int die(void *context, struct buf *to)
{
    (void)context;
    (void)to;
    kill(getpid(), SIGKILL);
    return 0;
}

static int wait_for_ever(void *context, struct buf *to)
{
    (void)context;
    (void)to;
    while (pause() < 0) {
        continue;
    }
    return 0;
}

/* What the child still has open beyond the usual three and its pipe. */
static int count_descriptors(void *context, struct buf *to)
{
    int count = 0;

    (void)context;
    for (int fd = 3; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) count++;
    }
    return buf_printf(to, "%d", count);
}

static void the_result_comes_back_and_changes_do_not(void **state)
{
    struct task_of_test task = { .work = say_hello };

    (void)state;
    assert_int_equal(start(&task), 0);
    assert_int_equal(task.called, 0);
    wait_for(&task, 1);
    assert_int_equal(task.rc, 0);
    assert_int_equal(task.result.size, 5);
    assert_memory_equal(task.result.data, "hello", 5);
    assert_int_equal(task.changed, 0);
    buf_done(&task.result);
}

static void a_large_result_comes_back_whole(void **state)
{
    struct task_of_test task = { .work = say_much };

    (void)state;
    assert_int_equal(start(&task), 0);
    wait_for(&task, 1);
    assert_int_equal(task.rc, 0);
    assert_int_equal(task.result.size, LARGE);
    assert_int_equal(task.result.data[LARGE - 1], 'z');
    buf_done(&task.result);
}

static void errors_come_back_as_they_are(void **state)
{
    struct task_of_test tasks[] = {
        { .work = refuse },
        { .work = die },
        { .work = say_much, .size_max = LARGE - 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        assert_int_equal(start(&tasks[i]), 0);
    }
    wait_for(tasks, ARRAY_COUNT(tasks));
    assert_int_equal(tasks[0].rc, -EOPNOTSUPP);
    assert_int_equal(tasks[1].rc, -EIO);
    assert_int_equal(tasks[2].rc, -ENOBUFS);
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        assert_int_equal(tasks[i].called, 1);
        buf_done(&tasks[i].result);
    }
}

static void the_child_holds_no_descriptor_of_ours(void **state)
{
    OWN(fd_closep) int held = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct task_of_test task = { .work = count_descriptors };

    (void)state;
    assert_true(held >= 0);
    assert_int_equal(start(&task), 0);
    wait_for(&task, 1);
    assert_int_equal(task.result.size, 1);
    assert_memory_equal(task.result.data, "1", 1); /* its pipe */
    buf_done(&task.result);
}

static void at_most_so_many_run_and_all_end_with_us(void **state)
{
    struct task_of_test tasks[OFFLOADS_MAX];
    struct task_of_test late = { .work = say_hello };

    (void)state;
    for (int i = 0; i < OFFLOADS_MAX; i++) {
        tasks[i] = (struct task_of_test){ .work = wait_for_ever };
        assert_int_equal(start(&tasks[i]), 0);
    }
    assert_int_equal(start(&late), -EBUSY);
    assert_int_equal(late.called, 0);
    offloads = offloads_free(offloads);
    for (int i = 0; i < OFFLOADS_MAX; i++) {
        assert_int_equal(tasks[i].called, 1);
        assert_int_equal(tasks[i].rc, -ECANCELED);
        buf_done(&tasks[i].result);
    }
    offloads = offloads_new(base);
}

/* What the child and its tracer leave here is seen by the test. */
struct shared {
    _Atomic pid_t tracer; /* -1: none can be */
};

static struct shared *shared;

/* The dead are their tracer's, until it lets go: so this child is no more, and cannot be reaped. */
static int die_traced(void *context, struct buf *to)
{
    pid_t tracer;

    (void)context;
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    tracer = fork();
    if (tracer == 0) {
        alarm(WAIT_S_MAX);
        close_range(3, ~0u, 0); /* the pipe above all: its end is the child's end */
        atomic_store(&shared->tracer, ptrace(PTRACE_SEIZE, getppid(), 0, 0) < 0 ? -1 : getpid());
        wait_for_ever(NULL, NULL);
    }
    while (tracer > 0 && atomic_load(&shared->tracer) == 0) {
        sched_yield();
    }
    return buf_text(to, TEXT("done"));
}

static void a_child_that_is_long_in_dying_keeps_nobody_waiting(void **state)
{
    struct task_of_test tasks[] = { { .work = die_traced }, { .work = say_hello } };
    pid_t tracer;

    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    assert_int_equal(start(&tasks[0]), 0);
    wait_for(&tasks[0], 1);
    assert_int_equal(tasks[0].rc, 0);
    assert_int_equal(start(&tasks[1]), 0);
    wait_for(&tasks[1], 1);
    assert_int_equal(tasks[1].rc, 0);
    tracer = atomic_load(&shared->tracer);
    if (tracer > 0) assert_int_equal(kill(tracer, SIGKILL), 0); /* it was alive all the time */
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        buf_done(&tasks[i].result);
    }
    munmap(shared, sizeof *shared);
    if (tracer < 0) skip(); /* nobody may trace here */
}

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    offloads = offloads_new(base);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    offloads_free(offloads);
    event_base_free(base);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_result_comes_back_and_changes_do_not),
        cmocka_unit_test(a_large_result_comes_back_whole),
        cmocka_unit_test(errors_come_back_as_they_are),
        cmocka_unit_test(the_child_holds_no_descriptor_of_ours),
        cmocka_unit_test(at_most_so_many_run_and_all_end_with_us),
        cmocka_unit_test(a_child_that_is_long_in_dying_keeps_nobody_waiting),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
