/* SPDX-License-Identifier: Apache-2.0 */
/* The state that an earlier release wrote is opened by this one, and says what it said then; its
 * index, which that release did not know, is made; and a scheduler of that release may go on
 * changing tasks beside this one.
 *
 * states/RELEASE holds the append-only files of that release's Redis, and what it answered. They
 * were made by this program, and so is the next one, with the program of the release:
 *
 *     test_integration_scheduler_upgrade make STAKEOUTD FOLDER
 *
 * What makes them is tested, too: with this release's own program. Answers may have more members
 * than then. */
#include "common/base/clock.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 3, PATH_SIZE = 256, COMMAND_SIZE = 1024, WAIT_MS = 20000 };

static const char application[] = "shop";

/* Making a state ---------------------------------------------------------------------------- */

static void run(const char *command)
{
    if (system(command) != 0) fail_msg("%s", command);
}

static void remember(json_t *answers, const char *format, const char *id)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/api/v1/%s/%s", format, id);
    json_object_set_new(answers, path, scheduler_get(path));
}

static void remember_of(json_t *answers, const char *id, const char *what)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/api/v1/tasks/%s/%s", id, what);
    json_object_set_new(answers, path, scheduler_get(path));
}

/* A task that is over, with samples, a ledger and a log; and one that goes on. */
static json_t *make_world(void)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, application, "host-1:17");
    struct fake_calls calls = { .interface = "POST /checkout",
                                .count = 7,
                                .each_ns = NS_PER_MS,
                                .seen = 7,
                                .triggered = 3,
                                .sampled = 3 };
    struct sample_id sample = sample_id_make();
    struct trace_id trace = trace_id_make();
    char ended[TASK_ID_SIZE + 1], active[TASK_ID_SIZE + 1];
    json_t *answers = json_object();

    scheduler_create_task(application, ",\"sample_cap\":3,\"note\":\"the night's timeouts\"",
                          ended);
    calls.task = ended;
    fake_probe_poll(&probe);
    for (int i = 0; i < SAMPLES; i++) {
        fake_probe_report(
            &probe,
            &(struct fake_sample){ .task = ended, .trace = &trace, .id = i == 0 ? &sample : NULL });
    }
    fake_probe_pulse(&probe, &calls, 1);
    scheduler_create_task(application, "", active);
    remember(answers, "tasks", ended);
    remember(answers, "samples", sample.text);
    remember(answers, "traces", trace.text);
    remember_of(answers, ended, "samples");
    remember_of(answers, ended, "log");
    remember_of(answers, ended, "ledger");
    remember_of(answers, ended, "analysis");
    return json_pack("{s:s, s:s, s:o}", "ended", ended, "active", active, "answers", answers);
}

static void make_state(const char *program, const char *folder)
{
    char command[COMMAND_SIZE], path[PATH_SIZE];
    json_t *world;

    scheduler = (struct scheduler_process){ .program = program };
    scheduler_process_start(&scheduler);
    world = make_world();
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    snprintf(command, sizeof command, "mkdir -p '%s' && cp '%s'/state/redis/appendonlydir/* '%s'",
             folder, scheduler.directory, folder);
    run(command);
    snprintf(path, sizeof path, "%s/answers.json", folder);
    assert_int_equal(json_dump_file(world, path, JSON_INDENT(1) | JSON_SORT_KEYS), 0);
    json_decref(world);
    scheduler_process_done(&scheduler);
}

/* Opening it -------------------------------------------------------------------------------- */

static json_t *open_state(const char *folder)
{
    char command[COMMAND_SIZE], path[PATH_SIZE];
    json_t *world;

    scheduler = (struct scheduler_process){ .options = { "--retention-days", "3650" } };
    snprintf(scheduler.directory, sizeof scheduler.directory, "/tmp/stakeout-test-XXXXXX");
    assert_non_null(mkdtemp(scheduler.directory));
    snprintf(command, sizeof command,
             "umask 077; mkdir -p '%s'/state/redis/appendonlydir && "
             "cp '%s'/appendonly.aof.* '%s'/state/redis/appendonlydir",
             scheduler.directory, folder, scheduler.directory);
    run(command);
    snprintf(path, sizeof path, "%s/answers.json", folder);
    world = json_load_file(path, 0, NULL);
    if (!world) fail_msg("%s cannot be read", path);
    scheduler_process_start(&scheduler);
    snprintf(scheduler_redis.socket, sizeof scheduler_redis.socket, "%s/state/redis/redis.sock",
             scheduler.directory);
    return world;
}

/* Sentences may be worded better than then. */
static bool is_sentence(const char *name)
{
    return strcmp(name, "verdict") == 0 || strcmp(name, "findings") == 0;
}

/* All that was said then is said now. */
static bool says(const json_t *now, const json_t *then)
{
    const char *name;
    json_t *value;
    size_t index;

    if (json_is_object(then)) {
        json_object_foreach((json_t *)then, name, value)
        {
            if (!is_sentence(name) && !says(json_object_get(now, name), value)) return false;
        }
        return json_is_object(now);
    }
    if (!json_is_array(then)) return json_equal(now, then);
    json_array_foreach(then, index, value)
    {
        if (!says(json_array_get(now, index), value)) return false;
    }
    return json_array_size(now) == json_array_size(then);
}

static void assert_says_what_it_said(json_t *world)
{
    const char *path;
    json_t *then;

    json_object_foreach(json_object_get(world, "answers"), path, then)
    {
        json_t *now = scheduler_get(path);

        if (!says(now, then))
            fail_msg("%s: then\n%s\nnow\n%s", path, json_dumps(then, 0), json_dumps(now, 0));
        json_decref(now);
    }
}

/* The index --------------------------------------------------------------------------------- */

static bool finds(const char *query, const char *task)
{
    char path[PATH_SIZE];
    bool has = false;
    json_t *page;

    snprintf(path, sizeof path, "/api/v1/tasks?application=%s&%s", application, query);
    page = scheduler_get(path);
    for (size_t i = 0; i < json_array_size(json_object_get(page, "tasks")); i++) {
        const json_t *found = json_array_get(json_object_get(page, "tasks"), i);
        has |= strcmp(text_at(found, "id"), task) == 0;
    }
    json_decref(page);
    return has;
}

static bool is_indexed(void *context)
{
    char indexed[64];

    (void)context;
    snprintf(indexed, sizeof indexed, "%s",
             redis_process_ask(&scheduler_redis, "get 'stakeout:{shop}:indexed'"));
    return strcmp(indexed, redis_process_ask(&scheduler_redis, "get 'stakeout:{shop}:version'")) ==
           0;
}

static void assert_is_found(const char *ended)
{
    assert_true(finds("state=FILLED", ended));
    assert_true(finds("interface=POST%20/checkout", ended));
    assert_false(finds("state=CANCELLED", ended));
    assert_false(finds("interface=GET%20/", ended));
}

/* The other release ------------------------------------------------------------------------- */

static bool is_over(void *context)
{
    struct fake_probe *probe = ((void **)context)[0];

    return !fake_probe_is_told(probe, ((void **)context)[1]);
}

/* As its scheduler does, by the functions that it left in Redis. */
static void cancel_by(const char *release, const char *task)
{
    static const char keys[] = "'stakeout:{shop}:live' 'stakeout:{shop}:version' "
                               "'stakeout:{shop}:ended' 'stakeout:{shop}:stored'";
    char command[COMMAND_SIZE];

    snprintf(
        command, sizeof command,
        "fcall stakeout_%s_cancel 6 %s 'stakeout:{shop}:task:%s' 'stakeout:{shop}:task:%s:log' "
        "%s neighbour",
        release, keys, task, task, task);
    assert_string_equal(redis_process_ask(&scheduler_redis, command), "DONE");
}

static void assert_neighbours_get_on(const char *release)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, application, "host-2:17");
    char task[TASK_ID_SIZE + 1];

    scheduler_create_task(application, "", task);
    assert_true(fake_probe_is_told(&probe, task));
    cancel_by(release, task);
    assert_true(finds("state=CANCELLED", task)); /* the index is behind, and not believed */
    assert_true(wait_until(is_over, (void *[]){ &probe, task }, WAIT_MS));
    assert_true(finds("interface=POST%20/checkout&state=CANCELLED", task));
}

/* ------------------------------------------------------------------------------------------- */

static void what_the_first_release_wrote_is_opened(void **state)
{
    json_t *world = open_state(STATES "/0.1.0"), *active;
    const char *ended = text_at(world, "ended");

    (void)state;
    assert_says_what_it_said(world);
    assert_is_found(ended);
    assert_true(wait_until(is_indexed, NULL, WAIT_MS));
    assert_is_found(ended);
    active = scheduler_get_task(text_at(world, "active"), "");
    assert_string_equal(text_at(active, "state"), "EXPIRED"); /* on time, long ago */
    assert_string_equal(text_at(active, "ended"), text_at(active, "ends"));
    json_decref(active);
    assert_neighbours_get_on("v1");
    json_decref(world);
    scheduler_process_done(&scheduler);
}

static void what_this_release_writes_is_opened(void **state)
{
    char folder[64] = "/tmp/stakeout-state-XXXXXX", command[COMMAND_SIZE];
    json_t *world, *active;

    (void)state;
    assert_non_null(mkdtemp(folder));
    make_state(NULL, folder);
    world = open_state(folder);
    assert_says_what_it_said(world);
    assert_true(is_indexed(NULL));
    assert_is_found(text_at(world, "ended"));
    active = scheduler_get_task(text_at(world, "active"), "");
    assert_string_equal(text_at(active, "state"), "ACTIVE");
    json_decref(active);
    json_decref(world);
    scheduler_process_done(&scheduler);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    run(command);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_first_release_wrote_is_opened),
        cmocka_unit_test(what_this_release_writes_is_opened),
    };

    if (argc == 4 && strcmp(argv[1], "make") == 0) {
        make_state(argv[2], argv[3]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
