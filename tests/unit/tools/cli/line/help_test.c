/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the tables is in the help, in the completion and in the manual page. */
#include "common/base/own.h"
#include "common/model/task_spec.h"
#include "tests/support/test.h"
#include "tools/cli/line/help.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const struct screen screen = { .width = 80, .has_utf8 = true };

static void assert_has(const struct buf *text, const char *what, const char *where)
{
    if (!strstr(text->data, what)) fail_msg("'%s' is not in %s", what, where);
}

static void no_line_is_wider_than(const struct buf *text, size_t width, bool has_example)
{
    struct text rest = buf_peek(text);

    while (rest.size > 0) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t size = end ? (size_t)(end - rest.data) : rest.size;
        struct text line = { rest.data, size };
        bool is_example = has_example && size > 10 && strncmp(line.data, "  stakeout", 10) == 0;

        if (!is_example && screen_columns(&screen, line) > width)
            fail_msg("wider than %zu: %.*s", width, TEXT_ARGS(line));
        rest = (struct text){ rest.data + size + 1, end ? rest.size - size - 1 : 0 };
    }
}

static void every_command_has_help_with_all_its_options(void **state)
{
    size_t count;
    const struct command *rows = commands(&count);

    (void)state;
    assert_true(count >= 20);
    for (size_t i = 0; i < count; i++) {
        OWN(buf_done) struct buf help = BUF_INIT(1 << 20);

        help_command(&screen, &rows[i], &help);
        assert_has(&help, rows[i].summary, rows[i].noun);
        assert_has(&help, rows[i].example, rows[i].noun);
        for (enum option_id id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
            char name[64];

            snprintf(name, sizeof name, "--%s", option_get(id)->name);
            if (command_takes(&rows[i], id) && option_get(id)->kind != OPTION_IS_HIDDEN)
                assert_has(&help, name, rows[i].noun);
        }
        no_line_is_wider_than(&help, 80, true);
    }
}

/* The sentence that refuses a value and the help that explains it read the same table. */
static void help_says_what_the_fields_of_a_task_accept(void **state)
{
    size_t count;
    const struct task_field *fields = task_fields(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        OWN(buf_done) struct buf says = BUF_INIT(4096);
        enum option_id id = OPTION_NONE + 1;

        while (id < OPTION_COUNT &&
               (!option_get(id)->field || strcmp(option_get(id)->field, fields[i].name) != 0)) {
            id++;
        }
        if (id == OPTION_COUNT) fail_msg("no option for the field %s", fields[i].name);
        if (option_get(id)->kind == OPTION_IS_HIDDEN) continue;
        help_option_says(id, &says);
        assert_has(&says, fields[i].accepts, option_get(id)->name);
    }
}

static void overview_lists_every_command(void **state)
{
    OWN(buf_done) struct buf help = BUF_INIT(1 << 20);
    size_t count;
    const struct command *rows = commands(&count);

    (void)state;
    help_all(&screen, &help);
    for (size_t i = 0; i < count; i++) {
        char name[64];

        snprintf(name, sizeof name, "  %s %s", rows[i].noun, rows[i].verb ? rows[i].verb : "");
        if (rows[i].is_hidden == (strstr(help.data, name) != NULL))
            fail_msg("'%s' is hidden or shown wrongly", name);
    }
    no_line_is_wider_than(&help, 80, false);
}

static void what_is_not_available_is_not_shown(void **state)
{
    OWN(buf_done) struct buf text = BUF_INIT(1 << 20);
    size_t count;
    const struct command *rows = commands(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        help_command(&screen, &rows[i], &text);
    }
    manual_page(&text);
    completion_bash(&text);
    assert_null(strstr(text.data, "lookback"));
    assert_null(strstr(text.data, "symbols"));
}

static void manual_page_has_every_command_and_option(void **state)
{
    OWN(buf_done) struct buf page = BUF_INIT(1 << 20);
    size_t count;
    const struct command *rows = commands(&count);

    (void)state;
    manual_page(&page);
    for (size_t i = 0; i < count; i++) {
        char name[80];

        if (rows[i].is_hidden) continue;
        snprintf(name, sizeof name, ".SS stakeout %s %s", rows[i].noun,
                 rows[i].verb ? rows[i].verb : "");
        assert_has(&page, name, "the manual page");
    }
    assert_has(&page, ".SH EXIT STATUS", "the manual page");
    assert_has(&page, "\\-\\-min\\-percent", "the manual page");
}

/* Reads the page with the program that shows it: it has no warning to give. */
static void manual_page_is_sound_troff(void **state)
{
    OWN(buf_done) struct buf page = BUF_INIT(1 << 20);
    char name[] = "/tmp/stakeout-manual-XXXXXX", command[128], said[1024];
    int fd;
    FILE *pipe;
    size_t size;

    (void)state;
    if (access("/usr/bin/groff", X_OK) != 0) skip();
    fd = mkstemp(name);
    assert_true(fd >= 0);
    manual_page(&page);
    assert_int_equal(write(fd, page.data, page.size), page.size);
    assert_int_equal(close(fd), 0);
    snprintf(command, sizeof command, "groff -man -ww -z -Tutf8 %s 2>&1", name);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    size = fread(said, 1, sizeof said - 1, pipe);
    said[size] = '\0';
    assert_int_equal(pclose(pipe), 0);
    (void)unlink(name);
    assert_string_equal(said, "");
}

/* Asks a real bash what it would complete. */
static void complete(const char *words, size_t index, char *ret, size_t size)
{
    OWN(buf_done) struct buf script = BUF_INIT(1 << 20);
    char name[] = "/tmp/stakeout-complete-XXXXXX", command[128];
    int fd = mkstemp(name);
    FILE *pipe;
    size_t got;

    assert_true(fd >= 0);
    completion_bash(&script);
    (void)buf_printf(&script,
                     "COMP_WORDS=(%s)\nCOMP_CWORD=%zu\n_stakeout\necho \"${COMPREPLY[*]}\"\n",
                     words, index);
    assert_int_equal(write(fd, script.data, script.size), script.size);
    assert_int_equal(close(fd), 0);
    snprintf(command, sizeof command, "bash --norc --noprofile %s", name);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    got = fread(ret, 1, size - 1, pipe);
    ret[got] = '\0';
    assert_int_equal(pclose(pipe), 0);
    (void)unlink(name);
}

static void bash_completes_nouns_verbs_options_and_values(void **state)
{
    static const struct {
        const char *words;
        size_t index;
        const char *says; /* among the answers */
    } cases[] = {
        { "stakeout ta", 1, "task" },
        { "stakeout task ''", 2, "create list show log watch cancel extend clone" },
        { "stakeout --server http://h task li", 4, "list" },
        { "stakeout task create --fr", 3, "--frequency" },
        { "stakeout task create --duration ''", 4, "5m 10m 15m" },
        { "stakeout sample export x --format sp", 5, "speedscope" },
        { "stakeout doctor --js", 2, "--json" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char answer[1024];

        complete(cases[i].words, cases[i].index, answer, sizeof answer);
        if (!strstr(answer, cases[i].says)) fail_msg("%s: '%s'", cases[i].words, answer);
    }
}

static void completion_knows_every_command(void **state)
{
    OWN(buf_done) struct buf script = BUF_INIT(1 << 20);
    size_t count;
    const struct command *rows = commands(&count);

    (void)state;
    completion_bash(&script);
    for (size_t i = 0; i < count; i++) {
        char name[64];

        if (rows[i].is_hidden) continue;
        snprintf(name, sizeof name, "'%s %s') words=", rows[i].noun,
                 rows[i].verb ? rows[i].verb : "");
        assert_has(&script, name, "the completion");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_help_with_all_its_options),
        cmocka_unit_test(help_says_what_the_fields_of_a_task_accept),
        cmocka_unit_test(overview_lists_every_command),
        cmocka_unit_test(what_is_not_available_is_not_shown),
        cmocka_unit_test(manual_page_has_every_command_and_option),
        cmocka_unit_test(manual_page_is_sound_troff),
        cmocka_unit_test(completion_knows_every_command),
        cmocka_unit_test(bash_completes_nouns_verbs_options_and_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
