/* SPDX-License-Identifier: Apache-2.0 */
/* A probe that is stopped and started a hundred times while the host's threads go on beginning,
 * ending, detaching and attaching: nothing crashes or is left behind, ids stay what they were,
 * and what comes after is watched as ever.
 *
 * argv[1] is busy_host.c. */
#include "tests/integration/probe/scene.h"
#include "tests/support/process_usage.h"

#include "common/base/own.h"
#include "common/wire/report.h"

#include <stdio.h>

enum {
    WORKERS = 4,
    ROUNDS_FIRST = 10, /* then everything that is kept is there */
    ROUNDS = 100,
    GROWTH_KB_MAX = 2048, /* over 90 rounds; what one start takes is far more than a 90th of it */
    GROWTH_MAPPINGS_MAX = 16,
};

struct wanted {
    pid_t pid;
    uint32_t threads;
};

static bool has_threads(void *context)
{
    const struct wanted *wanted = context;
    struct process_usage usage;

    process_usage_read(wanted->pid, &usage);
    return usage.threads == wanted->threads;
}

/* What the host has while the probe is stopped. */
static struct process_usage usage_at_rest(struct scene *scene)
{
    struct wanted wanted = { host_process_pid(scene->host), SCENE_HOST_THREADS + WORKERS };
    struct process_usage usage;

    scene_ask(scene, "stop", "stopped");
    if (!wait_until(has_threads, &wanted, SOON_MS)) {
        process_usage_read(wanted.pid, &usage);
        fail_msg("%u threads instead of %u", usage.threads, wanted.threads);
    }
    process_usage_read(wanted.pid, &usage);
    scene_ask(scene, "start", "start 0");
    return usage;
}

static void assert_nothing_is_left(const struct process_usage *early,
                                   const struct process_usage *late)
{
    print_message("  resident %lu, then %lu KB; mappings %u, then %u\n", early->resident_kb,
                  late->resident_kb, early->mappings, late->mappings);
    assert_int_equal(late->descriptors, early->descriptors);
    assert_int_equal(late->threads, early->threads);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* They keep what is freed, and shadow what is used. */
    assert_in_range(late->mappings, 0, early->mappings + GROWTH_MAPPINGS_MAX);
    assert_in_range(late->resident_kb, 0, early->resident_kb + GROWTH_KB_MAX);
#endif
}

/* The next report is of a call that came after everything else. */
static void assert_still_watches(struct scene *scene)
{
    OWN(sample_freep) struct sample *sample = NULL;
    struct problem problem;
    uint32_t before;

    fake_scheduler_set_tasks(scene->fake, "v3", NULL, 0);
    host_process_ask(scene->host, "stop"); /* what was on its way has arrived */
    before = fake_scheduler_count(scene->fake, "report");
    scene_watch(scene, "v4");
    scene_ask(scene, "start", "start 0");
    while (fake_scheduler_count(scene->fake, "report") == before) {
        scene_ask(scene, "call GET /slow 200", "called");
    }
    if (report_decode(fake_scheduler_body(scene->fake, "report", before), &sample, &problem) < 0)
        fail_msg("%s", problem.detail);
    assert_string_equal(sample->interface, "GET /slow");
    assert_in_range(sample->elapsed_ns, 200 * NS_PER_MS, UINT64_MAX);
}

static void restart_a_hundred_times(struct scene *scene)
{
    struct process_usage early, late;
    char command[32];

    scene_watch(scene, "v2");
    scene_ask(scene, "start", "start 0");
    scene_ask(scene, "workers 4", "working");
    snprintf(command, sizeof command, "restart %d", ROUNDS_FIRST - 1);
    scene_ask(scene, command, "restarted");
    early = usage_at_rest(scene);
    snprintf(command, sizeof command, "restart %d", ROUNDS - ROUNDS_FIRST - 1);
    scene_ask(scene, command, "restarted");
    late = usage_at_rest(scene);
    scene_ask(scene, "quiet", "quiet");
    assert_nothing_is_left(&early, &late);
    assert_still_watches(scene);
    assert_int_equal(scene_end_host(scene), 0);
}

static void a_hundred_restarts_leave_nothing_behind(void **state)
{
    scene_start_host(*state, NULL);
    restart_a_hundred_times(*state);
}

/* Where unshare(2) is refused, the probe's descriptors stand in the host's own table. */
static void neither_in_the_table_of_the_host(void **state)
{
    scene_start_host(*state, NULL);
    scene_ask(*state, "no-unshare", "refused");
    restart_a_hundred_times(*state);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SCENE_CLAIM(a_hundred_restarts_leave_nothing_behind),
        SCENE_CLAIM(neither_in_the_table_of_the_host),
    };

    CHECK(argc >= 2);
    scene_program = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
