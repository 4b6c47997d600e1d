/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts that have next to nothing: of addresses, threads, descriptors. The probe starts or says why
 * not; the host goes on in any case; and what was missing is used once it is there.
 *
 * argv[1] is host.c. */
#include "tests/integration/probe/scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    STEP_KB = 256,
    PLENTY_KB = 64 * 1024, /* a stack of 1 MB per thread, and what the C library reserves beside */
};

#define NO_LEAK_CHECK "ASAN_OPTIONS=detect_leaks=0" /* it needs a descriptor of its own */

/* What stakeout_start() returned. */
static int start(struct scene *scene)
{
    const char *heard = host_process_ask(scene->host, "start");
    int rc = 1;

    if (sscanf(heard, "start %d", &rc) != 1) fail_msg("'%s'", heard);
    return rc;
}

static bool has_no_threads(void *context)
{
    const struct scene *scene = context;

    return strstr(host_process_ask(scene->host, "threads"), "stakeout-") == NULL;
}

/* Not started, and nothing of it is left. */
static void assert_unharmed(struct scene *scene)
{
    scene_ask(scene, "call GET /slow 1", "called");
    assert_true(wait_until(has_no_threads, scene, SOON_MS));
}

static void assert_catches(struct scene *scene)
{
    scene_watch(scene, "v2");
    scene_await_event(scene, TASK_EVENT_ARMED);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
}

/* From nothing on, step by step, so that every allocation is once the one that fails. The host goes
 * on at each step, and the first step at which it starts is enough. */
static void without_addresses_it_says_so_until_there_are_enough(void **state)
{
    struct scene *scene = *state;
    int rc = 0, left_kb = 0;
    char command[64];

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they take terabytes of addresses, and die where they get none */
#endif
    scene_start_host(scene, NULL);
    for (; left_kb < PLENTY_KB; left_kb += STEP_KB) {
        snprintf(command, sizeof command, "addresses %d", left_kb);
        scene_ask(scene, command, "limited");
        rc = start(scene);
        if (rc == 0) break;
        if (rc != -ENOMEM && rc != -EAGAIN) fail_msg("%d with %d KB left", rc, left_kb);
        assert_unharmed(scene);
    }
    print_message("  it starts with %d KB\n", left_kb);
    assert_int_equal(rc, 0);
    assert_in_range(left_kb, STEP_KB, PLENTY_KB);
    assert_catches(scene);
    host_process_ask(scene->host, "stop");
    assert_unharmed(scene);
    assert_int_equal(scene_end_host(scene), 0);
}

/* What cannot be kept is lost, and the next is not. */
static void a_host_that_runs_out_later_goes_on_and_is_watched_again(void **state)
{
    struct scene *scene = *state;
    uint32_t before;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    scene_start_watching(scene, NULL);
    scene_ask(scene, "addresses 0", "limited");
    for (int i = 0; i < 5; i++) {
        scene_ask(scene, "call GET /slow 100", "called");
    }
    scene_ask(scene, "addresses", "limited");
    before = fake_scheduler_count(scene->fake, "report");
    while (fake_scheduler_count(scene->fake, "report") == before) {
        scene_ask(scene, "call GET /slow 100", "called");
    }
    assert_int_equal(scene_end_host(scene), 0);
}

/* One to a host: a limit of this kind is for good. */
static void start_with_threads(struct scene *scene, int left, int expected)
{
    char command[32];
    bool is_alone;
    int rc;

    scene_start_host(scene, NULL);
    snprintf(command, sizeof command, "threads-left %d", left);
    is_alone = strcmp(host_process_ask(scene->host, command), "limited") == 0;
    rc = start(scene);
    if (is_alone && rc != expected) fail_msg("%d with %d threads left", rc, left);
    if (rc == 0) {
        assert_catches(scene);
    } else {
        assert_int_equal(rc, -EAGAIN);
        assert_unharmed(scene);
        scene_await_log(scene, "not started\" why=\"Resource temporarily unavailable");
    }
    assert_int_equal(scene_end_host(scene), 0);
    assert_int_equal(unlink(scene->log), 0);
}

static void without_threads_it_says_so_whichever_is_missing(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they start threads of their own, and die where they may not */
#endif
    scene_want_log(*state);
    for (int left = 0; left < SCENE_AGENT_THREADS; left++) {
        start_with_threads(*state, left, -EAGAIN);
    }
    start_with_threads(*state, SCENE_AGENT_THREADS, 0);
}

/* 0, 1 and 2 are the host's. In a table of its own the probe has 2 for its log and the two others
 * for its connections; what the kernel says of a thread in files it does without. */
static void with_three_descriptors_it_connects_and_samples(void **state)
{
    struct scene *scene = *state;

#ifdef __SANITIZE_THREAD__
    skip(); /* it needs descriptors to know what its suppressions name */
#endif
    scene_want_log(scene);
    scene_start_host(scene, NO_LEAK_CHECK);
    scene_ask(scene, "files 3", "limited");
    scene_watch(scene, "v2");
    scene_ask(scene, "start", "start 0");
    scene_await_event(scene, TASK_EVENT_ARMED);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
    scene_await_log(scene, "connected\" server=\"http://127.0.0.1:");
    assert_int_equal(scene_end_host(scene), 0);
}

static void with_fewer_the_host_goes_on(void **state)
{
    struct scene *scene = *state;

#ifdef __SANITIZE_THREAD__
    skip(); /* it needs descriptors to know what its suppressions name */
#endif
    scene_want_log(scene);
    for (int count = 2; count >= 0; count--) {
        char command[32];

        scene_start_host(scene, NO_LEAK_CHECK);
        snprintf(command, sizeof command, "files %d", count);
        scene_ask(scene, command, "limited");
        scene_ask(scene, "start", "start 0");
        scene_ask(scene, "call GET /slow 100", "called");
        host_process_ask(scene->host, "stop");
        scene_ask(scene, "call GET /slow 1", "called");
        assert_int_equal(scene_end_host(scene), 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SCENE_CLAIM(without_addresses_it_says_so_until_there_are_enough),
        SCENE_CLAIM(a_host_that_runs_out_later_goes_on_and_is_watched_again),
        SCENE_CLAIM(without_threads_it_says_so_whichever_is_missing),
        SCENE_CLAIM(with_three_descriptors_it_connects_and_samples),
        SCENE_CLAIM(with_fewer_the_host_goes_on),
    };

    CHECK(argc >= 2);
    scene_program = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
