/* SPDX-License-Identifier: Apache-2.0 */
/* The probe as a guest: it takes nothing of its host's, is there once, leaves when it is told to,
 * goes with fork() and exit(), and says why when it cannot.
 *
 * argv[1] is the host program (host.c), argv[2] the one that can break an invariant, argv[3] the
 * one that opens the library at run time (plugin.c). */
#include "tests/integration/probe/scene.h"

#include "common/base/own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *inside_program; /* host.c again, linked with the probe's insides */
static const char *plugin_program; /* opens the library at run time */

/* On a machine that is busy a thread at nice 10 may outlive the stop that gave up on it. */
static bool has_no_threads(void *context)
{
    struct scene *scene = context;

    return strstr(host_process_ask(scene->host, "threads"), "stakeout-") == NULL;
}

static void the_switch_switches_everything_off(void **state)
{
    struct scene *scene = *state;

    scene_start_host(scene, "STAKEOUT=off");
    scene_ask(scene, "start", "start 0");
    scene_ask(scene, "call GET /slow 100", "called");
    scene_ask(scene, "handler", "handler default");
    assert_true(has_no_threads(scene));
    assert_int_equal(scene_end_host(scene), 0);
    assert_int_equal(fake_scheduler_count(scene->fake, "poll"), 0);
    assert_int_equal(fake_scheduler_count(scene->fake, "pulse"), 0);
}

static void a_server_that_cannot_be_is_refused_with_a_sentence(void **state)
{
    struct scene *scene = *state;
    char expected[32], line[512] = "";
    FILE *log;

    scene_want_log(scene);
    snprintf(line, sizeof line, "STAKEOUT_LOG=%s", scene->log);
    scene->host = host_process_start(
        scene_program, (const char *[]){ "STAKEOUT_SERVER=ftp://localhost:7411", line, NULL });
    snprintf(expected, sizeof expected, "start %d", -EINVAL);
    scene_ask(scene, "start", expected);
    log = fopen(scene->log, "re");
    assert_non_null(log);
    assert_non_null(fgets(line, sizeof line, log));
    fclose(log);
    assert_non_null(strstr(line, "or https://HOST:PORT, not"));
}

static void the_log_says_where_it_connects_and_why_not(void **state)
{
    struct scene *scene = *state;

    scene_want_log(scene);
    scene_stop_fake(scene);
    scene_start_host(scene, NULL);
    scene_ask(scene, "start", "start 0");
    scene_await_log(scene, "Connection refused");
    scene_start_fake(scene);
    scene_await_log(scene, "connected\" server=\"http://127.0.0.1:");
}

static void the_log_says_why_it_was_refused_in_the_scheduler_s_words(void **state)
{
    struct scene *scene = *state;

    scene_want_log(scene);
    fake_scheduler_script(
        scene->fake, "poll",
        (struct fake_script){ .status = 401, .times = 1, .detail = "The token 't' is not known." });
    scene_start_host(scene, NULL);
    scene_ask(scene, "start", "start 0");
    scene_await_log(scene, "why=\"status 401: The token 't' is not known\"");
}

static void assert_stays_off(struct scene *scene, const char *command, int error)
{
    char refused[32];

    snprintf(refused, sizeof refused, "start %d", error);
    scene_start_host(scene,
                     "ASAN_OPTIONS=detect_leaks=0"); /* that would need a thread of its own */
    scene_ask(scene, command, "refused");
    scene_ask(scene, "start", refused);
    scene_ask(scene, "call GET /slow 100", "called");
    scene_ask(scene, "handler", "handler default");
    assert_int_equal(scene_end_host(scene), 0);
}

static void without_threads_it_says_so_and_the_host_goes_on(void **state)
{
    assert_stays_off(*state, "no-threads", -EAGAIN);
}

/* What a filter of the host's own kills is found out in a process that may die: here none can be
 * made. */
static void where_filters_cannot_be_tried_it_says_so(void **state)
{
    assert_stays_off(*state, "no-clone", -EOPNOTSUPP);
}

/* A plug-in's way: opened, started and closed again at run time. */
static void closed_by_dlclose_it_stays_and_flushes_at_exit(void **state)
{
    struct scene *scene = *state;
    uint64_t pid;

    scene->program = plugin_program;
    scene_start_host(scene, NULL);
    pid = (uint64_t)host_process_pid(scene->host);
    assert_string_equal(host_process_hear(scene->host), "closed");
    scene_await_pulse(scene, pulse_is_any, 0);
    assert_int_equal(scene_end_host(scene), 0);
    scene_await_pulse(scene, pulse_is_last_of, pid);
}

static void no_descriptor_of_the_hosts_is_taken(void **state)
{
    struct scene *scene = *state;
    char before[8192];

    scene_start_host(scene, NULL);
    snprintf(before, sizeof before, "%s", host_process_ask(scene->host, "fds"));
    scene_watch(scene, "v2");
    scene_ask(scene, "start", "start 0");
    scene_await_event(scene, TASK_EVENT_ARMED);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
    scene_ask(scene, "fds", before);
    host_process_ask(scene->host, "stop");
    scene_ask(scene, "fds", before);
}

static void a_host_that_closes_everything_and_runs_out_does_not_matter(void **state)
{
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    scene_await_pulse(scene, pulse_is_any, 0);
    scene_ask(scene, "close-all", "closed");
    scene_stop_fake(scene);
    scene_start_fake(scene);
    scene_watch(scene, "v3");
    scene_await_count(scene, "poll", 1);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
}

/* Every descriptor of the list but those of the host is far up. */
static void assert_far_up(const char *fds)
{
    const char *at = fds;
    uint32_t ours = 0;

    while ((at = strchr(at, ' ')) != NULL) {
        long fd = strtol(++at, NULL, 10);

        if (fd < 20) continue;
        assert_true(fd >= 128);
        ours++;
    }
    assert_true(ours >= 2 && ours <= DESCRIPTORS_MAX);
}

static void without_a_table_of_its_own_it_stays_out_of_the_way(void **state)
{
    struct scene *scene = *state;

    scene_start_host(scene, NULL);
    scene_ask(scene, "no-unshare", "refused");
    scene_watch(scene, "v2");
    scene_ask(scene, "start", "start 0");
    scene_await_event(scene, TASK_EVENT_ARMED);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
    assert_far_up(host_process_ask(scene->host, "fds"));
    scene_ask(scene, "close-all", "closed");
    scene_watch(scene, "v3");
    scene_await_count(scene, "poll", 3);
}

static void its_threads_are_named_nice_and_deaf(void **state)
{
    static const struct {
        const char *name;
        int nice;
    } threads[] = { { "stakeout-link", 10 },
                    { "stakeout-poll", 10 },
                    { "stakeout-sample", 0 },
                    { "stakeout-tables", 10 } };
    struct scene *scene = *state;
    int own = getpriority(PRIO_PROCESS, 0); /* the host's as well */
    const char *heard;

    scene_start_watching(scene, NULL);
    heard = host_process_ask(scene->host, "threads");
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
        int nice = threads[i].nice > own ? threads[i].nice : own;
        char wanted[64];
        const char *at;
        unsigned long long blocked;

        snprintf(wanted, sizeof wanted, " %s/%d/", threads[i].name, nice);
        at = strstr(heard, wanted);
        if (!at) fail_msg("no '%s' in '%s'", wanted, heard);
        blocked = strtoull(at + strlen(wanted), NULL, 16);
        /* All but KILL, STOP, and the two that libc keeps for itself. */
        assert_int_equal(~blocked & ~(1ull << 8 | 1ull << 18 | 3ull << 31), 0);
    }
}

static void started_twice_it_says_so(void **state)
{
    struct scene *scene = *state;
    char already[32];

    snprintf(already, sizeof already, "start %d", -EALREADY);
    scene_start_host(scene, NULL);
    scene_ask(scene, "start", "start 0");
    scene_ask(scene, "start", already);
    scene_ask(scene, "call GET /fast 1", "called");
}

static void stopped_and_started_again_it_is_the_same_instance(void **state)
{
    struct scene *scene = *state;
    struct wire_pulse before, after;

    scene_start_watching(scene, NULL);
    scene_ask(scene, "call GET /fast 1", "called");
    host_process_ask(scene->host, "stop");
    before = scene_await_pulse(scene, pulse_is_last_of, (uint64_t)host_process_pid(scene->host));
    assert_true(wait_until(has_no_threads, scene, SOON_MS));
    scene_ask(scene, "call GET /fast 1", "called");

    fake_scheduler_set_tasks(scene->fake, "v3", &scene_slow_task, 1);
    scene_ask(scene, "start", "start 0");
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
    host_process_tell(scene->host, "exit 0");
    scene_await_pulse(scene, pulse_has_sampled, 1);
    after = scene_await_pulse(scene, pulse_is_any, 0);
    assert_int_equal(after.incarnation, before.incarnation);
}

static void exit_sends_what_is_there(void **state)
{
    struct scene *scene = *state;
    uint64_t pid;

    scene_start_watching(scene, NULL);
    pid = (uint64_t)host_process_pid(scene->host);
    host_process_tell(scene->host, "call GET /slow 200");
    host_process_tell(scene->host, "exit 3");
    assert_int_equal(scene_end_host(scene), 3);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 1);
    scene_await_pulse(scene, pulse_is_last_of, pid);
}

/* One that accepts connections and never says a word. */
static void a_scheduler_that_hangs_does_not_hold_up_a_stop(void **state)
{
    struct scene *scene = *state;
    const char *heard;

    scene_start_watching(scene, NULL);
    fake_scheduler_set_silent(scene->fake, true);
    scene_ask(scene, "call GET /slow 200", "called");
    heard = host_process_ask(scene->host, "stop");
    fake_scheduler_set_silent(scene->fake, false);
    assert_int_equal(strncmp(heard, "stop ", 5), 0);
    if (strtol(heard + 5, NULL, 10) > 5000) fail_msg("'%s', and a request may take 10 s", heard);
}

static bool is_of_pid(const struct wire_pulse *pulse, uint64_t pid)
{
    return pulse->pid == pid;
}

static void a_forked_child_is_an_instance_of_its_own_once_it_begins_a_call(void **state)
{
    struct scene *scene = *state;
    struct wire_pulse parent, child;
    int pid = 0, status = 0;

#ifdef __SANITIZE_THREAD__
    skip(); /* it does not support threads in a child of a threaded process */
#endif
    scene_start_watching(scene, NULL);
    parent = scene_await_pulse(scene, is_of_pid, (uint64_t)host_process_pid(scene->host));
    assert_int_equal(
        sscanf(host_process_ask(scene->host, "fork GET /fast 1"), "forked %d %d", &pid, &status),
        2);
    assert_int_equal(status, 7);
    child = scene_await_pulse(scene, pulse_is_last_of, (uint64_t)pid);
    assert_int_not_equal(child.incarnation, parent.incarnation);

    /* And the parent goes on. */
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_pulse(scene, pulse_has_sampled, 1);
}

static void a_forked_child_without_a_call_is_nobody(void **state)
{
    struct scene *scene = *state;
    int pid = 0, status = 0;
    uint32_t polls;

    scene_start_watching(scene, NULL);
    polls = fake_scheduler_count(scene->fake, "poll");
    assert_int_equal(
        sscanf(host_process_ask(scene->host, "fork-idle"), "forked %d %d", &pid, &status), 2);
    assert_int_equal(status, 7);
    assert_int_equal(fake_scheduler_count(scene->fake, "poll"), polls);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_pulse(scene, pulse_has_sampled, 1);
}

static bool has_no_interfaces(const struct wire_pulse *pulse, uint64_t pid)
{
    return pulse_is_last_of(pulse, pid) && !pulse_has_interface(pulse, "GET /fast", 1);
}

static void without_statistics_slow_calls_are_still_caught(void **state)
{
    struct scene *scene = *state;

    scene_start_watching(scene, "STAKEOUT_STATISTICS=off");
    scene_ask(scene, "call GET /fast 1", "called");
    scene_ask(scene, "call GET /slow 200", "called"); /* new: watched from the next scan */
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
    host_process_tell(scene->host, "exit 0");
    scene_await_pulse(scene, has_no_interfaces, (uint64_t)host_process_pid(scene->host));
}

static void a_name_that_nobody_has_is_said_in_the_log(void **state)
{
    struct scene *scene = *state;

    scene_want_log(scene);
    scene->name = "no-such-host.invalid";
    scene_start_host(scene, NULL);
    scene_ask(scene, "start", "start 0");
    scene_await_log(scene, "its host name has no address");
    host_process_ask(scene->host, "stop");
}

static bool has_broken(const struct wire_pulse *pulse, uint64_t argument)
{
    (void)argument;
    for (uint32_t i = 0; i < pulse->troubles_count; i++) {
        struct text trouble = pulse->troubles[i];

        if (memmem(trouble.data, trouble.size, "1 + 1 == 3", 10)) return pulse->is_last;
    }
    return false;
}

static void a_broken_invariant_switches_the_probe_off_and_not_the_host(void **state)
{
    struct scene *scene = *state;
    const char *threads;

    scene->program = inside_program;
    scene_start_watching(scene, NULL);
    scene_ask(scene, "break", "broken");
    scene_await_pulse(scene, has_broken, 0);
    threads = host_process_ask(scene->host, "threads");
    assert_null(strstr(threads, "stakeout-poll"));
    assert_null(strstr(threads, "stakeout-sample"));
    scene_ask(scene, "call GET /slow 100", "called");
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 0);

    host_process_ask(scene->host, "stop");
    scene_ask(scene, "start", "start 0");
    scene_ask(scene, "call GET /slow 300", "called");
    host_process_tell(scene->host, "exit 5");
    assert_int_equal(scene_end_host(scene), 5);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SCENE_CLAIM(the_switch_switches_everything_off),
        SCENE_CLAIM(a_server_that_cannot_be_is_refused_with_a_sentence),
        SCENE_CLAIM(the_log_says_where_it_connects_and_why_not),
        SCENE_CLAIM(the_log_says_why_it_was_refused_in_the_scheduler_s_words),
        SCENE_CLAIM(without_threads_it_says_so_and_the_host_goes_on),
        SCENE_CLAIM(where_filters_cannot_be_tried_it_says_so),
        SCENE_CLAIM(closed_by_dlclose_it_stays_and_flushes_at_exit),
        SCENE_CLAIM(no_descriptor_of_the_hosts_is_taken),
        SCENE_CLAIM(a_host_that_closes_everything_and_runs_out_does_not_matter),
        SCENE_CLAIM(without_a_table_of_its_own_it_stays_out_of_the_way),
        SCENE_CLAIM(its_threads_are_named_nice_and_deaf),
        SCENE_CLAIM(started_twice_it_says_so),
        SCENE_CLAIM(stopped_and_started_again_it_is_the_same_instance),
        SCENE_CLAIM(exit_sends_what_is_there),
        SCENE_CLAIM(a_scheduler_that_hangs_does_not_hold_up_a_stop),
        SCENE_CLAIM(a_forked_child_is_an_instance_of_its_own_once_it_begins_a_call),
        SCENE_CLAIM(a_forked_child_without_a_call_is_nobody),
        SCENE_CLAIM(without_statistics_slow_calls_are_still_caught),
        SCENE_CLAIM(a_name_that_nobody_has_is_said_in_the_log),
        SCENE_CLAIM(a_broken_invariant_switches_the_probe_off_and_not_the_host),
    };

    CHECK(argc >= 4);
    scene_program = argv[1];
    inside_program = argv[2];
    plugin_program = argv[3];
    if (argc > 4) cmocka_set_test_filter(argv[4]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
