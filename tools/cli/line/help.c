/* SPDX-License-Identifier: Apache-2.0 */
/* help.c: see help.h. Two columns: what to write, and what it does, wrapped beside it. */
#include "tools/cli/line/help.h"

#include "common/base/own.h"
#include "common/model/task_spec.h"
#include "tools/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LINE_SIZE_MAX = 64 * 1024, INDENT = 2, LEFT_MAX = 24 };

void help_synopsis(const struct command *command, struct buf *to)
{
    (void)buf_printf(to, "stakeout %s", command->noun);
    if (command->verb) (void)buf_printf(to, " %s", command->verb);
    if (command->args_max == ARGS_ARE_A_LINE) {
        (void)buf_printf(to, " [options] %s", command->arguments);
        return;
    }
    if (*command->arguments) (void)buf_printf(to, " %s", command->arguments);
    for (const enum option_id *id = command->needed; *id != OPTION_NONE; id++) {
        (void)buf_printf(to, " --%s %s", option_get(*id)->name, option_get(*id)->value);
    }
    (void)buf_text(to, TEXT(" [options]"));
}

void help_option_name(enum option_id id, struct buf *to)
{
    const struct option_row *row = option_get(id);
    const char *value = row->value ? row->value : "";
    const char *blank = row->value ? " " : "";

    if (row->letter) (void)buf_printf(to, "-%c%s%s, ", row->letter, blank, value);
    (void)buf_printf(to, "--%s%s%s", row->name, blank, value);
}

void help_option_says(enum option_id id, struct buf *to)
{
    const struct option_row *row = option_get(id);
    const struct task_field *field = row->field ? task_field_find(text_of(row->field)) : NULL;

    (void)buf_text(to, text_of(row->says));
    if (!field) return;
    (void)buf_printf(to, " (%s: %s", field->name, field->accepts);
    if (field->fallback != 0) (void)buf_printf(to, ", default %" PRId64, field->fallback);
    (void)buf_text(to, TEXT(")"));
}

/* The size of the next word of a command line, quotes and all, and of an option's value with it. */
static size_t word_size(const char *at)
{
    bool is_option = *at == '-', is_quoted = false;
    size_t size = 0;

    for (; at[size]; size++) {
        if (at[size] == '"') is_quoted = !is_quoted;
        if (at[size] != ' ' || is_quoted) continue;
        if (!is_option || at[size + 1] == '-') break;
        is_option = false;
    }
    return size;
}

void help_example(const struct command *command, size_t columns, size_t indent, struct buf *to)
{
    const char *at = command->example;
    size_t used = 0;

    while (*at) {
        size_t size = word_size(at), room = at[size] ? sizeof " \\" - 1 : 0;

        if (used > 0 && used + 1 + size + room > columns) {
            (void)buf_text(to, TEXT(" \\\n"));
            put_blanks(to, indent);
            used = indent;
        } else if (used > 0) {
            put_blanks(to, 1);
            used++;
        }
        (void)buf_append(to, at, size);
        used += size;
        at += size + (at[size] == ' ');
    }
}

/* "  left    right, wrapped under itself" */
static void put_pair(const struct screen *screen, struct text left, struct text right,
                     size_t left_columns, struct buf *to)
{
    size_t used = screen_columns(screen, left);
    size_t begin = INDENT + left_columns + 2;

    put_blanks(to, INDENT);
    screen_paint(screen, PAINT_BOLD, left, to);
    if (used > left_columns) {
        (void)buf_text(to, TEXT("\n"));
        put_blanks(to, begin);
    } else {
        put_blanks(to, begin - INDENT - used);
    }
    screen_wrap(screen, right, screen->width - begin, begin, to);
    (void)buf_text(to, TEXT("\n"));
}

static void put_title(const struct screen *screen, const char *title, struct buf *to)
{
    (void)buf_text(to, TEXT("\n"));
    screen_paint(screen, PAINT_BOLD, text_of(title), to);
    (void)buf_text(to, TEXT("\n"));
}

static void put_option(const struct screen *screen, enum option_id id, struct buf *to)
{
    OWN(buf_done) struct buf name = BUF_INIT(LINE_SIZE_MAX);
    OWN(buf_done) struct buf says = BUF_INIT(LINE_SIZE_MAX);

    help_option_name(id, &name);
    help_option_says(id, &says);
    put_pair(screen, buf_peek(&name), buf_peek(&says), LEFT_MAX, to);
}

static void put_options(const struct screen *screen, const char *title, const enum option_id *ids,
                        struct buf *to)
{
    if (*ids == OPTION_NONE) return;
    put_title(screen, title, to);
    for (; *ids != OPTION_NONE; ids++) {
        if (option_get(*ids)->kind != OPTION_IS_HIDDEN) put_option(screen, *ids, to);
    }
}

static void put_paragraph(const struct screen *screen, const char *text, struct buf *to)
{
    (void)buf_text(to, TEXT("\n"));
    screen_wrap(screen, text_of(text), screen->width, 0, to);
    (void)buf_text(to, TEXT("\n"));
}

void help_command(const struct screen *screen, const struct command *command, struct buf *to)
{
    OWN(buf_done) struct buf synopsis = BUF_INIT(LINE_SIZE_MAX);

    help_synopsis(command, &synopsis);
    screen_wrap(screen, buf_peek(&synopsis), screen->width, 4, to);
    (void)buf_text(to, TEXT("\n"));
    put_paragraph(screen, command->summary, to);
    put_paragraph(screen, command->about, to);
    put_options(screen, "Needed", command->needed, to);
    put_options(screen, "Options", command->options, to);
    put_options(screen, "Options of every command", global_options, to);
    put_title(screen, "Example", to);
    put_blanks(to, INDENT);
    help_example(command, screen->width - INDENT, 2 * INDENT, to);
    (void)buf_text(to, TEXT("\n"));
}

static void put_commands(const struct screen *screen, struct text noun, struct buf *to)
{
    size_t count;
    const struct command *rows = commands(&count);

    for (size_t i = 0; i < count; i++) {
        OWN(buf_done) struct buf name = BUF_INIT(LINE_SIZE_MAX);

        if (rows[i].is_hidden) continue;
        if (noun.size > 0 && !text_is_equal(text_of(rows[i].noun), noun)) continue;
        (void)buf_printf(&name, "%s %s", rows[i].noun, rows[i].verb ? rows[i].verb : "");
        put_pair(screen, buf_peek(&name), text_of(rows[i].summary), LEFT_MAX - 5, to);
    }
}

void help_noun(const struct screen *screen, struct text noun, struct buf *to)
{
    (void)buf_printf(to, "stakeout %.*s COMMAND [arguments] [options]\n\n", TEXT_ARGS(noun));
    put_commands(screen, noun, to);
    (void)buf_printf(to, "\n'stakeout %.*s COMMAND --help' says more.\n", TEXT_ARGS(noun));
}

void help_all(const struct screen *screen, struct buf *to)
{
    (void)buf_text(to, TEXT("stakeout NOUN VERB [arguments] [options]: "
                            "catch slow calls in the act\n"));
    put_title(screen, "Commands", to);
    put_commands(screen, TEXT(""), to);
    put_options(screen, "Options of every command", global_options, to);
    put_title(screen, "Exit status", to);
    put_pair(screen, TEXT("0"), TEXT("done"), 2, to);
    put_pair(screen, TEXT("1"), TEXT("failed, or refused by the scheduler"), 2, to);
    put_pair(screen, TEXT("2"), TEXT("the command line alone shows that it is wrong"), 2, to);
    put_pair(screen, TEXT("3"), TEXT("task watch: nothing was captured"), 2, to);
    put_pair(screen, TEXT("4"), TEXT("task watch: no instance took the task"), 2, to);
    put_pair(screen, TEXT("*"), TEXT("run: the program's own; 126, 127: it cannot be run"), 2, to);
    (void)buf_text(to, TEXT("\n'stakeout NOUN VERB --help' says more; so does man stakeout.\n"));
}

int command_help(struct cli *cli)
{
    const char *noun = cli->line->args[0], *verb = cli->line->args[1];
    const struct command *command = NULL;

    if (!noun) {
        help_all(&cli->screen, &cli->out);
        return CLI_DONE;
    }
    command = command_find(text_of(noun), text_of(verb));
    if (command) {
        help_command(&cli->screen, command, &cli->out);
    } else if (verb || !noun_exists(text_of(noun))) {
        cli_say("there is no command '%s%s%s'; 'stakeout help' lists them", noun, verb ? " " : "",
                verb ? verb : "");
        return CLI_MISUSED;
    } else {
        help_noun(&cli->screen, text_of(noun), &cli->out);
    }
    return CLI_DONE;
}

int command_completion_bash(struct cli *cli)
{
    completion_bash(&cli->out);
    return CLI_DONE;
}

int command_manual(struct cli *cli)
{
    manual_page(&cli->out);
    return CLI_DONE;
}
