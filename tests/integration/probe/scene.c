/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/scene.h"

#include "common/base/own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *scene_program;

const struct wire_poll_task scene_slow_task = {
    .id = { SCENE_TASK, TASK_ID_SIZE },
    .interface = { "GET /slow", 9 },
    .state = TASK_ACTIVE,
    .threshold_ms = 50,
    .frequency_ms = 10,
    .sample_cap = 10,
    .left_ms = 300000,
};

/* ---- the scene ---- */

void scene_stop_fake(struct scene *scene)
{
    fake_scheduler_stop(scene->fake);
    scene->fake = NULL;
}

void scene_start_fake(struct scene *scene)
{
    scene->fake = fake_scheduler_start(scene->port);
    scene->port = fake_scheduler_port(scene->fake);
}

void scene_start_host(struct scene *scene, const char *more)
{
    char log[80] = "STAKEOUT_DUMMY=";
    const char *variables[] = {
        scene->server, "STAKEOUT_APPLICATION=shop",       "STAKEOUT_TOKEN=" SCENE_SECRET,
        log,           more ? more : "STAKEOUT_NOTHING=", NULL
    };

    snprintf(scene->server, sizeof scene->server, "STAKEOUT_SERVER=http://%s:%u",
             scene->name ? scene->name : "127.0.0.1", (unsigned)scene->port);
    if (scene->log[0]) snprintf(log, sizeof log, "STAKEOUT_LOG=%s", scene->log);
    scene->host = host_process_start(scene->program ? scene->program : scene_program, variables);
}

void scene_ask(struct scene *scene, const char *command, const char *answer)
{
    const char *heard = host_process_ask(scene->host, command);

    if (strcmp(heard, answer) != 0) fail_msg("'%s' was answered '%s'", command, heard);
}

/* Ends the host and returns its exit code. */
int scene_end_host(struct scene *scene)
{
    struct host_process *host = scene->host;

    scene->host = NULL;
    return host_process_end(host);
}

void scene_watch(struct scene *scene, const char *version)
{
    fake_scheduler_set_tasks(scene->fake, version, &scene_slow_task, 1);
}

int scene_setup(void **state)
{
    struct scene *scene = mem_zalloc(1, sizeof *scene);

    scene_start_fake(scene);
    *state = scene;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *scene = *state;

    if (scene->host) host_process_end(scene->host);
    fake_scheduler_stop(scene->fake);
    if (scene->log[0]) unlink(scene->log);
    free(scene);
    return 0;
}

/* ---- what is waited for ---- */

void scene_want_log(struct scene *scene)
{
    snprintf(scene->log, sizeof scene->log, "/tmp/stakeout_log_%d", (int)getpid());
}

struct words_wanted {
    const char *path, *words;
    char text[8192];
};

static bool log_says(void *context)
{
    struct words_wanted *wanted = context;
    FILE *log = fopen(wanted->path, "re");
    size_t size;

    if (!log) return false;
    size = fread(wanted->text, 1, sizeof wanted->text - 1, log);
    wanted->text[size] = '\0';
    fclose(log);
    return strstr(wanted->text, wanted->words) != NULL;
}

void scene_await_log(struct scene *scene, const char *words)
{
    struct words_wanted wanted = { scene->log, words, "" };

    if (!wait_until(log_says, &wanted, SOON_MS))
        fail_msg("no '%s' in the log:\n%s", words, wanted.text);
}

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

void scene_await_count(struct scene *scene, const char *kind, uint32_t count)
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

struct wire_pulse scene_await_pulse(struct scene *scene,
                                    bool (*is_wanted)(const struct wire_pulse *, uint64_t),
                                    uint64_t argument)
{
    struct pulse_search search = { scene->fake, is_wanted, argument, { 0 } };

    if (!wait_until(find_pulse, &search, SOON_MS)) fail_msg("no such pulse");
    return search.found;
}

bool pulse_is_any(const struct wire_pulse *pulse, uint64_t argument)
{
    (void)pulse;
    (void)argument;
    return true;
}

bool pulse_is_last_of(const struct wire_pulse *pulse, uint64_t pid)
{
    return pulse->is_last && pulse->pid == pid;
}

bool pulse_has_interface(const struct wire_pulse *pulse, const char *name, uint64_t count)
{
    for (uint32_t i = 0; i < pulse->interfaces_count; i++) {
        if (text_is_equal(pulse->interfaces[i].name, text_of(name)) &&
            pulse->interfaces[i].count == count)
            return true;
    }
    return false;
}

bool pulse_counts_fast_calls(const struct wire_pulse *pulse, uint64_t count)
{
    return pulse_has_interface(pulse, "GET /fast", count);
}

bool pulse_has_sampled(const struct wire_pulse *pulse, uint64_t count)
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

void scene_await_event(struct scene *scene, uint32_t event)
{
    struct event_wanted wanted = { scene->fake, event };

    if (!wait_until(has_event, &wanted, SOON_MS)) fail_msg("no event %s", task_event_slug(event));
}

/* Starts the probe and waits until it watches GET /slow. */
void scene_start_watching(struct scene *scene, const char *more)
{
    scene_start_host(scene, more);
    scene_watch(scene, "v2");
    scene_ask(scene, "start", "start 0");
    scene_await_event(scene, TASK_EVENT_ARMED);
}
