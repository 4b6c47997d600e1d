/* SPDX-License-Identifier: Apache-2.0 */
/* limits_test.c: each limit of a task on both sides of its edge, by API and by CLI: both take what
 * one takes, and refuse with the same sentence. */
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/wall_time.h"
#include "common/model/limits.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_SIZE = 8192, WORDS_MAX = 160 };

/* An order: the four needed fields, of which one may be replaced, and one more. */
struct order {
    const char *application, *interface, *duration, *threshold_ms;
    const char *more_json;   /* ",\"sample_cap\":7"; NULL: nothing */
    const char *more_option; /* "--samples"; NULL: nothing */
    const char *more_value;  /* NULL: the option has none */
    int more_count;          /* how often the option is given, with a number behind its value */
};

/* ------------------------------------------------------------------ the two doors */

/* Returns true if it was taken; otherwise the sentence is in `ret`. */
static bool order_by_api(const struct order *order, char ret[TEXT_SIZE])
{
    char body[TEXT_SIZE];
    struct api_answer answer;
    bool is_taken;

    snprintf(body, sizeof body,
             "{\"application\":\"%s\",\"interface\":\"%s\",\"duration_min\":%s,\"threshold_ms\":%s"
             "%s}",
             order->application, order->interface, order->duration, order->threshold_ms,
             order->more_json ? order->more_json : "");
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/api/v1/tasks",
                                .body = text_of(body) },
            &answer);
    is_taken = answer.status == 201;
    if (!is_taken)
        snprintf(ret, TEXT_SIZE, "%s", json_string_value(json_object_get(answer.json, "detail")));
    api_answer_done(&answer);
    return is_taken;
}

/* What the command said on standard error is in `ret`. Returns its exit code. */
static int run(char *const *words, char ret[TEXT_SIZE])
{
    size_t used = 0;
    int ends[2], status;
    ssize_t size;
    pid_t pid;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (dup2(nowhere, 1) >= 0 && dup2(ends[1], 2) >= 0) execv(words[0], words);
        _exit(127);
    }
    close(ends[1]);
    while (used + 1 < TEXT_SIZE && (size = read(ends[0], ret + used, TEXT_SIZE - used - 1)) > 0) {
        used += (size_t)size;
    }
    close(ends[0]);
    ret[used] = '\0';
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int order_by_cli(const struct order *order, char ret[TEXT_SIZE])
{
    static char values[TASK_INSTANCES_MAX + 1][INSTANCE_SIZE_MAX + NOTE_SIZE_MAX];
    char server[64], duration[16], threshold[32];
    char *words[WORDS_MAX] = { STAKEOUT_PATH,
                               "--server",
                               server,
                               "task",
                               "create",
                               "--application",
                               (char *)order->application,
                               "--interface",
                               (char *)order->interface,
                               "--duration",
                               duration,
                               "--threshold",
                               threshold };
    size_t count = 13;

    snprintf(server, sizeof server, "http://127.0.0.1:%u", scheduler.port);
    snprintf(duration, sizeof duration, "%sm", order->duration);
    snprintf(threshold, sizeof threshold, "%sms", order->threshold_ms);
    for (int i = 0; order->more_option && i < (order->more_count ? order->more_count : 1); i++) {
        words[count++] = (char *)order->more_option;
        if (!order->more_value) continue;
        if (order->more_count)
            snprintf(values[i], sizeof values[i], "%s%d", order->more_value, i);
        else
            snprintf(values[i], sizeof values[i], "%s", order->more_value);
        words[count++] = values[i];
    }
    return run(words, ret);
}

/* Both doors, under an application or an interface of their own, so that the tasks do not meet. */
static void expect(const char *says, struct order order, bool is_taken)
{
    static int number;
    char api_says[TEXT_SIZE] = "", cli_says[TEXT_SIZE], name[64];
    int exit_code;

    snprintf(name, sizeof name, "limits-%d", number++);
    if (!order.application) order.application = name;
    if (order_by_api(&order, api_says) != is_taken)
        fail_msg("%s: the API %s it: %s", says, is_taken ? "refuses" : "takes", api_says);
    if (order.application == name)
        snprintf(name, sizeof name, "limits-%d", number++);
    else
        order.interface = "POST /cart";
    exit_code = order_by_cli(&order, cli_says);
    if ((exit_code == 0) != is_taken)
        fail_msg("%s: the CLI exits with %d: %s", says, exit_code, cli_says);
    if (!is_taken && !strstr(cli_says, api_says))
        fail_msg("%s: the API says\n%s\nthe CLI says\n%s", says, api_says, cli_says);
}

/* ------------------------------------------------------------------ numbers */

static void numbers_are_taken_up_to_their_edges(void **state)
{
    static const struct {
        const char *says, *duration, *threshold_ms, *json, *option, *value;
        bool is_taken;
    } rows[] = {
        { "threshold 49", "5", "49", NULL, NULL, NULL, false },
        { "threshold 50", "5", "50", NULL, NULL, NULL, true },
        { "threshold 30000", "5", "30000", NULL, NULL, NULL, true },
        { "threshold 30001", "5", "30001", NULL, NULL, NULL, false },
        { "duration 4", "4", "100", NULL, NULL, NULL, false },
        { "duration 5", "5", "100", NULL, NULL, NULL, true },
        { "duration 6", "6", "100", NULL, NULL, NULL, false },
        { "duration 10", "10", "100", NULL, NULL, NULL, true },
        { "duration 15", "15", "100", NULL, NULL, NULL, true },
        { "duration 16", "16", "100", NULL, NULL, NULL, false },
        { "frequency 4", "5", "100", ",\"frequency_ms\":4", "--frequency", "4ms", false },
        { "frequency 5", "5", "100", ",\"frequency_ms\":5", "--frequency", "5ms", true },
        { "frequency 1000", "5", "100", ",\"frequency_ms\":1000", "--frequency", "1000ms", true },
        { "frequency 1001", "5", "100", ",\"frequency_ms\":1001", "--frequency", "1001ms", false },
        { "cap 0", "5", "100", ",\"sample_cap\":0", "--samples", "0", false },
        { "cap 1", "5", "100", ",\"sample_cap\":1", "--samples", "1", true },
        { "cap 100", "5", "100", ",\"sample_cap\":100", "--samples", "100", true },
        { "cap 101", "5", "100", ",\"sample_cap\":101", "--samples", "101", false },
        { "lookback", "5", "100", ",\"lookback\":true", "--lookback", NULL, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct order order = {
            NULL,         "POST /checkout", rows[i].duration, rows[i].threshold_ms,
            rows[i].json, rows[i].option,   rows[i].value,    0
        };

        expect(rows[i].says, order, rows[i].is_taken);
    }
}

/* ------------------------------------------------------------------ texts, lists, times */

static char *repeated(size_t size)
{
    char *text = mem_alloc(size + 1);

    memset(text, 'x', size);
    text[size] = '\0';
    return text;
}

static void texts_are_taken_up_to_their_last_byte(void **state)
{
    static const struct {
        const char *says, *option, *json_open, *json_close;
        size_t size_max;
    } rows[] = {
        { "application", NULL, NULL, NULL, APPLICATION_SIZE_MAX },
        { "interface", NULL, NULL, NULL, INTERFACE_SIZE_MAX },
        { "note", "--note", ",\"note\":\"", "\"", NOTE_SIZE_MAX },
        { "instance", "--instance", ",\"instances\":[\"", "\"]", INSTANCE_SIZE_MAX },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (size_t over = 0; over < 2; over++) {
            OWN(mem_freep) char *text = repeated(rows[i].size_max + over);
            struct order order = { NULL, "POST /checkout", "5", "100", NULL, NULL, NULL, 0 };
            char json[1024];

            if (strcmp(rows[i].says, "application") == 0) order.application = text;
            if (strcmp(rows[i].says, "interface") == 0) order.interface = text;
            if (rows[i].option) {
                snprintf(json, sizeof json, "%s%s%s", rows[i].json_open, text, rows[i].json_close);
                order.more_json = json;
                order.more_option = rows[i].option;
                order.more_value = text;
            }
            expect(rows[i].says, order, over == 0);
        }
    }
}

static void so_many_instances_are_taken_and_not_one_more(void **state)
{
    (void)state;
    for (int count = TASK_INSTANCES_MAX; count <= TASK_INSTANCES_MAX + 1; count++) {
        char json[4096] = ",\"instances\":[";
        struct order order = {
            NULL, "POST /checkout", "5", "100", json, "--instance", "host", count
        };
        size_t used = strlen(json);

        for (int i = 0; i < count; i++) {
            used += (size_t)snprintf(json + used, sizeof json - used, "%s\"host%d\"",
                                     i > 0 ? "," : "", i);
        }
        snprintf(json + used, sizeof json - used, "]");
        expect("instances", order, count == TASK_INSTANCES_MAX);
    }
}

/* A minute to either side of an edge that moves on while we ask. */
static void a_start_is_taken_up_to_30_days_ahead(void **state)
{
    static const struct {
        const char *says;
        int64_t ahead_s;
        bool is_taken;
    } rows[] = {
        { "a minute ago", -60, false },
        { "in a minute", 60, true },
        { "a minute less than 30 days", START_AHEAD_S_MAX - 60, true },
        { "a minute more than 30 days", START_AHEAD_S_MAX + 60, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char at[WALL_TIME_SIZE], json[64];
        struct order order = { NULL, "POST /checkout", "5", "100", json, "--start", at, 0 };

        wall_time_format((uint64_t)((int64_t)(clock_wall_ns() / NS_PER_S) + rows[i].ahead_s) * 1000,
                         at);
        snprintf(json, sizeof json, ",\"start\":\"%s\"", at);
        expect(rows[i].says, order, rows[i].is_taken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_taken_up_to_their_edges),
        cmocka_unit_test(texts_are_taken_up_to_their_last_byte),
        cmocka_unit_test(so_many_instances_are_taken_and_not_one_more),
        cmocka_unit_test(a_start_is_taken_up_to_30_days_ahead),
    };

    unsetenv("STAKEOUT_TOKEN");
    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
