/* SPDX-License-Identifier: Apache-2.0 */
/* options.c: one walk over argv. The first word is the noun, the second its verb (where the noun
 * has verbs), the others are arguments; which options are known follows from the command as far
 * as it is known by then. What is missing is asked at the end, when --help has had its chance. */
#include "tools/cli/line/options.h"

#include "common/model/task_spec.h"

#include <string.h>

struct walk {
    int argc;
    char *const *argv;
    int at;
    bool options_are_over; /* "--" was met */
    struct line *line;
    struct problem *problem;
};

bool line_has(const struct line *line, enum option_id id)
{
    for (unsigned i = 0; i < line->given_count; i++) {
        if (line->given[i].id == id) return true;
    }
    return false;
}

const char *line_value(const struct line *line, enum option_id id)
{
    const char *value = NULL;

    for (unsigned i = 0; i < line->given_count; i++) {
        if (line->given[i].id == id) value = line->given[i].value;
    }
    return value;
}

const char *line_value_at(const struct line *line, enum option_id id, unsigned n)
{
    for (unsigned i = 0; i < line->given_count; i++) {
        if (line->given[i].id == id && n-- == 0) return line->given[i].value;
    }
    return NULL;
}

static bool is_global(enum option_id id)
{
    for (const enum option_id *it = global_options; *it != OPTION_NONE; it++) {
        if (*it == id) return true;
    }
    return false;
}

static bool is_known(const struct line *line, enum option_id id)
{
    if (!line->command) return is_global(id);
    return command_takes(line->command, id);
}

static enum option_id find_name(const struct line *line, struct text name)
{
    for (enum option_id id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
        if (is_known(line, id) && text_is_equal(text_of(option_get(id)->name), name)) return id;
    }
    return OPTION_NONE;
}

static enum option_id find_letter(const struct line *line, char letter)
{
    for (enum option_id id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
        if (is_known(line, id) && option_get(id)->letter == letter) return id;
    }
    return OPTION_NONE;
}

static const char *command_name(const struct line *line)
{
    return line->noun ? line->noun : "stakeout";
}

static int refuse_option(const struct walk *walk, struct text name)
{
    const struct line *line = walk->line;
    const char *nearest = option_nearest(line->command, name);
    const char *verb = line->command && line->command->verb ? line->command->verb : "";

    if (nearest) {
        return problem_set(walk->problem, PROBLEM_BAD_FIELD,
                           "there is no option '--%.*s' here; did you mean '--%s'?",
                           TEXT_ARGS(name), nearest);
    }
    return problem_set(walk->problem, PROBLEM_BAD_FIELD,
                       "there is no option '--%.*s' here; '%s%s%s --help' lists them",
                       TEXT_ARGS(name), command_name(line), *verb ? " " : "", verb);
}

static int add_option(struct walk *walk, enum option_id id, const char *value)
{
    struct line *line = walk->line;

    if (line->given_count == LINE_OPTIONS_MAX) {
        return problem_set(walk->problem, PROBLEM_BAD_FIELD, "more than %d options",
                           (int)LINE_OPTIONS_MAX);
    }
    line->given[line->given_count].id = id;
    line->given[line->given_count++].value = value;
    return 0;
}

/* The value behind an option: `attached` (may be NULL) or the next word. */
static int take_option(struct walk *walk, enum option_id id, const char *attached)
{
    const struct option_row *row = option_get(id);

    if (!option_takes_value(row)) {
        if (!attached) return add_option(walk, id, NULL);
        return problem_set(walk->problem, PROBLEM_BAD_FIELD, "--%s takes no value", row->name);
    }
    if (attached) return add_option(walk, id, attached);
    if (walk->at + 1 >= walk->argc || strncmp(walk->argv[walk->at + 1], "--", 2) == 0) {
        return problem_set(walk->problem, PROBLEM_BAD_FIELD, "--%s needs a value: --%s %s",
                           row->name, row->name, row->value);
    }
    return add_option(walk, id, walk->argv[++walk->at]);
}

static int take_long_option(struct walk *walk, const char *word)
{
    const char *equals = strchr(word, '=');
    struct text name = text_of(word);
    enum option_id id;

    if (equals) name.size = (size_t)(equals - word);
    id = find_name(walk->line, name);
    if (id == OPTION_NONE) return refuse_option(walk, name);
    return take_option(walk, id, equals ? equals + 1 : NULL);
}

static int take_letter(struct walk *walk, const char *word)
{
    enum option_id id = find_letter(walk->line, word[0]);

    if (id == OPTION_NONE) {
        return problem_set(walk->problem, PROBLEM_BAD_FIELD, "there is no option '-%s' here", word);
    }
    return take_option(walk, id, word[1] ? word + 1 : NULL);
}

static int take_noun(struct walk *walk, const char *word)
{
    const char *nearest;

    walk->line->noun = word;
    walk->line->command = command_find(text_of(word), TEXT(""));
    if (noun_exists(text_of(word))) return 0;
    nearest = noun_nearest(text_of(word));
    if (nearest) {
        return problem_set(walk->problem, PROBLEM_BAD_FIELD,
                           "there is no command '%s'; did you mean '%s'?", word, nearest);
    }
    return problem_set(walk->problem, PROBLEM_BAD_FIELD,
                       "there is no command '%s'; 'stakeout help' lists them", word);
}

static int take_verb(struct walk *walk, const char *word)
{
    struct text noun = text_of(walk->line->noun);
    const char *nearest;

    walk->line->command = command_find(noun, text_of(word));
    if (walk->line->command) return 0;
    nearest = verb_nearest(noun, text_of(word));
    if (nearest) {
        return problem_set(walk->problem, PROBLEM_BAD_FIELD,
                           "there is no command '%s %s'; did you mean '%s %s'?", walk->line->noun,
                           word, walk->line->noun, nearest);
    }
    return problem_set(walk->problem, PROBLEM_BAD_FIELD,
                       "there is no command '%s %s'; 'stakeout help %s' lists them",
                       walk->line->noun, word, walk->line->noun);
}

static int take_argument(struct walk *walk, const char *word)
{
    struct line *line = walk->line;
    const struct command *command = line->command;

    if (line->arg_count < command->args_max && line->arg_count < LINE_ARGS_MAX) {
        line->args[line->arg_count++] = word;
        return 0;
    }
    if (command->args_max == 0) {
        return problem_set(walk->problem, PROBLEM_BAD_FIELD, "'%s%s%s' takes no argument: '%s'",
                           command->noun, command->verb ? " " : "",
                           command->verb ? command->verb : "", word);
    }
    return problem_set(walk->problem, PROBLEM_BAD_FIELD,
                       "'%s' is one argument too many: '%s%s%s %s'", word, command->noun,
                       command->verb ? " " : "", command->verb ? command->verb : "",
                       command->arguments);
}

static int take_word(struct walk *walk, const char *word)
{
    if (!walk->options_are_over && word[0] == '-' && word[1]) {
        if (strcmp(word, "--") != 0)
            return word[1] == '-' ? take_long_option(walk, word + 2) : take_letter(walk, word + 1);
        walk->options_are_over = true;
        return 0;
    }
    if (!walk->line->noun) return take_noun(walk, word);
    if (!walk->line->command) return take_verb(walk, word);
    return take_argument(walk, word);
}

/* The word, and all behind it, is somebody else's command line. */
static bool take_rest(struct walk *walk, const char *word)
{
    struct line *line = walk->line;

    if (!line->command || line->command->args_max != ARGS_ARE_A_LINE) return false;
    if (!walk->options_are_over && word[0] == '-') return false;
    line->rest = walk->argv + walk->at;
    line->args[line->arg_count++] = word;
    return true;
}

/* Its options are the fields of a task: then the API's own sentence says what is missing. */
static bool is_order(const struct command *command)
{
    return command_takes(command, OPTION_THRESHOLD);
}

static int check_needed(const struct line *line, struct problem *problem)
{
    const struct command *command = line->command;

    for (const enum option_id *id = command->needed; *id != OPTION_NONE; id++) {
        const struct option_row *row = option_get(*id);
        const struct task_field *field = row->field ? task_field_find(text_of(row->field)) : NULL;

        if (line_has(line, *id)) continue;
        if (field && field->is_required && is_order(command)) {
            return problem_set(problem, PROBLEM_BAD_FIELD, "--%s: '%s' is missing; it must be %s.",
                               row->name, field->name, field->accepts);
        }
        return problem_set(problem, PROBLEM_BAD_FIELD, "--%s is needed: --%s %s (%s)", row->name,
                           row->name, row->value, row->says);
    }
    return 0;
}

static int check_whole(const struct line *line, struct problem *problem)
{
    const struct command *command = line->command;

    if (line_has(line, OPTION_HELP) || line_has(line, OPTION_VERSION)) return 0;
    if (!line->noun) {
        return problem_set(problem, PROBLEM_BAD_FIELD,
                           "a command is needed; 'stakeout help' lists them");
    }
    if (!command) {
        return problem_set(problem, PROBLEM_BAD_FIELD,
                           "'%s' needs a verb; 'stakeout help %s' lists them", line->noun,
                           line->noun);
    }
    if (line->arg_count < command->args_min) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "an argument is missing: '%s%s%s %s'",
                           command->noun, command->verb ? " " : "",
                           command->verb ? command->verb : "", command->arguments);
    }
    return check_needed(line, problem);
}

int line_parse(int argc, char *const *argv, struct line *ret, struct problem *problem)
{
    struct line line = { 0 };
    struct walk walk = { .argc = argc, .argv = argv, .line = &line, .problem = problem };

    for (walk.at = 1; walk.at < argc; walk.at++) {
        if (take_rest(&walk, argv[walk.at])) break;
        if (take_word(&walk, argv[walk.at]) < 0) return -1;
    }
    if (check_whole(&line, problem) < 0) return -1;
    *ret = line;
    return 0;
}
