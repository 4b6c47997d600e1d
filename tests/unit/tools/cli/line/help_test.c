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

static void no_line_is_wider_than(const struct buf *text, size_t width)
{
    struct text rest = buf_peek(text);

    while (rest.size > 0) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t size = end ? (size_t)(end - rest.data) : rest.size;
        struct text line = { rest.data, size };

        if (screen_columns(&screen, line) > width)
            fail_msg("wider than %zu: %.*s", width, TEXT_ARGS(line));
        rest = (struct text){ rest.data + size + 1, end ? rest.size - size - 1 : 0 };
    }
}

/* What /bin/sh prints for a script. */
static void ask_shell(const char *script, char *ret, size_t size)
{
    FILE *pipe = popen(script, "r");
    size_t got;

    assert_non_null(pipe);
    got = fread(ret, 1, size - 1, pipe);
    ret[got] = '\0';
    assert_int_equal(pclose(pipe), 0);
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
        assert_has(&help, "\nExample\n  stakeout ", rows[i].noun);
        for (enum option_id id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
            char name[64];

            snprintf(name, sizeof name, "--%s", option_get(id)->name);
            if (command_takes(&rows[i], id) && option_get(id)->kind != OPTION_IS_HIDDEN)
                assert_has(&help, name, rows[i].noun);
        }
        no_line_is_wider_than(&help, 80);
    }
}

/* In lines for a page, and yet one command: a shell that echoes its words finds them all. */
static void examples_are_broken_as_a_shell_takes_them(void **state)
{
    size_t count;
    const struct command *rows = commands(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        OWN(buf_done) struct buf script = BUF_INIT(1 << 20);
        OWN(buf_done) struct buf expected = BUF_INIT(1 << 20);
        char said[1024], whole[1024];

        if (strpbrk(rows[i].example, "$|<>;")) continue; /* more than one simple command */
        (void)buf_text(&script, TEXT("printf '[%s]' "));
        help_example(&rows[i], 40, 4, &script);
        (void)buf_printf(&expected, "printf '[%%s]' %s", rows[i].example);
        ask_shell(script.data, said, sizeof said);
        ask_shell(expected.data, whole, sizeof whole);
        assert_string_equal(said, whole);
        no_line_is_wider_than(&script, 64);
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
    no_line_is_wider_than(&help, 80);
    assert_has(&help, "--version", "the overview");
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
    assert_non_null(strstr(text.data, "lookback"));
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
    assert_has(&page, "\\-\\-version", "the manual page");
}

/* What groff makes of the page; false without groff. */
static bool read_page(const char *options, struct buf *ret)
{
    OWN(buf_done) struct buf page = BUF_INIT(1 << 20);
    char name[] = "/tmp/stakeout-manual-XXXXXX", command[128], said[4096];
    size_t size;
    FILE *pipe;
    int fd;

    if (access("/usr/bin/groff", X_OK) != 0) return false;
    fd = mkstemp(name);
    assert_true(fd >= 0);
    manual_page(&page);
    assert_int_equal(write(fd, page.data, page.size), page.size);
    assert_int_equal(close(fd), 0);
    snprintf(command, sizeof command, "groff -man -Tutf8 -P-c %s %s 2>&1", options, name);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    while ((size = fread(said, 1, sizeof said, pipe)) > 0) {
        (void)buf_append(ret, said, size);
    }
    assert_int_equal(pclose(pipe), 0);
    (void)unlink(name);
    return true;
}

/* Reads the page with the program that shows it: it has no warning to give. */
static void manual_page_is_sound_troff(void **state)
{
    OWN(buf_done) struct buf said = BUF_INIT(1 << 20);

    (void)state;
    if (!read_page("-ww -z", &said)) skip();
    assert_string_equal(buf_peek(&said).data, "");
}

static void manual_page_is_not_wider_than_80_columns(void **state)
{
    OWN(buf_done) struct buf shown = BUF_INIT(1 << 20);

    (void)state;
    if (!read_page("-rLL=78n -P-bou", &shown)) skip();
    assert_has(&shown, "stakeout task create --application shop", "the page as it is read");
    no_line_is_wider_than(&shown, 80);
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
        const char *says;  /* among the answers */
        const char *never; /* not among them; may be NULL */
    } cases[] = {
        { "stakeout ta", 1, "task", NULL },
        { "stakeout task ''", 2, "create list show log watch cancel extend clone", NULL },
        { "stakeout --server http://h task li", 4, "list", NULL },
        { "stakeout task create --fr", 3, "--frequency", NULL },
        { "stakeout task create --duration ''", 4, "5m 10m 15m", NULL },
        { "stakeout sample export x --format sp", 5, "speedscope", NULL },
        { "stakeout doctor --js", 2, "--json", NULL },
        { "stakeout help ''", 2, "task sample", "--" },
        { "stakeout help ta", 2, "task", "--" },
        { "stakeout help task ''", 3, "create list show", "--" },
        { "stakeout --json help task wa", 4, "watch", "--" },
        { "stakeout task list --state =", 4, "SCHEDULED ACTIVE", "--" },
        { "stakeout --server = http://h task li", 5, "list", NULL },
        { "stakeout task list --state = F", 5, "FILLED", "--" },
        { "stakeout task list --state = FILLED --si", 6, "--since", NULL },
        { "stakeout task list --state=F", 3, "--state=FILLED", "ACTIVE" },
        { "stakeout task list --state=FILLED --si", 4, "--since", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char answer[1024];

        complete(cases[i].words, cases[i].index, answer, sizeof answer);
        if (!strstr(answer, cases[i].says) || (cases[i].never && strstr(answer, cases[i].never)))
            fail_msg("%s: '%s'", cases[i].words, answer);
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
        cmocka_unit_test(examples_are_broken_as_a_shell_takes_them),
        cmocka_unit_test(help_says_what_the_fields_of_a_task_accept),
        cmocka_unit_test(overview_lists_every_command),
        cmocka_unit_test(what_is_not_available_is_not_shown),
        cmocka_unit_test(manual_page_has_every_command_and_option),
        cmocka_unit_test(manual_page_is_sound_troff),
        cmocka_unit_test(manual_page_is_not_wider_than_80_columns),
        cmocka_unit_test(completion_knows_every_command),
        cmocka_unit_test(bash_completes_nouns_verbs_options_and_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
