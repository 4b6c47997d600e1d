/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/system/house.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "tests/support/api_client.h"
#include "tests/support/redis_process.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    PATH_SIZE_MAX = 256,
    RECOVER_MS_MAX = 30000,
    ARMED_MS_MAX = 20000,
    CLI_OUTPUT_SIZE_MAX = 65536,
    CLI_COMMAND_SIZE_MAX = 65536,
    VARIABLES_MAX = 8,
};

void house_allow_descriptors(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

void house_open(struct house *house)
{
    scheduler_process_start(&house->scheduler);
}

void house_close(struct house *house)
{
    scheduler_process_done(&house->scheduler);
}

/* Kills ------------------------------------------------------------------------------------- */

/* The child of the scheduler that is a redis-server; 0: there is none. */
static pid_t redis_of(pid_t scheduler)
{
    char path[64], name[32];
    long child;
    pid_t found = 0;
    FILE *children, *file;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", scheduler, scheduler);
    children = fopen(path, "re");
    while (children && !found && fscanf(children, "%ld", &child) == 1) {
        snprintf(path, sizeof path, "/proc/%ld/comm", child);
        file = fopen(path, "re");
        if (!file) continue;
        if (fgets(name, sizeof name, file) && strcmp(name, "redis-server\n") == 0)
            found = (pid_t)child;
        fclose(file);
    }
    if (children) fclose(children);
    return found;
}

void house_kill(struct house *house, enum house_part part)
{
    if (part != HOUSE_SCHEDULER) {
        house->dead_redis = redis_of(house->scheduler.pid);
        CHECK(house->dead_redis > 0);
        kill(house->dead_redis, SIGKILL);
    }
    if (part != HOUSE_REDIS) scheduler_process_kill(&house->scheduler);
}

static bool is_ready(void *context)
{
    struct house *house = context;
    pid_t redis = redis_of(house->scheduler.pid);
    json_t *ready;

    if (redis == 0 || redis == house->dead_redis) return false;
    ready = house_try(house, "/readyz");
    json_decref(ready);
    return ready != NULL;
}

void house_recover(struct house *house)
{
    if (house->scheduler.pid == 0) scheduler_process_start(&house->scheduler);
    if (!wait_until(is_ready, house, RECOVER_MS_MAX)) fail_msg("it does not recover");
}

const char *house_ask_redis(struct house *house, const char *command)
{
    struct redis_process redis = { 0 };

    snprintf(redis.socket, sizeof redis.socket, "%s/state/redis/redis.sock",
             house->scheduler.directory);
    return redis_process_ask(&redis, command);
}

/* Hosts and tasks --------------------------------------------------------------------------- */

static struct host_process *program_start(struct house *house, const char *program,
                                          const char *application, const char *instance,
                                          const char *const *more)
{
    char server[64], application_is[160], instance_is[300], log_is[300];
    const char *log = getenv("STAKEOUT_LOG"); /* of who looks into a failure: "stderr" */
    const char *variables[VARIABLES_MAX + 4 + 1];
    size_t count = 0;

    for (; more && *more; more++) { /* the first of a name counts */
        CHECK(count < VARIABLES_MAX);
        variables[count++] = *more;
    }
    variables[count++] = server;
    variables[count++] = application_is;
    variables[count++] = instance_is;
    variables[count] = log ? log_is : NULL;
    variables[count + 1] = NULL;
    snprintf(server, sizeof server, "STAKEOUT_SERVER=http://127.0.0.1:%u",
             (unsigned)house->scheduler.port);
    snprintf(application_is, sizeof application_is, "STAKEOUT_APPLICATION=%s", application);
    snprintf(instance_is, sizeof instance_is, "STAKEOUT_INSTANCE=%s", instance);
    snprintf(log_is, sizeof log_is, "STAKEOUT_LOG=%s", log ? log : "");
    return host_process_start(program, variables);
}

struct host_process *house_program(struct house *house, const char *program,
                                   const char *application, const char *instance)
{
    return program_start(house, program, application, instance, NULL);
}

struct host_process *house_host_with(struct house *house, const char *application,
                                     const char *instance, const char *const *more)
{
    return program_start(house, LOAD_HOST_PATH, application, instance, more);
}

struct host_process *house_host(struct house *house, const char *application, const char *instance)
{
    return program_start(house, LOAD_HOST_PATH, application, instance, NULL);
}

static int otherwise(int value, int fallback)
{
    return value != 0 ? value : fallback;
}

void house_order(struct house *house, const struct order *order, struct task_id *ret)
{
    char body[1024];
    struct api_answer answer;
    int size = snprintf(body, sizeof body,
                        "{\"application\": \"%s\", \"interface\": \"%s\", \"duration_min\": 5, "
                        "\"threshold_ms\": %d, \"frequency_ms\": %d, \"sample_cap\": %d}",
                        order->application ? order->application : "shop", order->interface,
                        otherwise(order->threshold_ms, 100), otherwise(order->frequency_ms, 10),
                        otherwise(order->sample_cap, 10));

    api_ask(&(struct api_call){ .port = house->scheduler.port,
                                .path = "/api/v1/tasks",
                                .body = { body, (size_t)size } },
            &answer);
    if (answer.status != 201) fail_msg("%d: %s", answer.status, answer.body.data);
    CHECK(task_id_parse(text_of(json_string_value(json_object_get(answer.json, "id"))), ret) == 0);
    api_answer_done(&answer);
}

static json_t *get(struct house *house, const char *path)
{
    struct api_answer answer;
    json_t *json;

    if (api_try(&(struct api_call){ .port = house->scheduler.port, .path = path }, &answer) < 0)
        return NULL;
    json = answer.status == 200 ? json_incref(answer.json) : NULL;
    api_answer_done(&answer);
    return json;
}

json_t *house_try(struct house *house, const char *format, ...)
{
    char path[PATH_SIZE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    return get(house, path);
}

json_t *house_get(struct house *house, const char *format, ...)
{
    char path[PATH_SIZE_MAX];
    va_list args;
    json_t *json;

    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    json = get(house, path);
    if (!json) fail_msg("GET %s was not answered with 200", path);
    return json;
}

static bool is_alive(void *context)
{
    json_t *health = house_try(context, "/healthz");

    json_decref(health);
    return health != NULL;
}

void house_assert_is_alive(struct house *house)
{
    if (!wait_until(is_alive, house, RECOVER_MS_MAX)) fail_msg("it is ill");
}

void house_cancel(struct house *house, const struct task_id *task)
{
    char path[PATH_SIZE_MAX];
    struct api_answer answer;

    snprintf(path, sizeof path, "/api/v1/tasks/%s/cancel", task->text);
    api_ask(&(struct api_call){ .port = house->scheduler.port, .method = "POST", .path = path },
            &answer);
    if (answer.status != 200) fail_msg("%d: %s", answer.status, answer.body.data);
    api_answer_done(&answer);
}

struct state_wait {
    struct house *house;
    const struct task_id *task;
    const char *state;
    char seen[32];
};

static bool is_in_state(void *context)
{
    struct state_wait *wait = context;
    json_t *task = house_try(wait->house, "/api/v1/tasks/%s", wait->task->text);
    const char *state = json_string_value(json_object_get(task, "state"));

    snprintf(wait->seen, sizeof wait->seen, "%s", state ? state : "?");
    json_decref(task);
    return strcmp(wait->seen, wait->state) == 0;
}

void house_wait_state(struct house *house, const struct task_id *task, const char *state,
                      uint64_t deadline_ms)
{
    struct state_wait wait = { house, task, state, "" };

    if (!wait_until(is_in_state, &wait, deadline_ms))
        fail_msg("the task is %s, not %s", wait.seen, state);
}

/* 'word', as a shell takes it for one. */
static void put_quoted(struct buf *to, const char *word)
{
    CHECK(!strchr(word, '\''));
    buf_printf(to, " '%s'", word);
}

/* What a stream still has, as far as there is room; the rest is read, too, so that who writes it is
 * not ended by a broken pipe. */
static void read_all(FILE *stream, char ret[CLI_OUTPUT_SIZE_MAX])
{
    char rest[4096];

    CHECK(stream != NULL);
    ret[fread(ret, 1, CLI_OUTPUT_SIZE_MAX - 1, stream)] = '\0';
    while (fread(rest, 1, sizeof rest, stream) > 0)
        continue;
}

int house_cli(struct house *house, const char *const *words, const char **ret)
{
    static char said[CLI_OUTPUT_SIZE_MAX];
    OWN(buf_done) struct buf command = BUF_INIT(CLI_COMMAND_SIZE_MAX);
    char errors_path[PATH_SIZE_MAX];
    FILE *pipe, *errors;
    int status;

    snprintf(errors_path, sizeof errors_path, "%s/cli.err", house->scheduler.directory);
    buf_printf(&command, "STAKEOUT_SERVER=http://127.0.0.1:%u %s", (unsigned)house->scheduler.port,
               STAKEOUT_PATH);
    for (; *words; words++) {
        put_quoted(&command, *words);
    }
    buf_printf(&command, " 2>%s", errors_path);
    CHECK(!command.failed);
    pipe = popen(command.data, "r");
    read_all(pipe, said);
    status = pclose(pipe);
    *ret = said;
    if (status == 0) return 0;
    errors = fopen(errors_path, "re");
    read_all(errors, said);
    fclose(errors);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int64_t figure_of(const json_t *instance, const char *figure)
{
    const json_t *value = json_object_get(instance, figure);
    int64_t sum = 0;
    const char *reason;
    json_t *count;

    if (!json_is_object(value)) return json_integer_value(value);
    json_object_foreach((json_t *)value, reason, count)
    {
        sum += json_integer_value(count);
    }
    return sum;
}

int64_t house_ledger_sum(struct house *house, const struct task_id *task, const char *figure)
{
    json_t *ledger = house_get(house, "/api/v1/tasks/%s/ledger", task->text);
    json_t *instance;
    int64_t sum = 0;
    size_t i;

    json_array_foreach(json_object_get(ledger, "instances"), i, instance)
    {
        sum += figure_of(instance, figure);
    }
    json_decref(ledger);
    return sum;
}

size_t house_armed_count(struct house *house, const struct task_id *task)
{
    json_t *log = house_get(house, "/api/v1/tasks/%s/log?limit=1000", task->text), *event;
    size_t count = 0, i;

    json_array_foreach(json_object_get(log, "events"), i, event)
    {
        count += strcmp(json_string_value(json_object_get(event, "event")), "armed") == 0;
    }
    json_decref(log);
    return count;
}

struct armed_wait {
    struct house *house;
    const struct task_id *task;
    size_t count;
};

static bool are_armed(void *context)
{
    const struct armed_wait *wait = context;

    return house_armed_count(wait->house, wait->task) >= wait->count;
}

void house_wait_armed(struct house *house, const struct task_id *task, size_t count)
{
    struct armed_wait wait = { house, task, count };

    if (!wait_until(are_armed, &wait, ARMED_MS_MAX)) fail_msg("%zu instances never watched", count);
}

size_t house_samples_count(struct house *house, const struct task_id *task)
{
    json_t *samples = house_get(house, "/api/v1/tasks/%s/samples?limit=1000", task->text);
    size_t count = json_array_size(json_object_get(samples, "samples"));

    json_decref(samples);
    return count;
}

/* Each snapshot came one way; a detached call's, and lookback's, by none of these. A system call
 * that may have been interrupted was so by a signal, of a snapshot or of one that was lost. */
static void assert_snapshots_add_up(const json_t *instance)
{
    int64_t ways = figure_of(instance, "signals") + figure_of(instance, "perf") +
                   figure_of(instance, "reads") + figure_of(instance, "repeats");

    assert_in_range(ways, figure_of(instance, "snapshots") > 0, figure_of(instance, "snapshots"));
    assert_in_range(figure_of(instance, "interrupted"), 0,
                    figure_of(instance, "signals") + figure_of(instance, "snapshot_drops"));
}

void house_assert_ledger_adds_up(struct house *house, const struct task_id *task)
{
    json_t *ledger = house_get(house, "/api/v1/tasks/%s/ledger", task->text);
    json_t *instance;
    size_t i;

    json_array_foreach(json_object_get(ledger, "instances"), i, instance)
    {
        int64_t triggered = figure_of(instance, "triggered");

        assert_int_equal(figure_of(instance, "seen"), figure_of(instance, "below") + triggered);
        assert_int_equal(triggered,
                         figure_of(instance, "sampled") + figure_of(instance, "over_cap") +
                             figure_of(instance, "drops") + figure_of(instance, "pending"));
        assert_snapshots_add_up(instance);
    }
    json_decref(ledger);
}
