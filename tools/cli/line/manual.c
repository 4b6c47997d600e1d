/* SPDX-License-Identifier: Apache-2.0 */
/* manual.c: stakeout.1, its commands and options from the tables, the rest from here. */
#include "tools/cli/line/help.h"

#include "common/base/own.h"
#include "tools/cli/line/config.h"

#include <ctype.h>
#include <string.h>

enum { LINE_SIZE_MAX = 64 * 1024, EXAMPLE_COLUMNS = 72 /* a page of 80 is indented by 7 */ };

/* Text as troff takes it: hyphens that can be copied, no line that is read as a request. */
static void put_text(struct text text, struct buf *to)
{
    if (text.size > 0 && strchr(".'", text.data[0])) (void)buf_text(to, TEXT("\\&"));
    for (size_t i = 0; i < text.size; i++) {
        switch (text.data[i]) {
        case '\\':
            (void)buf_text(to, TEXT("\\e"));
            break;
        case '-':
            (void)buf_text(to, TEXT("\\-"));
            break;
        case '\'':
            (void)buf_text(to, TEXT("\\(aq"));
            break;
        default:
            (void)buf_append(to, &text.data[i], 1);
        }
    }
}

static void put_line(struct text text, struct buf *to)
{
    put_text(text, to);
    (void)buf_text(to, TEXT("\n"));
}

/* A paragraph with a tag. */
static void put_tagged(struct text tag, struct text says, struct buf *to)
{
    (void)buf_text(to, TEXT(".TP\n.B "));
    put_line(tag, to);
    put_line(says, to);
}

static void put_option(enum option_id id, struct buf *to)
{
    OWN(buf_done) struct buf name = BUF_INIT(LINE_SIZE_MAX);
    OWN(buf_done) struct buf says = BUF_INIT(LINE_SIZE_MAX);

    if (option_get(id)->kind == OPTION_IS_HIDDEN) return;
    help_option_name(id, &name);
    help_option_says(id, &says);
    put_tagged(buf_peek(&name), buf_peek(&says), to);
}

static void put_options(const enum option_id *ids, struct buf *to)
{
    for (; *ids != OPTION_NONE; ids++) {
        put_option(*ids, to);
    }
}

static void put_command(const struct command *command, struct buf *to)
{
    OWN(buf_done) struct buf synopsis = BUF_INIT(LINE_SIZE_MAX);
    OWN(buf_done) struct buf example = BUF_INIT(LINE_SIZE_MAX);

    help_synopsis(command, &synopsis);
    (void)buf_text(to, TEXT(".SS "));
    put_line(buf_peek(&synopsis), to);
    (void)buf_printf(to, "%c", toupper((unsigned char)command->summary[0]));
    put_text(text_of(command->summary + 1), to);
    (void)buf_text(to, TEXT(".\n"));
    put_line(text_of(command->about), to);
    put_options(command->needed, to);
    put_options(command->options, to);
    (void)buf_text(to, TEXT(".PP\n.EX\n"));
    help_example(command, EXAMPLE_COLUMNS, 4, &example);
    put_line(buf_peek(&example), to);
    (void)buf_text(to, TEXT(".EE\n"));
}

static void put_commands(struct buf *to)
{
    size_t count;
    const struct command *rows = commands(&count);

    (void)buf_text(to, TEXT(".SH COMMANDS\n"));
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].is_hidden) put_command(&rows[i], to);
    }
}

static void put_values(struct buf *to)
{
    (void)buf_text(to, TEXT(".SH VALUES\n"));
    put_tagged(TEXT("TIME"), TEXT("A number and its unit: 100ms, 1.5s, 5m, 2h, 7d."), to);
    put_tagged(TEXT("WHEN"),
               TEXT("A date as 2026-11-21T03:00:00Z or with an offset (RFC 3339); now; +10m, from "
                    "now; -2h or \"2h ago\", before now. For --since and --until, 7d means 7d "
                    "ago."),
               to);
    put_tagged(TEXT("TASK, SAMPLE, TRACE"),
               TEXT("20, 32 and 32 lower-case hex digits, as the lists print them."), to);
}

static void put_output(struct buf *to)
{
    (void)buf_text(to, TEXT(".SH OUTPUT\n"));
    put_line(TEXT("Tables are for people; their columns keep their order and meaning. They fit "
                  "the terminal, or COLUMNS; columns for which there is no room are left out, and "
                  "named on standard error. Into a pipe or a file they go whole, as wide as they "
                  "are. Programs "
                  "use --json: the API's answer, byte for byte, but that a terminal gets control "
                  "and bidirectional characters as escapes."),
             to);
    (void)buf_text(to, TEXT(".PP\n"));
    put_line(TEXT("Times in columns are whole milliseconds. Clocks are in the zone of TZ. Names "
                  "from outside are escaped; C++ names are shortened to fit, by leaving out "
                  "arguments first, then template arguments, then the outer parts."),
             to);
}

static void put_ends(struct buf *to)
{
    (void)buf_text(to, TEXT(".SH EXIT STATUS\n"));
    put_tagged(TEXT("0"), TEXT("Done; of task watch: something was captured."), to);
    put_tagged(TEXT("1"), TEXT("Failed, or refused by the scheduler."), to);
    put_tagged(TEXT("2"), TEXT("The command line alone shows that it is wrong."), to);
    put_tagged(TEXT("3"), TEXT("Of task watch: nothing was captured."), to);
    put_tagged(TEXT("4"), TEXT("Of task watch: no instance took the task."), to);
    put_tagged(
        TEXT("126, 127"),
        TEXT("Of run: the program cannot be run; it is not there. Else its exit status is the "
             "program's."),
        to);
    (void)buf_text(to, TEXT(".SH ENVIRONMENT\n"));
    put_tagged(TEXT("STAKEOUT_SERVER, STAKEOUT_TOKEN, STAKEOUT_CA"),
               TEXT("The scheduler, the token, and for https the authority of its certificate, "
                    "where --server, --token and --ca do not name them."),
               to);
    put_tagged(TEXT("NO_COLOR, COLUMNS, TZ"),
               TEXT("No colour; the width of the output; the zone of its clocks."), to);
    (void)buf_text(to, TEXT(".SH FILES\n"));
    put_tagged(TEXT("$XDG_CONFIG_HOME/stakeout/config"),
               TEXT("Lines as \"server = " SERVER_DEFAULT
                    "\", \"token = TOKEN\" and \"ca = FILE\"; "
                    "$HOME/.config where XDG_CONFIG_HOME is not set. If others can read the file, "
                    "its token is not used."),
               to);
    (void)buf_text(to, TEXT(".SH SEE ALSO\n.BR stakeoutd (8)\n"));
}

void manual_page(struct buf *to)
{
    (void)buf_text(to, TEXT(".\\\" SPDX-License-Identifier: Apache-2.0\n"
                            ".\\\" Written by 'stakeout manual' from the tables of its commands.\n"
                            ".TH STAKEOUT 1 \"\" \"stakeout " STAKEOUT_VERSION "\" "
                            "\"User commands\"\n"
                            ".SH NAME\nstakeout \\- catch slow calls in the act\n"
                            ".SH SYNOPSIS\n"
                            ".B stakeout\n.I noun verb\n[\\fIarguments\\fR] [\\fIoptions\\fR]\n"
                            ".SH DESCRIPTION\n"));
    put_line(TEXT("An operator names an interface of an application; for the next 5, 10 or 15 "
                  "minutes every call of that interface is watched, and one that runs past the "
                  "threshold has its stack taken again and again until it ends. What comes back "
                  "says where that very call spent its time, in functions, files and lines, "
                  "running or waiting. stakeout talks to the scheduler, stakeoutd."),
             to);
    put_commands(to);
    (void)buf_text(to, TEXT(".SH OPTIONS OF EVERY COMMAND\n"));
    put_options(global_options, to);
    put_values(to);
    put_output(to);
    put_ends(to);
}
