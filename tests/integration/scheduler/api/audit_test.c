/* SPDX-License-Identifier: Apache-2.0 */
/* audit_test.c: what is done is written down: by whom, from where, to what; and no secret is. */
#include "tests/integration/scheduler/api/scene.h"
#include "tests/integration/scheduler/api/schema.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_SIZE = 128, PATH_SIZE = 256, SECRETS_MAX = 8 };

static char otto[TOKEN_SIZE], gardener[TOKEN_SIZE], prober[TOKEN_SIZE];
static char cookie_secret[TOKEN_SIZE];

static int command(const char *verb, const char *name, const char *role, const char *application,
                   char *ret)
{
    const char *words[] = { "token",     verb,
                            name,        role ? "--role" : NULL,
                            role,        application ? "--application" : NULL,
                            application, NULL };

    return scheduler_process_command(&scheduler, words, ret, TOKEN_SIZE);
}

static int status_of(const char *method, const char *path, const char *token, struct text body)
{
    return scheduler_status(
        (struct api_call){ .method = method, .path = path, .token = token, .body = body });
}

static bool otto_is_in(void *context)
{
    (void)context;
    return status_of("GET", "/api/v1/session", otto, TEXT("")) == 200 &&
           status_of("GET", "/api/v1/session", gardener, TEXT("")) == 200 &&
           status_of("GET", "/api/v1/session", prober, TEXT("")) == 403;
}

static int setup(void **state)
{
    scheduler_setup(state);
    assert_int_equal(command("create", "otto", "operator", NULL, otto), 0);
    assert_int_equal(command("create", "gardener", "operator", "garden", gardener), 0);
    assert_int_equal(command("create", "prober", "probe", NULL, prober), 0);
    assert_true(wait_until(otto_is_in, NULL, 10000));
    return 0;
}

static json_t *audit(const char *token, const char *query)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/api/v1/audit%s", query);
    return scheduler_ask(&(struct api_call){ .port = scheduler.port, .path = path, .token = token },
                         200);
}

/* The newest entry of a kind, or NULL. */
static json_t *find_entry(const json_t *page, const char *what)
{
    json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(page, "entries"), i, entry)
    {
        if (strcmp(text_at(entry, "what"), what) == 0) return entry;
    }
    return NULL;
}

struct wanted {
    const char *what, *who, *from, *application, *subject;
};

static bool is_written(void *context)
{
    const struct wanted *wanted = context;
    json_t *page = audit(otto, ""), *entry = find_entry(page, wanted->what);
    bool is_right = entry && strcmp(text_at(entry, "who"), wanted->who) == 0;

    if (is_right && wanted->from) is_right = strcmp(text_at(entry, "from"), wanted->from) == 0;
    if (is_right && wanted->application)
        is_right = strcmp(text_at(entry, "application"), wanted->application) == 0;
    if (is_right && wanted->subject)
        is_right = strcmp(text_at(entry, "subject"), wanted->subject) == 0;
    json_decref(page);
    return is_right;
}

static void expect(const char *what, const char *who, const char *application, const char *subject)
{
    struct wanted wanted = { what, who, strncmp(who, "uid", 3) == 0 ? NULL : "127.0.0.1",
                             application, subject };

    if (!wait_until(is_written, &wanted, 10000))
        fail_msg("no '%s' by '%s' of '%s'", what, who, subject ? subject : "");
}

static char task_id[TASK_ID_SIZE + 1];

static void make_task(const char *token, const char *application, char ret[TASK_ID_SIZE + 1])
{
    char body[PATH_SIZE];
    json_t *task;

    snprintf(body, sizeof body,
             "{\"application\":\"%s\",\"interface\":\"POST /checkout\",\"duration_min\":5,"
             "\"threshold_ms\":100}",
             application);
    task = scheduler_ask(&(struct api_call){ .port = scheduler.port,
                                             .path = "/api/v1/tasks",
                                             .token = token,
                                             .body = text_of(body) },
                         201);
    snprintf(ret, TASK_ID_SIZE + 1, "%s", text_at(task, "id"));
    json_decref(task);
}

/* ------------------------------------------------------------------ what is written */

static void tokens_are_in_it(void **state)
{
    char user[32], secret[TOKEN_SIZE];

    (void)state;
    snprintf(user, sizeof user, "uid %u", (unsigned)getuid());
    expect("token-created", user, NULL, "prober");
    assert_int_equal(command("create", "passing", "viewer", NULL, secret), 0);
    assert_int_equal(command("rotate", "passing", NULL, NULL, secret), 0);
    expect("token-rotated", user, NULL, "passing");
    assert_int_equal(command("revoke", "passing", NULL, NULL, secret), 0);
    expect("token-revoked", user, NULL, "passing");
}

static void what_is_done_to_a_task_is_in_it(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "walled", "host:1");
    struct sample_id sample = sample_id_make();
    char path[PATH_SIZE];

    (void)state;
    make_task(otto, "walled", task_id);
    expect("task-created", "otto", "walled", task_id);
    assert_true(scheduler_log_has("msg=\"audit\" what=\"task-created\" who=\"otto\""));
    snprintf(path, sizeof path, "/api/v1/tasks/%s/extend", task_id);
    assert_int_equal(status_of("POST", path, otto, TEXT("{}")), 200);
    expect("task-extended", "otto", "walled", task_id);
    probe.token = prober;
    fake_probe_poll(&probe);
    fake_probe_report(&probe, &(struct fake_sample){ .task = task_id, .id = &sample });
    snprintf(path, sizeof path, "/api/v1/samples/%s/analysis?format=svg", sample.text);
    assert_int_equal(status_of("GET", path, otto, TEXT("")), 200);
    expect("exported", "otto", "walled", sample.text);
    snprintf(path, sizeof path, "/api/v1/tasks/%s/cancel", task_id);
    assert_int_equal(status_of("POST", path, otto, TEXT("{}")), 200);
    expect("task-cancelled", "otto", "walled", task_id);
    assert_int_equal(status_of("POST", path, otto, TEXT("{}")), 409); /* was not done */
    assert_int_equal(
        status_of("PUT", "/api/v1/applications/walled/settings", otto, TEXT("{\"probe\":\"off\"}")),
        200);
    expect("settings-changed", "otto", "walled", NULL);
    assert_int_equal(
        status_of("PUT", "/api/v1/applications/walled/settings", otto, TEXT("{\"probe\":\"on\"}")),
        200);
}

static void log_in(const char *token, int status)
{
    char body[TOKEN_SIZE + 32];
    struct api_answer answer;

    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/api/v1/session",
                                .body = text_of(body) },
            &answer);
    assert_int_equal(answer.status, status);
    if (status == 201)
        snprintf(cookie_secret, sizeof cookie_secret, "%.64s",
                 strchr(api_header(&answer, "Set-Cookie"), '=') + 1);
    api_answer_done(&answer);
}

static void logins_are_in_it_also_refused_ones(void **state)
{
    (void)state;
    log_in(otto, 201);
    expect("logged-in", "otto", NULL, NULL);
    log_in("stakeout_wrong", 401);
    expect("login-refused", "", NULL, NULL);
}

/* ------------------------------------------------------------------ who may read it, and how */

static void who_is_for_some_sees_what_was_done_to_these(void **state)
{
    char own[TASK_ID_SIZE + 1];
    json_t *page, *entry;
    size_t i;

    (void)state;
    make_task(gardener, "garden", own);
    expect("task-created", "gardener", "garden", own);
    page = audit(gardener, "");
    assert_int_equal(json_array_size(json_object_get(page, "entries")), 1);
    json_array_foreach(json_object_get(page, "entries"), i, entry)
    {
        assert_string_equal(text_at(entry, "application"), "garden");
    }
    json_decref(page);
    assert_int_equal(status_of("GET", "/api/v1/audit", prober, TEXT("")), 403);
}

static void pages_go_on_to_the_end_without_a_gap(void **state)
{
    json_t *document = scheduler_ask(
        &(struct api_call){ .port = scheduler.port, .path = "/api/v1/openapi.json", .token = otto },
        200);
    json_t *schema = json_pack("{s:s}", "$ref", "#/components/schemas/AuditPage");
    json_t *whole = audit(otto, "?limit=1000"), *entries = json_array();
    char query[PATH_SIZE] = "?limit=3";

    (void)state;
    schema_check(document, schema, whole, "the audit log");
    for (int pages = 0; pages < 100 && *query; pages++) {
        json_t *page = audit(otto, query);
        const char *next = json_string_value(json_object_get(page, "next"));

        assert_true(json_array_size(json_object_get(page, "entries")) <= 3);
        json_array_extend(entries, json_object_get(page, "entries"));
        query[0] = '\0';
        if (next) snprintf(query, sizeof query, "?limit=3&cursor=%s", next);
        json_decref(page);
    }
    assert_true(json_array_size(entries) > 10);
    assert_true(json_equal(entries, json_object_get(whole, "entries")));
    json_decref(entries);
    json_decref(whole);
    entries = audit(otto, "?from=2000-01-01T00:00:00Z&to=2000-01-02T00:00:00Z");
    assert_int_equal(json_array_size(json_object_get(entries, "entries")), 0);
    json_decref(entries);
    assert_int_equal(status_of("GET", "/api/v1/audit?cursor=+", otto, TEXT("")), 400);
    assert_int_equal(status_of("GET", "/api/v1/audit?cursor=1", otto, TEXT("")), 400);
    json_decref(schema);
    json_decref(document);
}

/* ------------------------------------------------------------------ secrets */

static bool file_has(const char *path, const char *needle)
{
    size_t size = strlen(needle), kept = 0;
    char room[65536];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool has = false;
    ssize_t got;

    while (fd >= 0 && !has && (got = read(fd, room + kept, sizeof room - kept)) > 0) {
        size_t whole = kept + (size_t)got;

        has = memmem(room, whole, needle, size) != NULL;
        kept = whole < size ? whole : size - 1;
        memmove(room, room + whole - kept, kept);
    }
    if (fd >= 0) close(fd);
    return has;
}

/* Below a directory; returns how many files it looked at. */
static size_t search(const char *directory, const char *secret)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir)) != NULL) {
        char path[1024];

        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_type == DT_DIR) {
            count += search(path, secret);
        } else if (entry->d_type == DT_REG) {
            if (file_has(path, secret)) fail_msg("%s has a secret in it", path);
            count++;
        }
    }
    if (dir) closedir(dir);
    return count;
}

static size_t search_command_lines(const char *secret)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[512];

        if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name)) continue;
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        if (file_has(path, secret)) fail_msg("%s has a secret in it", path);
        count++;
    }
    closedir(dir);
    return count;
}

/* Where a secret could have gone: the log, Redis' files and all else of the state directory, the
 * command lines of all processes. That the search finds is shown by what may be told. */
static void no_secret_is_kept_or_told(void **state)
{
    const char *const secrets[] = { otto, gardener, prober, cookie_secret, "stakeout_wrong" };
    struct api_answer answer;
    char path[PATH_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(secrets); i++) {
        assert_true(strlen(secrets[i]) > 10);
        assert_true(search(scheduler.directory, secrets[i]) >= 3);
        assert_true(search_command_lines(secrets[i]) >= 3);
        api_ask(&(struct api_call){ .port = scheduler.port,
                                    .path = "/api/v1/audit?limit=1000",
                                    .token = otto },
                &answer);
        assert_null(strstr(answer.body.data, secrets[i]));
        api_answer_done(&answer);
    }
    snprintf(path, sizeof path, "%s/log", scheduler.directory);
    assert_true(file_has(path, "who=\"otto\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_in_it),
        cmocka_unit_test(what_is_done_to_a_task_is_in_it),
        cmocka_unit_test(logins_are_in_it_also_refused_ones),
        cmocka_unit_test(who_is_for_some_sees_what_was_done_to_these),
        cmocka_unit_test(pages_go_on_to_the_end_without_a_gap),
        cmocka_unit_test(no_secret_is_kept_or_told),
    };

    scheduler.options[0] = "--log-level";
    scheduler.options[1] = "debug";
    return cmocka_run_group_tests(tests, setup, scheduler_teardown);
}
