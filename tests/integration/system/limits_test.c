/* SPDX-License-Identifier: Apache-2.0 */
/* limits_test.c: each limit of a task on both sides of its edge, by API and CLI.
 *
 * What is refused is refused by both with the same sentence, which names the field. (The CLI puts
 * its option before it; what the scheduler alone can know is refused there, by the CLI with the
 * same words.) And bad input, however it comes, gets a problem object and changes nothing. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/text.h"
#include "common/base/wall_time.h"
#include "common/model/limits.h"
#include "tests/integration/system/house_fixture.h"
#include "tests/support/api_client.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_SIZE = 1024, WORDS_MAX = 160 };

/* An order: the same one for the API and for the CLI ------------------------------------------ */

struct setting {
    const char *field, *option; /* of the API, of the CLI */
    const char *json, *word;
};

/* What every order has, unless the row says otherwise. */
static const struct setting usual[] = {
    { "application", "--application", "\"edges\"", "edges" },
    { "interface", "--interface", "\"GET /edge\"", "GET /edge" },
    { "duration_min", "--duration", "5", "5m" },
    { "threshold_ms", "--threshold", "100", "100ms" },
};

static void ask_api(const struct setting *setting, struct api_answer *ret)
{
    OWN(buf_done) struct buf body = BUF_INIT(JSON_SIZE_MAX);

    buf_printf(&body, "{\"%s\": %s", setting->field, setting->json);
    for (size_t i = 0; i < ARRAY_COUNT(usual); i++) {
        if (strcmp(usual[i].field, setting->field) == 0) continue;
        buf_printf(&body, ", \"%s\": %s", usual[i].field, usual[i].json);
    }
    buf_text(&body, TEXT("}"));
    CHECK(!body.failed);
    api_ask(&(struct api_call){ .port = house.scheduler.port,
                                .path = "/api/v1/tasks",
                                .body = buf_peek(&body) },
            ret);
}

/* A word with commas in it is given as that many options: "a,b" is --instance a --instance b. */
static int ask_cli(const struct setting *setting, const char **ret)
{
    const char *words[WORDS_MAX] = { "task", "create" };
    char list[VALUE_SIZE], *rest = list;
    size_t count = 2;

    CHECK(snprintf(list, sizeof list, "%s", setting->word) < (int)sizeof list);
    do {
        CHECK(count + 2 < WORDS_MAX);
        words[count++] = setting->option;
        words[count++] = strsep(&rest, ",");
    } while (rest);
    for (size_t i = 0; i < ARRAY_COUNT(usual); i++) {
        if (strcmp(usual[i].option, setting->option) == 0) continue;
        words[count++] = usual[i].option;
        words[count++] = usual[i].word;
    }
    return house_cli(&house, words, ret);
}

static void cancel(const char *id)
{
    struct task_id task;

    CHECK(task_id_parse((struct text){ id, TASK_ID_SIZE }, &task) == 0);
    house_cancel(&house, &task);
}

static void assert_accepted(const char *says, const struct setting *setting)
{
    struct api_answer answer;
    const char *printed;

    ask_api(setting, &answer);
    if (answer.status != 201) fail_msg("%s: %d %s", says, answer.status, answer.body.data);
    cancel(json_string_value(json_object_get(answer.json, "id")));
    api_answer_done(&answer);
    if (ask_cli(setting, &printed) != 0) fail_msg("%s: %s", says, printed);
    cancel(printed);
}

static void assert_refused(const char *says, const struct setting *setting)
{
    OWN(buf_done) struct buf expected = BUF_INIT(4096);
    struct api_answer answer;
    const char *printed, *detail, *field;

    ask_api(setting, &answer);
    detail = json_string_value(json_object_get(answer.json, "detail"));
    field = json_string_value(json_object_get(answer.json, "field"));
    if (answer.status != 400 || !detail || !field)
        fail_msg("%s: %d %s", says, answer.status, answer.body.data);
    assert_string_equal(field, setting->field);
    assert_non_null(strstr(detail, setting->field));
    buf_printf(&expected, "stakeout: %s: %s\n", setting->option, detail);
    if (ask_cli(setting, &printed) != 2 || strcmp(printed, expected.data) != 0)
        fail_msg("%s: the API says '%s', the CLI '%s'", says, expected.data, printed);
    api_answer_done(&answer);
}

/* Numbers and words --------------------------------------------------------------------------- */

static const struct {
    const char *says;
    struct setting setting;
    bool is_accepted;
} rows[] = {
    { "the shortest", { "duration_min", "--duration", "5", "5m" }, true },
    { "below the shortest", { "duration_min", "--duration", "4", "4m" }, false },
    { "between durations", { "duration_min", "--duration", "9", "9m" }, false },
    { "the middle one", { "duration_min", "--duration", "10", "10m" }, true },
    { "the longest", { "duration_min", "--duration", "15", "15m" }, true },
    { "above the longest", { "duration_min", "--duration", "16", "16m" }, false },
    { "least threshold", { "threshold_ms", "--threshold", "50", "50ms" }, true },
    { "below it", { "threshold_ms", "--threshold", "49", "49ms" }, false },
    { "most threshold", { "threshold_ms", "--threshold", "30000", "30s" }, true },
    { "above it", { "threshold_ms", "--threshold", "30001", "30001ms" }, false },
    { "least interval", { "frequency_ms", "--frequency", "5", "5ms" }, true },
    { "below it", { "frequency_ms", "--frequency", "4", "4ms" }, false },
    { "most interval", { "frequency_ms", "--frequency", "1000", "1s" }, true },
    { "above it", { "frequency_ms", "--frequency", "1001", "1001ms" }, false },
    { "least cap", { "sample_cap", "--samples", "1", "1" }, true },
    { "below it", { "sample_cap", "--samples", "0", "0" }, false },
    { "most cap", { "sample_cap", "--samples", "100", "100" }, true },
    { "above it", { "sample_cap", "--samples", "101", "101" }, false },
    { "a prefix", { "interface", "--interface", "\"GET /*\"", "GET /*" }, true },
    { "a star within", { "interface", "--interface", "\"GET /*/x\"", "GET /*/x" }, false },
    { "no name", { "application", "--application", "\"\"", "" }, false },
    { "a control character", { "application", "--application", "\"a\\u0001\"", "a\1" }, false },
    { "an instance twice", { "instances", "--instance", "[\"a\",\"a\"]", "a,a" }, false },
    { "two instances", { "instances", "--instance", "[\"a\",\"b\"]", "a,b" }, true },
    { "1970", { "start", "--start", "\"1970-01-01T00:00:01Z\"", "1970-01-01T00:00:01Z" }, false },
};

static void numbers_and_words_are_held_to_their_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].is_accepted)
            assert_accepted(rows[i].says, &rows[i].setting);
        else
            assert_refused(rows[i].says, &rows[i].setting);
    }
}

/* Sizes --------------------------------------------------------------------------------------- */

static const struct {
    const char *field, *option, *unit; /* what the value is made of */
    size_t size_max;
    bool is_list;
} sizes[] = {
    { "application", "--application", "a", APPLICATION_SIZE_MAX, false },
    { "application", "--application", "\xc3\xa4", APPLICATION_SIZE_MAX, false },
    { "interface", "--interface", "b", INTERFACE_SIZE_MAX, false },
    { "interface", "--interface", "\xf0\x9f\x90\x8c", INTERFACE_SIZE_MAX, false },
    { "note", "--note", "c", NOTE_SIZE_MAX, false },
    { "instances", "--instance", "d", INSTANCE_SIZE_MAX, true },
};

/* Whole units, then one more byte than `size` if `is_over`. */
static void check_size(size_t row, bool is_over)
{
    char word[VALUE_SIZE] = "", json[VALUE_SIZE + 8];
    size_t unit = strlen(sizes[row].unit), used;

    for (used = 0; used + unit <= sizes[row].size_max; used += unit) {
        memcpy(word + used, sizes[row].unit, unit);
    }
    for (; is_over && used <= sizes[row].size_max; used++) {
        word[used] = 'x';
    }
    word[used] = '\0';
    snprintf(json, sizeof json, sizes[row].is_list ? "[\"%s\"]" : "\"%s\"", word);
    if (is_over)
        assert_refused(sizes[row].field,
                       &(struct setting){ sizes[row].field, sizes[row].option, json, word });
    else
        assert_accepted(sizes[row].field,
                        &(struct setting){ sizes[row].field, sizes[row].option, json, word });
}

static void texts_are_counted_in_bytes(void **state)
{
    (void)state;
    for (size_t row = 0; row < ARRAY_COUNT(sizes); row++) {
        check_size(row, false);
        check_size(row, true);
    }
}

static void check_instances(unsigned count)
{
    OWN(buf_done) struct buf json = BUF_INIT(4096);
    OWN(buf_done) struct buf word = BUF_INIT(4096);
    struct setting setting = { "instances", "--instance", NULL, NULL };

    for (unsigned i = 0; i < count; i++) {
        buf_printf(&json, "%s\"h%u\"", i > 0 ? "," : "[", i);
        buf_printf(&word, "%sh%u", i > 0 ? "," : "", i);
    }
    buf_text(&json, TEXT("]"));
    setting.json = json.data;
    setting.word = word.data;
    if (count <= TASK_INSTANCES_MAX)
        assert_accepted("so many instances", &setting);
    else
        assert_refused("so many instances", &setting);
}

static void a_task_names_at_most_64_instances(void **state)
{
    (void)state;
    check_instances(TASK_INSTANCES_MAX);
    check_instances(TASK_INSTANCES_MAX + 1);
}

/* Times move while they are asked about: a minute on either side of the edge. */
static void a_start_is_at_most_30_days_ahead(void **state)
{
    uint64_t edge_ms = ns_to_ms(clock_wall_ns()) + START_AHEAD_S_MAX * UINT64_C(1000);
    char at[WALL_TIME_SIZE], json[WALL_TIME_SIZE + 2];
    struct setting setting = { "start", "--start", json, at };

    (void)state;
    wall_time_format(edge_ms - 60000, at);
    snprintf(json, sizeof json, "\"%s\"", at);
    assert_accepted("30 days", &setting);
    wall_time_format(edge_ms + 60000, at);
    snprintf(json, sizeof json, "\"%s\"", at);
    assert_refused("over 30 days", &setting);
}

/* What the scheduler alone can know ----------------------------------------------------------- */

static void assert_conflict(const struct setting *setting, const char *word)
{
    struct api_answer answer;
    const char *printed, *detail;

    ask_api(setting, &answer);
    detail = json_string_value(json_object_get(answer.json, "detail"));
    if (answer.status != 409 || !detail || !strstr(detail, word))
        fail_msg("%d %s", answer.status, answer.body.data);
    if (ask_cli(setting, &printed) != 1 || !strstr(printed, detail))
        fail_msg("the API says '%s', the CLI '%s'", detail, printed);
    api_answer_done(&answer);
}

static void of_two_overlapping_tasks_the_second_is_refused(void **state)
{
    struct setting prefix = { "interface", "--interface", "\"GET /ed*\"", "GET /ed*" };
    struct setting same = { "interface", "--interface", "\"GET /edge\"", "GET /edge" };
    struct setting other = { "interface", "--interface", "\"GET /other\"", "GET /other" };
    struct task_id first;

    (void)state;
    house_order(&house, &(struct order){ .application = "edges", .interface = "GET /edge" },
                &first);
    assert_conflict(&same, first.text);
    assert_conflict(&prefix, first.text);
    assert_accepted("another interface", &other);
    house_cancel(&house, &first);
    assert_accepted("the same, once it is free", &same);
}

static void an_application_has_at_most_64_tasks_at_a_time(void **state)
{
    struct task_id tasks[TASKS_ACTIVE_MAX];
    struct setting one_more = { "interface", "--interface", "\"GET /more\"", "GET /more" };
    char interface[32];

    (void)state;
    for (int i = 0; i < TASKS_ACTIVE_MAX; i++) {
        snprintf(interface, sizeof interface, "GET /%d", i);
        house_order(&house, &(struct order){ .application = "edges", .interface = interface },
                    &tasks[i]);
    }
    assert_conflict(&one_more, "64");
    house_cancel(&house, &tasks[0]);
    assert_accepted("in the place of another", &one_more);
    for (int i = 1; i < TASKS_ACTIVE_MAX; i++) {
        house_cancel(&house, &tasks[i]);
    }
}

static void a_task_is_extended_to_15_minutes_and_no_further(void **state)
{
    struct task_id task;
    char path[64];
    const char *words[] = { "task", "extend", task.text, NULL }, *printed, *detail;
    struct api_answer answer;

    (void)state;
    house_order(&house, &(struct order){ .interface = "GET /edge" }, &task);
    assert_int_equal(house_cli(&house, words, &printed), 0);
    assert_int_equal(house_cli(&house, words, &printed), 0);
    snprintf(path, sizeof path, "/api/v1/tasks/%s/extend", task.text);
    api_ask(&(struct api_call){ .port = house.scheduler.port, .method = "POST", .path = path },
            &answer);
    assert_int_equal(answer.status, 409);
    detail = json_string_value(json_object_get(answer.json, "detail"));
    assert_int_equal(house_cli(&house, words, &printed), 1);
    if (!strstr(printed, detail)) fail_msg("the API says '%s', the CLI '%s'", detail, printed);
    api_answer_done(&answer);
    house_cancel(&house, &task);
}

static void check_list_limit(const char *limit, bool is_accepted)
{
    const char *words[] = { "task", "list", "--limit", limit, NULL }, *printed, *detail;
    struct api_answer answer;
    char path[64];
    int code = house_cli(&house, words, &printed);

    snprintf(path, sizeof path, "/api/v1/tasks?limit=%s", limit);
    api_ask(&(struct api_call){ .port = house.scheduler.port, .path = path }, &answer);
    assert_int_equal(answer.status, is_accepted ? 200 : 400);
    assert_int_equal(code, is_accepted ? 0 : 2);
    detail = json_string_value(json_object_get(answer.json, "detail"));
    if (!is_accepted && !strstr(printed, detail))
        fail_msg("the API says '%s', the CLI '%s'", detail, printed);
    api_answer_done(&answer);
}

static void a_page_holds_1_to_1000_entries(void **state)
{
    (void)state;
    check_list_limit("0", false);
    check_list_limit("1", true);
    check_list_limit("1000", true);
    check_list_limit("1001", false);
}

/* Bad input ----------------------------------------------------------------------------------- */

#define ORDER(rest) "{\"interface\":\"x\",\"duration_min\":5,\"threshold_ms\":100," rest "}"
#define MSGPACK     "application/msgpack"
#define BODY(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }

static const struct {
    const char *says, *method, *path, *type;
    struct text body;
    int status;
} bad_inputs[] = {
    { "cut msgpack", "POST", "/probe/v1/poll", MSGPACK, { "\x83\x01\xa4sh", 5 }, 400 },
    { "msgpack of a list", "POST", "/probe/v1/pulse", MSGPACK, { "\x93\x01\x02\x03", 4 }, 400 },
    { "msgpack that lies",
      "POST",
      "/probe/v1/report",
      MSGPACK,
      { "\xdf\xff\xff\xff\xff", 5 },
      400 },
    { "msgpack of nothing", "POST", "/probe/v1/report", MSGPACK, { "", 0 }, 400 },
    { "JSON for msgpack", "POST", "/probe/v1/log", MSGPACK, { "{\"a\":1}", 7 }, 400 },
    { "an unknown type", "POST", "/probe/v1/log", "text/plain", { "\x80", 1 }, 415 },
    { "an unknown field", "POST", "/api/v1/tasks", NULL,
      BODY(ORDER("\"application\":\"a\",\"colour\":1")), 400 },
    { "a field twice", "POST", "/api/v1/tasks", NULL,
      BODY(ORDER("\"application\":\"a\",\"application\":\"b\"")), 400 },
    { "invalid UTF-8", "POST", "/api/v1/tasks", NULL, BODY(ORDER("\"application\":\"\xc3(\"")),
      400 },
    { "a surrogate", "POST", "/api/v1/tasks", NULL, BODY(ORDER("\"application\":\"\\ud800\"")),
      400 },
    { "a date of 1970", "POST", "/api/v1/tasks", NULL,
      BODY(ORDER("\"application\":\"a\",\"start\":\"1970-01-01T00:00:00Z\"")), 400 },
    { "a fraction", "POST", "/api/v1/tasks", NULL,
      BODY(ORDER("\"application\":\"a\",\"sample_cap\":1.5")), 400 },
    { "null", "POST", "/api/v1/tasks", NULL, BODY(ORDER("\"application\":null")), 400 },
    { "a path", "GET", "/api/v1/tasks/../../../etc/passwd", NULL, { NULL, 0 }, 404 },
    { "a hidden path", "GET", "/api/v1/tasks/..%2f..%2fetc%2fpasswd", NULL, { NULL, 0 }, 404 },
    { "a path to cancel", "POST", "/api/v1/tasks/..%2f..%2fx/cancel", NULL, { NULL, 0 }, 404 },
    { "a path of a sample", "GET", "/api/v1/samples/..%2f..%2fx/analysis", NULL, { NULL, 0 }, 404 },
};

static char *everything(void)
{
    json_t *all = json_pack("[o,o,o]", house_get(&house, "/api/v1/tasks?limit=1000"),
                            house_get(&house, "/api/v1/applications"),
                            house_get(&house, "/api/v1/instances"));
    char *text = json_dumps(all, JSON_SORT_KEYS);

    CHECK(text);
    json_decref(all);
    return text;
}

static void assert_problem(const char *says, const struct api_answer *answer, int status)
{
    static const char *const texts[] = { "type", "title", "detail" };

    if (answer->status != status) fail_msg("%s: %d %s", says, answer->status, answer->head);
    assert_string_equal(api_header(answer, "Content-Type"), "application/problem+json");
    assert_int_equal(json_integer_value(json_object_get(answer->json, "status")), status);
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        const char *text = json_string_value(json_object_get(answer->json, texts[i]));

        if (!text || !*text) fail_msg("%s: the problem has no '%s'", says, texts[i]);
    }
}

/* A name, and a whole body, that are too large. */
static void send_too_much(const char *says, size_t size, int status)
{
    OWN(buf_done) struct buf body = BUF_INIT(2 * JSON_SIZE_MAX);
    struct api_answer answer;

    buf_text(
        &body,
        TEXT("{\"duration_min\":5,\"threshold_ms\":100,\"interface\":\"x\",\"application\":\""));
    while (body.size < size) {
        buf_text(&body, TEXT("n"));
    }
    buf_text(&body, TEXT("\"}"));
    api_ask(&(struct api_call){ .port = house.scheduler.port,
                                .path = "/api/v1/tasks",
                                .body = buf_peek(&body) },
            &answer);
    assert_problem(says, &answer, status);
    api_answer_done(&answer);
}

static void bad_input_gets_a_problem_and_changes_nothing(void **state)
{
    struct task_id task;
    char *before, *after;

    (void)state;
    house_order(&house, &(struct order){ .interface = "GET /kept" }, &task);
    before = everything();
    for (size_t i = 0; i < ARRAY_COUNT(bad_inputs); i++) {
        struct api_answer answer;

        api_ask(&(struct api_call){ .port = house.scheduler.port,
                                    .method = bad_inputs[i].method,
                                    .path = bad_inputs[i].path,
                                    .content_type = bad_inputs[i].type,
                                    .body = bad_inputs[i].body },
                &answer);
        assert_problem(bad_inputs[i].says, &answer, bad_inputs[i].status);
        api_answer_done(&answer);
    }
    send_too_much("a name of 10 KB", 10240, 400);
    send_too_much("a body over its bound", JSON_SIZE_MAX + 1, 413);
    after = everything();
    assert_string_equal(after, before);
    free(before);
    free(after);
    house_cancel(&house, &task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_words_are_held_to_their_edges),
        cmocka_unit_test(texts_are_counted_in_bytes),
        cmocka_unit_test(a_task_names_at_most_64_instances),
        cmocka_unit_test(a_start_is_at_most_30_days_ahead),
        cmocka_unit_test(of_two_overlapping_tasks_the_second_is_refused),
        cmocka_unit_test(an_application_has_at_most_64_tasks_at_a_time),
        cmocka_unit_test(a_task_is_extended_to_15_minutes_and_no_further),
        cmocka_unit_test(a_page_holds_1_to_1000_entries),
        cmocka_unit_test(bad_input_gets_a_problem_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
