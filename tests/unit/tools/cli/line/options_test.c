/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"
#include "tools/cli/line/options.h"

#include <string.h>

enum { WORDS_MAX = 24 };

/* What is read points into argv, which therefore stays until the next call. */
static int parse(const char *const *words, struct line *ret, struct problem *problem)
{
    static char *argv[WORDS_MAX + 2];
    int argc = 1;

    memset(argv, 0, sizeof argv);
    argv[0] = "stakeout";
    for (; *words; words++) {
        argv[argc++] = (char *)*words; /* argv is never written to */
    }
    return line_parse(argc, argv, ret, problem);
}

static void a_command_line_is_taken_as_it_is(void **state)
{
    static const char *const words[] = { "run", "--rule", "GET /", "echo", "--help", "--", NULL };
    struct line line;
    struct problem problem;

    (void)state;
    assert_int_equal(parse(words, &line, &problem), 0);
    assert_string_equal(line.rest[0], "echo");
    assert_string_equal(line.rest[1], "--help");
    assert_string_equal(line.rest[2], "--");
    assert_null(line.rest[3]);
    assert_false(line_has(&line, OPTION_HELP));
    assert_string_equal(line_value(&line, OPTION_RULE), "GET /");
}

#define WORDS(...)  ((const char *const[]){ __VA_ARGS__, NULL })
#define CREATE(...) WORDS("task", "create", __VA_ARGS__)
#define NEEDED                                                                                   \
    "--application", "shop", "--interface", "POST /checkout", "--duration", "5m", "--threshold", \
        "100ms"

static const struct {
    const char *says;
    const char *words[WORDS_MAX];
    const char *blame; /* in the sentence; NULL: accepted */
} cases[] = {
    { "nothing at all", { NULL }, "stakeout help" },
    { "help alone", { "--help" }, NULL },
    { "help by letter", { "-h" }, NULL },
    { "version alone", { "--version" }, NULL },
    { "noun without verb", { "task" }, "'task' needs a verb" },
    { "noun with help", { "task", "--help" }, NULL },
    { "verb without what it needs, but help", { "task", "create", "--help" }, NULL },
    { "misspelt noun", { "tsak", "list" }, "did you mean 'task'?" },
    { "beginning of a noun", { "app", "list" }, "did you mean 'application'?" },
    { "nothing like a noun", { "zzzzzz" }, "'stakeout help' lists them" },
    { "misspelt verb", { "task", "creat" }, "did you mean 'task create'?" },
    { "nothing like a verb", { "task", "zzzzzz" }, "'stakeout help task' lists them" },
    { "misspelt option", { "task", "list", "--sinse", "7d" }, "did you mean '--since'?" },
    { "option of another command", { "task", "list", "--format", "svg" }, "--format" },
    { "nothing like an option", { "doctor", "--zzzzzz" }, "--help" },
    { "unknown letter", { "task", "list", "-x" }, "'-x'" },
    { "global option first", { "--server", "http://h", "task", "list" }, NULL },
    { "command's option first", { "--state", "ACTIVE", "task", "list" }, "--state" },
    { "value missing at the end", { "task", "list", "--since" }, "--since needs a value" },
    { "option instead of a value", { "task", "list", "--since", "--json" }, "--since needs" },
    { "value for a flag", { "task", "list", "--json=yes" }, "--json takes no value" },
    { "needed option missing",
      { "task", "create", "--application", "a" },
      "--interface: 'interface' is missing; it must be 1 to 512 bytes" },
    { "all that is needed", { "task", "create", NEEDED }, NULL },
    { "equals sign", { "interface", "list", "--application=shop" }, NULL },
    { "argument missing", { "task", "show" }, "an argument is missing: 'task show TASK'" },
    { "one argument too many", { "task", "show", "a", "b" }, "one argument too many" },
    { "argument of none", { "doctor", "now" }, "'doctor' takes no argument" },
    { "two arguments", { "task", "diff", "a", "b" }, NULL },
    { "a program and its options", { "run", "echo", "--nonsense", "-x", "--", "a", "b" }, NULL },
    { "options before the program",
      { "run", "--rule", "GET /", "--rule", "GET /a", "echo" },
      NULL },
    { "a program that looks like an option", { "run", "--", "--echo" }, NULL },
    { "no program",
      { "run", "--rule", "GET /" },
      "an argument is missing: 'run PROGRAM [ARG...]'" },
    { "an unknown option before the program", { "run", "--nonsense", "echo" }, "--nonsense" },
    { "letter with its value behind",
      { "task", "export", "a", "--format", "svg", "-o", "f" },
      NULL },
    { "letter with its value attached", { "task", "export", "a", "--format", "svg", "-of" }, NULL },
    { "option behind the double dash", { "task", "show", "--", "--json" }, NULL },
    { "single dash is an argument", { "task", "show", "-" }, NULL },
    { "negative value", { "task", "list", "--since", "-15m" }, NULL },
};

static void line_is_accepted_or_refused_by_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct problem problem = { 0 };
        struct line line = { 0 };
        int rc = parse(cases[i].words, &line, &problem);

        if (!cases[i].blame && rc < 0) fail_msg("%s: refused: %s", cases[i].says, problem.detail);
        if (!cases[i].blame) continue;
        if (rc == 0) fail_msg("%s: accepted", cases[i].says);
        if (!strstr(problem.detail, cases[i].blame))
            fail_msg("%s: said '%s'", cases[i].says, problem.detail);
    }
}

static void values_are_found_by_their_option(void **state)
{
    struct problem problem = { 0 };
    struct line line;

    (void)state;
    assert_int_equal(
        parse(CREATE(NEEDED, "--instance", "a", "--instance=b", "--note", "x=y"), &line, &problem),
        0);
    assert_string_equal(line_value(&line, OPTION_APPLICATION), "shop");
    assert_string_equal(line_value_at(&line, OPTION_INSTANCE, 0), "a");
    assert_string_equal(line_value_at(&line, OPTION_INSTANCE, 1), "b");
    assert_null(line_value_at(&line, OPTION_INSTANCE, 2));
    assert_string_equal(line_value(&line, OPTION_NOTE), "x=y");
    assert_null(line_value(&line, OPTION_START));
    assert_false(line_has(&line, OPTION_JSON));
    assert_string_equal(line.command->verb, "create");
}

static void last_one_of_a_repeated_option_counts(void **state)
{
    struct problem problem = { 0 };
    struct line line;

    (void)state;
    assert_int_equal(
        parse(WORDS("task", "list", "--state", "ACTIVE", "--state", "FILLED"), &line, &problem), 0);
    assert_string_equal(line_value(&line, OPTION_STATE), "FILLED");
}

static void refused_line_leaves_the_result_alone(void **state)
{
    struct problem problem = { 0 };
    struct line line = { .arg_count = 77 };

    (void)state;
    assert_int_equal(parse(WORDS("task", "shwo"), &line, &problem), -1);
    assert_int_equal(line.arg_count, 77);
}

static void options_have_a_bound(void **state)
{
    char *argv[2 * LINE_OPTIONS_MAX + 8] = { "stakeout", "task", "list" };
    struct problem problem = { 0 };
    struct line line;
    int argc = 3;

    (void)state;
    for (unsigned i = 0; i < LINE_OPTIONS_MAX; i++) {
        argv[argc++] = "--json";
    }
    assert_int_equal(line_parse(argc, argv, &line, &problem), 0);
    argv[argc++] = "--json";
    assert_int_equal(line_parse(argc, argv, &line, &problem), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_line_is_taken_as_it_is),
        cmocka_unit_test(line_is_accepted_or_refused_by_a_sentence),
        cmocka_unit_test(values_are_found_by_their_option),
        cmocka_unit_test(last_one_of_a_repeated_option_counts),
        cmocka_unit_test(refused_line_leaves_the_result_alone),
        cmocka_unit_test(options_have_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
