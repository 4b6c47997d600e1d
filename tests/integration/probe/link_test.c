/* SPDX-License-Identifier: Apache-2.0 */
/* The probe in a real process against a scripted scheduler: it finds it late, survives its loss,
 * sends until acknowledged, takes nothing of the host's, and leaves cleanly.
 *
 * argv[1] is the host program (host.c), argv[2] the one that can break an invariant, argv[3] the
 * one that opens the library at run time (plugin.c). */
#include "tests/integration/probe/host_process.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/model/problem.h"
#include "common/model/task_event.h"
#include "common/model/task_spec.h"
#include "common/wire/report.h"
#include "tests/support/fake_scheduler.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TASK   "0123456789abcdef0123"
#define SECRET "so_0123456789abcdef"

enum { SOON_MS = 20000 };

static const char *host_program;
static const char *inside_program; /* the same, linked with the probe's insides */
static const char *plugin_program; /* opens the library at run time */

struct scene {
    struct fake_scheduler *fake;
    struct host_process *host;
    uint16_t port;
    char server[64];
    char log[64];        /* a file; "": none was wanted */
    const char *program; /* NULL: host_program */
    const char *name;    /* of the server's host; NULL: 127.0.0.1 */
};

static const struct wire_poll_task slow_task = {
    .id = { TASK, TASK_ID_SIZE },
    .interface = { "GET /slow", 9 },
    .state = TASK_ACTIVE,
    .threshold_ms = 50,
    .frequency_ms = 10,
    .sample_cap = 10,
    .left_ms = 300000,
};

/* ---- the scene ---- */

static void stop_fake(struct scene *scene)
{
    fake_scheduler_stop(scene->fake);
    scene->fake = NULL;
}

static void start_fake(struct scene *scene)
{
    scene->fake = fake_scheduler_start(scene->port);
    scene->port = fake_scheduler_port(scene->fake);
}

static void start_host(struct scene *scene, const char *more)
{
    char log[80] = "STAKEOUT_DUMMY=";
    const char *variables[] = {
        scene->server, "STAKEOUT_APPLICATION=shop",       "STAKEOUT_TOKEN=" SECRET,
        log,           more ? more : "STAKEOUT_NOTHING=", NULL
    };

    snprintf(scene->server, sizeof scene->server, "STAKEOUT_SERVER=http://%s:%u",
             scene->name ? scene->name : "127.0.0.1", (unsigned)scene->port);
    if (scene->log[0]) snprintf(log, sizeof log, "STAKEOUT_LOG=%s", scene->log);
    scene->host = host_process_start(scene->program ? scene->program : host_program, variables);
}

static void ask(struct scene *scene, const char *command, const char *answer)
{
    const char *heard = host_process_ask(scene->host, command);

    if (strcmp(heard, answer) != 0) fail_msg("'%s' was answered '%s'", command, heard);
}

/* Ends the host and returns its exit code. */
static int end_host(struct scene *scene)
{
    struct host_process *host = scene->host;

    scene->host = NULL;
    return host_process_end(host);
}

static void watch(struct scene *scene, const char *version)
{
    fake_scheduler_set_tasks(scene->fake, version, &slow_task, 1);
}

static int setup(void **state)
{
    struct scene *scene = mem_zalloc(1, sizeof *scene);

    start_fake(scene);
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    if (scene->host) host_process_end(scene->host);
    fake_scheduler_stop(scene->fake);
    if (scene->log[0]) unlink(scene->log);
    free(scene);
    return 0;
}

/* ---- what is waited for ---- */

struct wanted {
    struct fake_scheduler *fake;
    const char *kind;
    uint32_t count;
};

static bool has_come(void *context)
{
    struct wanted *wanted = context;

    return fake_scheduler_count(wanted->fake, wanted->kind) >= wanted->count;
}

static void await_count(struct scene *scene, const char *kind, uint32_t count)
{
    struct wanted wanted = { scene->fake, kind, count };

    if (!wait_until(has_come, &wanted, SOON_MS))
        fail_msg("%u of %u requests of kind %s", fake_scheduler_count(scene->fake, kind), count,
                 kind);
}

/* Asks `is_wanted` of every pulse. Lists live only while it is asked. */
struct pulse_search {
    struct fake_scheduler *fake;
    bool (*is_wanted)(const struct wire_pulse *pulse, uint64_t argument);
    uint64_t argument;
    struct wire_pulse found; /* without its lists */
};

static bool find_pulse(void *context)
{
    struct pulse_search *search = context;
    uint32_t count = fake_scheduler_count(search->fake, "pulse");

    for (uint32_t i = 0; i < count; i++) {
        OWN(wire_arena_done) struct wire_arena arena = { 0 };
        struct problem problem;
        struct wire_pulse pulse;

        if (wire_pulse_decode(fake_scheduler_body(search->fake, "pulse", i), &arena, &pulse,
                              &problem) < 0)
            fail_msg("%s", problem.detail);
        search->found = pulse;
        if (search->is_wanted(&pulse, search->argument)) return true;
    }
    return false;
}

static struct wire_pulse await_pulse(struct scene *scene,
                                     bool (*is_wanted)(const struct wire_pulse *, uint64_t),
                                     uint64_t argument)
{
    struct pulse_search search = { scene->fake, is_wanted, argument, { 0 } };

    if (!wait_until(find_pulse, &search, SOON_MS)) fail_msg("no such pulse");
    return search.found;
}

static bool is_any(const struct wire_pulse *pulse, uint64_t argument)
{
    (void)pulse;
    (void)argument;
    return true;
}

static bool is_last_of(const struct wire_pulse *pulse, uint64_t pid)
{
    return pulse->is_last && pulse->pid == pid;
}

static bool has_interface(const struct wire_pulse *pulse, const char *name, uint64_t count)
{
    for (uint32_t i = 0; i < pulse->interfaces_count; i++) {
        if (text_is_equal(pulse->interfaces[i].name, text_of(name)) &&
            pulse->interfaces[i].count == count)
            return true;
    }
    return false;
}

static bool counts_fast_calls(const struct wire_pulse *pulse, uint64_t count)
{
    return has_interface(pulse, "GET /fast", count);
}

static bool has_drop(const struct wire_pulse *pulse, const char *reason, uint64_t count)
{
    for (uint32_t i = 0; i < pulse->ledgers_count; i++) {
        const struct wire_pulse_ledger *ledger = &pulse->ledgers[i];

        for (uint32_t j = 0; j < ledger->drops_count; j++) {
            if (text_is_equal(ledger->drops[j].reason, text_of(reason)) &&
                ledger->drops[j].count == count)
                return true;
        }
    }
    return false;
}

static bool has_one_refused(const struct wire_pulse *pulse, uint64_t argument)
{
    (void)argument;
    return has_drop(pulse, "refused", 1);
}

static bool has_sampled(const struct wire_pulse *pulse, uint64_t count)
{
    return pulse->ledgers_count == 1 && pulse->ledgers[0].sampled == count &&
           pulse->ledgers[0].pending == 0;
}

struct event_wanted {
    struct fake_scheduler *fake;
    uint32_t event;
};

static bool has_event(void *context)
{
    struct event_wanted *wanted = context;
    uint32_t count = fake_scheduler_count(wanted->fake, "log");

    for (uint32_t i = 0; i < count; i++) {
        OWN(wire_arena_done) struct wire_arena arena = { 0 };
        struct problem problem;
        struct wire_log log;

        assert_int_equal(
            wire_log_decode(fake_scheduler_body(wanted->fake, "log", i), &arena, &log, &problem),
            0);
        for (uint32_t j = 0; j < log.events_count; j++) {
            if (log.events[j].event == wanted->event) return true;
        }
    }
    return false;
}

static void await_event(struct scene *scene, uint32_t event)
{
    struct event_wanted wanted = { scene->fake, event };

    if (!wait_until(has_event, &wanted, SOON_MS)) fail_msg("no event %s", task_event_slug(event));
}

/* Starts the probe and waits until it watches GET /slow. */
static void start_watching(struct scene *scene, const char *more)
{
    start_host(scene, more);
    watch(scene, "v2");
    ask(scene, "start", "start 0");
    await_event(scene, TASK_EVENT_ARMED);
}

/* On a machine that is busy a thread at nice 10 may outlive the stop that gave up on it. */
static bool has_no_threads(void *context)
{
    struct scene *scene = context;

    return strstr(host_process_ask(scene->host, "threads"), "stakeout-") == NULL;
}

/* ---- claims ---- */

static bool names_function(const struct sample *sample, const char *name)
{
    for (uint32_t i = 0; i < sample->stacks.frame_count; i++) {
        if (text_is_equal(stack_table_text(&sample->stacks, sample->stacks.frames[i].function),
                          text_of(name)))
            return true;
    }
    return false;
}

static void a_slow_call_arrives_with_the_names_of_its_functions(void **state)
{
    struct scene *scene = *state;
    OWN(sample_freep) struct sample *sample = NULL;
    struct problem problem;
    char head[1024];

    start_watching(scene, "STAKEOUT_INSTANCE=web:1");
    ask(scene, "call GET /slow 300", "called");
    await_count(scene, "report", 1);
    if (report_decode(fake_scheduler_body(scene->fake, "report", 0), &sample, &problem) < 0)
        fail_msg("%s", problem.detail);
    assert_string_equal(sample->application, "shop");
    assert_string_equal(sample->instance, "web:1");
    assert_string_equal(sample->interface, "GET /slow");
    assert_string_equal(sample->task.text, TASK);
    assert_int_equal(sample->response_code, 200);
    assert_true(sample->host_ip[0] != '\0');
    assert_true(sample->snapshot_count > 2);
    assert_true(names_function(sample, "handle_request"));
    assert_true(names_function(sample, "main"));
    fake_scheduler_head(scene->fake, head, sizeof head);
    assert_non_null(strstr(head, "\r\nAuthorization: Bearer " SECRET "\r\n"));
    await_pulse(scene, has_sampled, 1);
}

static void a_scheduler_that_comes_late_is_found(void **state)
{
    struct scene *scene = *state;

    stop_fake(scene);
    start_host(scene, NULL);
    ask(scene, "start", "start 0");
    ask(scene, "call GET /fast 1", "called");
    start_fake(scene);
    watch(scene, "v2");
    await_event(scene, TASK_EVENT_ARMED);
    await_pulse(scene, counts_fast_calls, 1);
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 1);
}

static void a_scheduler_that_forgot_is_told_everything_again(void **state)
{
    struct scene *scene = *state;

    start_watching(scene, NULL);
    ask(scene, "call GET /fast 1", "called");
    await_pulse(scene, counts_fast_calls, 1);
    stop_fake(scene);
    start_fake(scene);
    fake_scheduler_set_epoch(scene->fake, 2);
    watch(scene, "v3");
    ask(scene, "call GET /other 1", "called");
    await_pulse(scene, counts_fast_calls, 1);
}

static void a_report_is_sent_until_it_is_acknowledged(void **state)
{
    struct scene *scene = *state;
    struct text first, again;

    start_watching(scene, NULL);
    fake_scheduler_script(scene->fake, "report", (struct fake_script){ .status = 503, .times = 1 });
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 1);
    fake_scheduler_script(scene->fake, "report", (struct fake_script){ .status = 0, .times = 2 });
    await_pulse(scene, has_sampled, 1);
    assert_true(fake_scheduler_count(scene->fake, "report") >= 3);
    first = fake_scheduler_body(scene->fake, "report", 0);
    again =
        fake_scheduler_body(scene->fake, "report", fake_scheduler_count(scene->fake, "report") - 1);
    assert_true(text_is_equal(first, again));
}

static void what_is_refused_is_not_sent_again_but_counted(void **state)
{
    struct scene *scene = *state;

    start_watching(scene, NULL);
    fake_scheduler_script(scene->fake, "report", (struct fake_script){ .status = 400, .times = 9 });
    ask(scene, "call GET /slow 200", "called");
    await_pulse(scene, has_one_refused, 0);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 1);
}

static void try_later_is_tried_later(void **state)
{
    struct scene *scene = *state;

    start_watching(scene, NULL);
    fake_scheduler_script(scene->fake, "report",
                          (struct fake_script){ .status = 429, .retry_after_s = 1, .times = 1 });
    ask(scene, "call GET /slow 200", "called");
    await_pulse(scene, has_sampled, 1);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 2);
}

static void a_task_ends_by_itself(void **state)
{
    struct scene *scene = *state;
    struct wire_poll_task task = slow_task;

    start_host(scene, NULL);
    task.left_ms = 700;
    fake_scheduler_set_tasks(scene->fake, "v2", &task, 1);
    ask(scene, "start", "start 0");
    await_event(scene, TASK_EVENT_DISARMED);
    ask(scene, "call GET /slow 200", "called");
    ask(scene, "call GET /fast 1", "called");
    host_process_tell(scene->host, "exit 0");
    await_pulse(scene, is_last_of, (uint64_t)host_process_pid(scene->host));
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 0);
}

static void a_task_that_is_taken_back_is_not_watched_any_more(void **state)
{
    struct scene *scene = *state;

    start_watching(scene, NULL);
    fake_scheduler_set_tasks(scene->fake, "v3", NULL, 0);
    await_event(scene, TASK_EVENT_DISARMED);
    ask(scene, "call GET /slow 200", "called");
    host_process_tell(scene->host, "exit 0");
    await_pulse(scene, is_last_of, (uint64_t)host_process_pid(scene->host));
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 0);
}

static void the_switch_switches_everything_off(void **state)
{
    struct scene *scene = *state;

    start_host(scene, "STAKEOUT=off");
    ask(scene, "start", "start 0");
    ask(scene, "call GET /slow 100", "called");
    ask(scene, "handler", "handler default");
    assert_true(has_no_threads(scene));
    assert_int_equal(end_host(scene), 0);
    assert_int_equal(fake_scheduler_count(scene->fake, "poll"), 0);
    assert_int_equal(fake_scheduler_count(scene->fake, "pulse"), 0);
}

static void a_server_that_cannot_be_is_refused_with_a_sentence(void **state)
{
    struct scene *scene = *state;
    char expected[32], line[512] = "";
    FILE *log;

    snprintf(scene->log, sizeof scene->log, "/tmp/stakeout_log_%d", (int)getpid());
    snprintf(line, sizeof line, "STAKEOUT_LOG=%s", scene->log);
    scene->host = host_process_start(
        host_program, (const char *[]){ "STAKEOUT_SERVER=https://localhost:7411", line, NULL });
    snprintf(expected, sizeof expected, "start %d", -EINVAL);
    ask(scene, "start", expected);
    log = fopen(scene->log, "re");
    assert_non_null(log);
    assert_non_null(fgets(line, sizeof line, log));
    fclose(log);
    assert_non_null(strstr(line, "https is not available"));
}

/* What the link said to its log until a word appeared. */
struct log_wanted {
    const char *path, *word;
};

static bool log_says(void *context)
{
    struct log_wanted *wanted = context;
    char text[8192] = "";
    FILE *log = fopen(wanted->path, "re");

    if (!log) return false;
    text[fread(text, 1, sizeof text - 1, log)] = '\0';
    fclose(log);
    return strstr(text, wanted->word) != NULL;
}

static void the_log_says_where_it_connects_and_why_not(void **state)
{
    struct scene *scene = *state;
    struct log_wanted wanted;

    snprintf(scene->log, sizeof scene->log, "/tmp/stakeout_log_%d", (int)getpid());
    wanted = (struct log_wanted){ scene->log, "Connection refused" };
    stop_fake(scene);
    start_host(scene, NULL);
    ask(scene, "start", "start 0");
    assert_true(wait_until(log_says, &wanted, SOON_MS));
    start_fake(scene);
    wanted.word = "connected to http://127.0.0.1:";
    assert_true(wait_until(log_says, &wanted, SOON_MS));
}

static void without_threads_it_says_so_and_the_host_goes_on(void **state)
{
    struct scene *scene = *state;
    char again[32];

    snprintf(again, sizeof again, "start %d", -EAGAIN);
    start_host(scene, "ASAN_OPTIONS=detect_leaks=0"); /* that would need a thread of its own */
    ask(scene, "no-threads", "refused");
    ask(scene, "start", again);
    ask(scene, "call GET /slow 100", "called");
    ask(scene, "handler", "handler default");
    assert_int_equal(end_host(scene), 0);
}

/* A plug-in's way: opened, started and closed again at run time. */
static void closed_by_dlclose_it_stays_and_flushes_at_exit(void **state)
{
    struct scene *scene = *state;
    uint64_t pid;

    scene->program = plugin_program;
    start_host(scene, NULL);
    pid = (uint64_t)host_process_pid(scene->host);
    assert_string_equal(host_process_hear(scene->host), "closed");
    await_pulse(scene, is_any, 0);
    assert_int_equal(end_host(scene), 0);
    await_pulse(scene, is_last_of, pid);
}

static void no_descriptor_of_the_hosts_is_taken(void **state)
{
    struct scene *scene = *state;
    char before[8192];

    start_host(scene, NULL);
    snprintf(before, sizeof before, "%s", host_process_ask(scene->host, "fds"));
    watch(scene, "v2");
    ask(scene, "start", "start 0");
    await_event(scene, TASK_EVENT_ARMED);
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 1);
    ask(scene, "fds", before);
    host_process_ask(scene->host, "stop");
    ask(scene, "fds", before);
}

static void a_host_that_closes_everything_and_runs_out_does_not_matter(void **state)
{
    struct scene *scene = *state;

    start_watching(scene, NULL);
    await_pulse(scene, is_any, 0);
    ask(scene, "close-all", "closed");
    stop_fake(scene);
    start_fake(scene);
    watch(scene, "v3");
    await_count(scene, "poll", 1);
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 1);
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

    start_host(scene, NULL);
    ask(scene, "no-unshare", "refused");
    watch(scene, "v2");
    ask(scene, "start", "start 0");
    await_event(scene, TASK_EVENT_ARMED);
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 1);
    assert_far_up(host_process_ask(scene->host, "fds"));
    ask(scene, "close-all", "closed");
    watch(scene, "v3");
    await_count(scene, "poll", 3);
}

static void its_threads_are_named_nice_and_deaf(void **state)
{
    static const struct {
        const char *name;
        int nice;
    } threads[] = { { "stakeout-link", 10 }, { "stakeout-poll", 10 }, { "stakeout-sample", 0 } };
    struct scene *scene = *state;
    const char *heard;

    start_watching(scene, NULL);
    heard = host_process_ask(scene->host, "threads");
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
        char wanted[64];
        const char *at;
        unsigned long long blocked;

        snprintf(wanted, sizeof wanted, " %s/%d/", threads[i].name, threads[i].nice);
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
    start_host(scene, NULL);
    ask(scene, "start", "start 0");
    ask(scene, "start", already);
    ask(scene, "call GET /fast 1", "called");
}

static void stopped_and_started_again_it_is_the_same_instance(void **state)
{
    struct scene *scene = *state;
    struct wire_pulse before, after;

    start_watching(scene, NULL);
    ask(scene, "call GET /fast 1", "called");
    host_process_ask(scene->host, "stop");
    before = await_pulse(scene, is_last_of, (uint64_t)host_process_pid(scene->host));
    assert_true(wait_until(has_no_threads, scene, SOON_MS));
    ask(scene, "call GET /fast 1", "called");

    fake_scheduler_set_tasks(scene->fake, "v3", &slow_task, 1);
    ask(scene, "start", "start 0");
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 1);
    host_process_tell(scene->host, "exit 0");
    await_pulse(scene, has_sampled, 1);
    after = await_pulse(scene, is_any, 0);
    assert_int_equal(after.incarnation, before.incarnation);
}

static void exit_sends_what_is_there(void **state)
{
    struct scene *scene = *state;
    uint64_t pid;

    start_watching(scene, NULL);
    pid = (uint64_t)host_process_pid(scene->host);
    host_process_tell(scene->host, "call GET /slow 200");
    host_process_tell(scene->host, "exit 3");
    assert_int_equal(end_host(scene), 3);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 1);
    await_pulse(scene, is_last_of, pid);
}

/* One that accepts connections and never says a word. */
static void a_scheduler_that_hangs_does_not_hold_up_a_stop(void **state)
{
    struct scene *scene = *state;
    const char *heard;

    start_watching(scene, NULL);
    fake_scheduler_set_silent(scene->fake, true);
    ask(scene, "call GET /slow 200", "called");
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

    start_watching(scene, NULL);
    parent = await_pulse(scene, is_of_pid, (uint64_t)host_process_pid(scene->host));
    assert_int_equal(
        sscanf(host_process_ask(scene->host, "fork GET /fast 1"), "forked %d %d", &pid, &status),
        2);
    assert_int_equal(status, 7);
    child = await_pulse(scene, is_last_of, (uint64_t)pid);
    assert_int_not_equal(child.incarnation, parent.incarnation);

    /* And the parent goes on. */
    ask(scene, "call GET /slow 200", "called");
    await_pulse(scene, has_sampled, 1);
}

static void a_forked_child_without_a_call_is_nobody(void **state)
{
    struct scene *scene = *state;
    int pid = 0, status = 0;
    uint32_t polls;

    start_watching(scene, NULL);
    polls = fake_scheduler_count(scene->fake, "poll");
    assert_int_equal(
        sscanf(host_process_ask(scene->host, "fork-idle"), "forked %d %d", &pid, &status), 2);
    assert_int_equal(status, 7);
    assert_int_equal(fake_scheduler_count(scene->fake, "poll"), polls);
    ask(scene, "call GET /slow 200", "called");
    await_pulse(scene, has_sampled, 1);
}

static bool is_behind_by(const struct wire_pulse *pulse, uint64_t pending)
{
    return pulse->ledgers_count == 1 && pulse->ledgers[0].pending == pending;
}

static void a_report_that_cannot_be_digested_holds_up_nothing_else(void **state)
{
    struct scene *scene = *state;

    start_watching(scene, NULL);
    fake_scheduler_script(scene->fake, "report",
                          (struct fake_script){ .status = 500, .times = 1000 });
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 2);
    ask(scene, "call GET /fast 1", "called");
    await_pulse(scene, counts_fast_calls, 1);
    await_pulse(scene, is_behind_by, 1);
    fake_scheduler_script(scene->fake, "report", (struct fake_script){ .times = 0 });
    await_pulse(scene, has_sampled, 1);
}

/* The first body of a kind that is the same as the one behind it; -1 if there is none. */
static int32_t find_resent(struct fake_scheduler *fake, const char *kind)
{
    uint32_t count = fake_scheduler_count(fake, kind);

    for (uint32_t i = 0; i + 1 < count; i++) {
        if (text_is_equal(fake_scheduler_body(fake, kind, i),
                          fake_scheduler_body(fake, kind, i + 1)))
            return (int32_t)i;
    }
    return -1;
}

static bool has_resent_pulse(void *fake)
{
    return find_resent(fake, "pulse") >= 0;
}

static void a_pulse_is_resent_unchanged_until_it_is_acknowledged(void **state)
{
    struct scene *scene = *state;

    fake_scheduler_script(scene->fake, "pulse", (struct fake_script){ .status = 503, .times = 2 });
    start_watching(scene, NULL);
    ask(scene, "call GET /fast 1", "called");
    assert_true(wait_until(has_resent_pulse, scene->fake, SOON_MS));
    await_pulse(scene, counts_fast_calls, 1);
}

/* The sequence of the first event of a log request. */
static uint64_t first_sequence(struct fake_scheduler *fake, uint32_t index)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct problem problem;
    struct wire_log log;

    assert_int_equal(
        wire_log_decode(fake_scheduler_body(fake, "log", index), &arena, &log, &problem), 0);
    assert_true(log.events_count > 0);
    return log.events[0].sequence;
}

static void a_log_that_was_not_acknowledged_keeps_its_sequence(void **state)
{
    struct scene *scene = *state;

    fake_scheduler_script(scene->fake, "log", (struct fake_script){ .status = 0, .times = 1 });
    start_watching(scene, NULL);
    await_count(scene, "log", 2);
    assert_int_equal(first_sequence(scene->fake, 0), 1);
    assert_int_equal(first_sequence(scene->fake, 1), 1);
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "log", 3);
    assert_true(first_sequence(scene->fake, 2) > 1);
}

static void a_poll_names_the_version_that_it_has(void **state)
{
    static const char *const versions[] = { "", "v2", "v3" };
    struct scene *scene = *state;

    start_watching(scene, NULL);
    watch(scene, "v3");
    await_count(scene, "poll", 3);
    for (uint32_t i = 0; i < ARRAY_COUNT(versions); i++) {
        OWN(wire_arena_done) struct wire_arena arena = { 0 };
        struct problem problem;
        struct wire_poll poll;

        assert_int_equal(
            wire_poll_decode(fake_scheduler_body(scene->fake, "poll", i), &arena, &poll, &problem),
            0);
        assert_true(text_is_equal(poll.version, text_of(versions[i])));
        assert_true(text_is_equal(poll.application, TEXT("shop")));
    }
}

static bool has_no_interfaces(const struct wire_pulse *pulse, uint64_t pid)
{
    return is_last_of(pulse, pid) && !has_interface(pulse, "GET /fast", 1);
}

static void without_statistics_slow_calls_are_still_caught(void **state)
{
    struct scene *scene = *state;

    start_watching(scene, "STAKEOUT_STATISTICS=off");
    ask(scene, "call GET /fast 1", "called");
    ask(scene, "call GET /slow 200", "called"); /* new: watched from the next scan */
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 1);
    host_process_tell(scene->host, "exit 0");
    await_pulse(scene, has_no_interfaces, (uint64_t)host_process_pid(scene->host));
}

static void a_named_server_is_looked_up(void **state)
{
    struct scene *scene = *state;

    scene->name = "localhost";
    start_watching(scene, NULL);
    ask(scene, "call GET /slow 200", "called");
    await_count(scene, "report", 1);
}

static void a_name_that_nobody_has_is_said_in_the_log(void **state)
{
    struct scene *scene = *state;
    struct log_wanted wanted;

    snprintf(scene->log, sizeof scene->log, "/tmp/stakeout_log_%d", (int)getpid());
    wanted = (struct log_wanted){ scene->log, "its host name has no address" };
    scene->name = "no-such-host.invalid";
    start_host(scene, NULL);
    ask(scene, "start", "start 0");
    assert_true(wait_until(log_says, &wanted, SOON_MS));
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
    start_watching(scene, NULL);
    ask(scene, "break", "broken");
    await_pulse(scene, has_broken, 0);
    threads = host_process_ask(scene->host, "threads");
    assert_null(strstr(threads, "stakeout-poll"));
    assert_null(strstr(threads, "stakeout-sample"));
    ask(scene, "call GET /slow 100", "called");
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 0);

    host_process_ask(scene->host, "stop");
    ask(scene, "start", "start 0");
    ask(scene, "call GET /slow 300", "called");
    host_process_tell(scene->host, "exit 5");
    assert_int_equal(end_host(scene), 5);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 1);
}

#define CLAIM(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_slow_call_arrives_with_the_names_of_its_functions),
        CLAIM(a_scheduler_that_comes_late_is_found),
        CLAIM(a_scheduler_that_forgot_is_told_everything_again),
        CLAIM(a_report_is_sent_until_it_is_acknowledged),
        CLAIM(what_is_refused_is_not_sent_again_but_counted),
        CLAIM(try_later_is_tried_later),
        CLAIM(a_task_ends_by_itself),
        CLAIM(a_task_that_is_taken_back_is_not_watched_any_more),
        CLAIM(the_switch_switches_everything_off),
        CLAIM(a_server_that_cannot_be_is_refused_with_a_sentence),
        CLAIM(the_log_says_where_it_connects_and_why_not),
        CLAIM(without_threads_it_says_so_and_the_host_goes_on),
        CLAIM(closed_by_dlclose_it_stays_and_flushes_at_exit),
        CLAIM(no_descriptor_of_the_hosts_is_taken),
        CLAIM(a_host_that_closes_everything_and_runs_out_does_not_matter),
        CLAIM(without_a_table_of_its_own_it_stays_out_of_the_way),
        CLAIM(its_threads_are_named_nice_and_deaf),
        CLAIM(started_twice_it_says_so),
        CLAIM(stopped_and_started_again_it_is_the_same_instance),
        CLAIM(exit_sends_what_is_there),
        CLAIM(a_scheduler_that_hangs_does_not_hold_up_a_stop),
        CLAIM(a_forked_child_is_an_instance_of_its_own_once_it_begins_a_call),
        CLAIM(a_forked_child_without_a_call_is_nobody),
        CLAIM(a_report_that_cannot_be_digested_holds_up_nothing_else),
        CLAIM(a_pulse_is_resent_unchanged_until_it_is_acknowledged),
        CLAIM(a_log_that_was_not_acknowledged_keeps_its_sequence),
        CLAIM(a_poll_names_the_version_that_it_has),
        CLAIM(without_statistics_slow_calls_are_still_caught),
        CLAIM(a_named_server_is_looked_up),
        CLAIM(a_name_that_nobody_has_is_said_in_the_log),
        CLAIM(a_broken_invariant_switches_the_probe_off_and_not_the_host),
    };

    CHECK(argc >= 4);
    host_program = argv[1];
    inside_program = argv[2];
    plugin_program = argv[3];
    if (argc > 4) cmocka_set_test_filter(argv[4]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
