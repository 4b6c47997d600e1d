/* SPDX-License-Identifier: Apache-2.0 */
/* A backup is taken of a scheduler that runs, and of one that does not; what is restored from it
 * answers byte by byte as the first one did. What is no backup, or not whole, is refused, and so
 * is a state directory that holds something. */
#include "common/base/clock.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLES = 3, PATHS = 12, PATH_SIZE = 160, OUTPUT_SIZE = 4096, PARKED_MS = 20000 };

struct world {
    char ended[TASK_ID_SIZE + 1], active[TASK_ID_SIZE + 1];
    struct sample_id sample;
    struct trace_id trace;
    size_t path_count;
    struct buf bodies[PATHS];
    char folder[PATH_SIZE]; /* of backups */
};

static struct world world;
static char paths[PATHS][PATH_SIZE];

/* Asking ------------------------------------------------------------------------------------ */

static void read_body(uint16_t port, const char *path, struct buf *ret)
{
    struct api_answer answer;

    api_ask(&(struct api_call){ .port = port, .path = path }, &answer);
    if (answer.status != 200) fail_msg("%s: %d", path, answer.status);
    *ret = answer.body;
    answer.body = BUF_INIT(0);
    api_answer_done(&answer);
}

static void add_path(const char *format, const char *id)
{
    char *path = paths[world.path_count++];

    assert_true(world.path_count <= PATHS);
    snprintf(path, PATH_SIZE, format, id);
}

static void remember_answers(void)
{
    for (size_t i = 0; i < world.path_count; i++) {
        buf_done(&world.bodies[i]);
        read_body(scheduler.port, paths[i], &world.bodies[i]);
    }
}

static void assert_same_answers(const struct scheduler_process *restored)
{
    for (size_t i = 0; i < world.path_count; i++) {
        struct buf body;

        read_body(restored->port, paths[i], &body);
        if (!text_is_equal(buf_peek(&body), buf_peek(&world.bodies[i])))
            fail_msg("%s:\n%.*s\nand restored:\n%.*s", paths[i],
                     TEXT_ARGS(buf_peek(&world.bodies[i])), TEXT_ARGS(buf_peek(&body)));
        buf_done(&body);
    }
}

/* Commands ---------------------------------------------------------------------------------- */

static const char *backup_path(const char *name)
{
    static char path[2 * PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", world.folder, name);
    return path;
}

static int run(struct scheduler_process *process, const char *verb, const char *backup)
{
    const char *const words[] = { verb, backup_path(backup), NULL };
    char output[OUTPUT_SIZE];

    return scheduler_process_command(process, words, output, sizeof output);
}

/* The world --------------------------------------------------------------------------------- */

static int start(void **state)
{
    char symbols[PATH_SIZE], file[PATH_SIZE + 16];
    struct fake_probe probe;

    scheduler_setup(state);
    probe = FAKE_PROBE(scheduler.port, "kept", "host-1:1");
    world.sample = sample_id_make();
    world.trace = trace_id_make();
    scheduler_create_task("kept", ",\"sample_cap\":3,\"note\":\"why\"", world.ended);
    for (int i = 0; i < SAMPLES; i++) {
        struct fake_sample sample = { .task = world.ended, .trace = &world.trace };

        if (i == 0) sample.id = &world.sample;
        assert_int_equal(fake_probe_report(&probe, &sample), REPORT_ACCEPTED);
    }
    scheduler_create_task("kept", "", world.active);
    add_path("/api/v1/tasks%s", "");
    add_path("/api/v1/tasks?state=FILLED%s", "");
    add_path("/api/v1/tasks/%s", world.ended);
    add_path("/api/v1/tasks/%s/samples", world.ended);
    add_path("/api/v1/tasks/%s/log", world.ended);
    add_path("/api/v1/tasks/%s/analysis", world.ended);
    add_path("/api/v1/samples/%s", world.sample.text);
    add_path("/api/v1/samples/%s/analysis?format=folded", world.sample.text);
    add_path("/api/v1/traces/%s", world.trace.text);
    add_path("/api/v1/tasks/%s/log", world.active);
    remember_answers();
    snprintf(world.folder, sizeof world.folder, "%s/backups", scheduler.directory);
    assert_int_equal(mkdir(world.folder, 0700), 0);
    snprintf(symbols, sizeof symbols, "%s/state/symbols/uploaded/.build-id/ab",
             scheduler.directory);
    assert_int_equal(mkdir(symbols, 0700), 0);
    snprintf(file, sizeof file, "%s/cdef.debug", symbols);
    assert_int_equal(close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    return 0;
}

static int end(void **state)
{
    for (size_t i = 0; i < world.path_count; i++) {
        buf_done(&world.bodies[i]);
    }
    return scheduler_teardown(state);
}

static bool has_symbols(const struct scheduler_process *process)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s/state/symbols/uploaded/.build-id/ab/cdef.debug",
             process->directory);
    return access(path, F_OK) == 0;
}

/* What it says ------------------------------------------------------------------------------ */

/* A probe that knows what came after the backup is not left waiting with it. */
static void what_runs_is_backed_up_and_restored(void **state)
{
    struct scheduler_process restored = { 0 };
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "kept", "host-2:1");
    struct api_answer answer;
    char later[TASK_ID_SIZE + 1];
    uint64_t now_ns;

    (void)state;
    assert_int_equal(run(&scheduler, "backup", "running"), 0);
    scheduler_create_task("later", "", later);
    probe.application = "later";
    fake_probe_poll(&probe);

    assert_int_equal(run(&restored, "restore", "running"), 0);
    assert_true(has_symbols(&restored));
    scheduler_process_start(&restored);
    assert_same_answers(&restored);

    probe.port = restored.port;
    now_ns = clock_monotonic_ns();
    fake_probe_park(&probe);
    api_receive(probe.parked, &answer);
    probe.parked = 0;
    assert_int_equal(answer.status, 200);
    assert_true(clock_monotonic_ns() - now_ns < ms_to_ns(PARKED_MS));
    api_answer_done(&answer);
    assert_false(fake_probe_is_told(&probe, later));
    probe.application = "kept";
    assert_true(fake_probe_is_told(&probe, world.active));

    /* It is a state like any other: kept, and not to be written over. */
    scheduler_process_kill(&restored);
    scheduler_process_start(&restored);
    assert_same_answers(&restored);
    assert_int_equal(scheduler_process_stop(&restored), 0);
    assert_int_equal(run(&restored, "restore", "running"), 1);
    scheduler_process_done(&restored);
}

static void what_does_not_run_is_backed_up_too(void **state)
{
    struct scheduler_process restored = { 0 };

    (void)state;
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    assert_int_equal(run(&scheduler, "backup", "stopped"), 0);
    scheduler_process_start(&scheduler);
    remember_answers(); /* there is one more task now */
    assert_int_equal(run(&restored, "restore", "stopped"), 0);
    scheduler_process_start(&restored);
    assert_same_answers(&restored);
    scheduler_process_done(&restored);
}

static void damage(const char *name)
{
    char byte;
    int fd = open(backup_path(name), O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 100), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
    close(fd);
}

static void what_is_no_whole_backup_is_refused(void **state)
{
    struct scheduler_process restored = { 0 };

    (void)state;
    assert_int_equal(run(&scheduler, "backup", "damaged"), 0);
    assert_int_equal(run(&scheduler, "backup", "damaged"), 1); /* it is there */
    damage("damaged/redis.rdb");
    assert_int_equal(run(&restored, "restore", "damaged"), 1);
    damage("damaged/redis.rdb");
    assert_int_equal(unlink(backup_path("damaged/manifest")), 0);
    assert_int_equal(run(&restored, "restore", "damaged"), 1);
    assert_int_equal(run(&restored, "restore", "nothing"), 1);
    scheduler_process_done(&restored);
}

static void a_state_in_use_is_not_restored_into(void **state)
{
    (void)state;
    assert_int_equal(run(&scheduler, "backup", "used"), 0);
    assert_int_equal(run(&scheduler, "restore", "used"), 1);
}

static void a_redis_of_ones_own_is_not_ours_to_back_up(void **state)
{
    struct scheduler_process process = { 0 };
    struct redis_process redis;

    (void)state;
    redis_process_start(&redis, "");
    process.options[0] = "--redis";
    process.options[1] = redis.url;
    assert_int_equal(run(&process, "backup", "foreign"), 1);
    redis_process_stop(&redis);
    scheduler_process_done(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_runs_is_backed_up_and_restored),
        cmocka_unit_test(what_does_not_run_is_backed_up_too),
        cmocka_unit_test(what_is_no_whole_backup_is_refused),
        cmocka_unit_test(a_state_in_use_is_not_restored_into),
        cmocka_unit_test(a_redis_of_ones_own_is_not_ours_to_back_up),
    };

    return cmocka_run_group_tests(tests, start, end);
}
