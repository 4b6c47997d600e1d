/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_page_test.c: /metrics of a scheduler that has something to tell is held to metrics.def in
 * both directions, and promtool has nothing to say against it. */
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 128, LABELS_SIZE = 96, LINE_SIZE = 1024 };

static const struct row {
    const char *type, *exposed, *labels, *help;
} rows[] = {
#define METRIC(name, type, exposed, labels, help) { #type, exposed, labels, help },
#include "scheduler/metrics/metrics.def"
#undef METRIC
};

static struct buf page = BUF_INIT(1024 * 1024);

static void read_page(void)
{
    struct api_answer answer;

    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/metrics" }, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(api_header(&answer, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
    buf_reset(&page);
    assert_int_equal(buf_append(&page, answer.body.data, answer.body.size), 0);
    assert_int_equal(buf_append(&page, "", 1), 0); /* a string */
    api_answer_done(&answer);
}

/* "# HELP" and "# TYPE" of a row, as they must stand. */
static bool describes(const struct row *row)
{
    static const char *const types[][2] = { { "GAUGE", "gauge" },
                                            { "COUNTER", "counter" },
                                            { "HISTOGRAM", "histogram" } };
    char wanted[LINE_SIZE];

    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (strcmp(row->type, types[i][0]) != 0) continue;
        snprintf(wanted, sizeof wanted, "# HELP %s %s\n# TYPE %s %s\n%s", row->exposed, row->help,
                 row->exposed, types[i][1], row->exposed);
        return strstr(page.data, wanted) != NULL;
    }
    return false;
}

static const struct row *missing_row(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (!describes(&rows[i])) return &rows[i];
    }
    return NULL;
}

/* The slowest of them is looked at once a second. */
static bool is_complete(void *context)
{
    (void)context;
    read_page();
    return missing_row() == NULL;
}

static void every_row_is_told(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "shop", "host-1:1");

    (void)state;
    fake_probe_poll(&probe);
    fake_probe_pulse(&probe, &(struct fake_calls){ .interface = "POST /checkout", .count = 3 }, 1);
    if (!wait_until(is_complete, NULL, 20000))
        fail_msg("no %s, or not as metrics.def has it, in\n%s", missing_row()->exposed, page.data);
    fake_probe_done(&probe);
}

/* "kind,outcome" of a line that begins with `name{kind="...",outcome="..."}`. */
static void labels_of(const char *at, char ret[LABELS_SIZE])
{
    size_t size = 0;

    *ret = '\0';
    while (*at == '{' || *at == ',') {
        const char *equals = strchr(++at, '=');

        assert_non_null(equals);
        size += (size_t)snprintf(ret + size, LABELS_SIZE - size, "%s%.*s", size ? "," : "",
                                 (int)(equals - at), at);
        assert_true(size < LABELS_SIZE);
        at = strchr(equals + 2, '"') + 1; /* no value of ours has a quote in it */
    }
}

static const struct row *row_of(const char *name, size_t size, const char **ret_part)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        size_t row_size = strlen(rows[i].exposed);

        if (size < row_size || strncmp(rows[i].exposed, name, row_size) != 0) continue;
        *ret_part = name + row_size;
        if (size == row_size) return &rows[i];
        if (strcmp(rows[i].type, "HISTOGRAM") == 0 && name[row_size] == '_') return &rows[i];
    }
    return NULL;
}

static void check_line(const char *line)
{
    size_t size = strcspn(line, "{ ");
    const char *part = "";
    const struct row *row = row_of(line, size, &part);
    char labels[LABELS_SIZE], wanted[LABELS_SIZE];
    bool is_bucket;

    if (!row) fail_msg("metrics.def has no row for: %s", line);
    is_bucket = strncmp(part, "_bucket", 7) == 0;
    labels_of(line + size, labels);
    snprintf(wanted, sizeof wanted, "%s%s%s", row->labels, is_bucket && *row->labels ? "," : "",
             is_bucket ? "le" : "");
    if (strcmp(labels, wanted) != 0) fail_msg("'%s', not '%s': %s", wanted, labels, line);
}

static void nothing_else_is_told(void **state)
{
    size_t count = 0;
    char *rest = NULL;

    (void)state;
    read_page();
    for (char *line = strtok_r(page.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (*line == '#') continue;
        check_line(line);
        count++;
    }
    assert_true(count > ARRAY_COUNT(rows));
}

static void promtool_accepts_it(void **state)
{
    FILE *promtool;

    (void)state;
    if (system("command -v promtool >/dev/null") != 0) skip();
    read_page();
    promtool = popen("promtool check metrics", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(page.data, 1, page.size - 1, promtool), page.size - 1);
    assert_int_equal(pclose(promtool), 0);
}

static int page_teardown(void **state)
{
    buf_done(&page);
    return scheduler_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_told),
        cmocka_unit_test(nothing_else_is_told),
        cmocka_unit_test(promtool_accepts_it),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, page_teardown);
}
