/* SPDX-License-Identifier: Apache-2.0 */
/* options.h: the command line, read by the tables.
 *
 *     struct line line;
 *     if (line_parse(argc, argv, &line, &problem) < 0) print problem.detail, exit with 2
 *     line.command, line.args[0], line_value(&line, OPTION_DURATION)
 *
 * Options may stand anywhere behind the command they belong to, global ones also before it, as
 * "--name value" or "--name=value", a letter as "-o value" or "-ovalue"; "--" ends them. Where a
 * command takes a command line (ARGS_ARE_A_LINE), its first word ends them as well. What was given
 * lives as long as argv. */
#ifndef STAKEOUT_TOOLS_CLI_LINE_OPTIONS_H
#define STAKEOUT_TOOLS_CLI_LINE_OPTIONS_H

#include "common/model/problem.h"
#include "tools/cli/line/command.h"

enum { LINE_OPTIONS_MAX = 256, LINE_ARGS_MAX = 16 };

struct line {
    const struct command *command; /* NULL: none was named */
    const char *noun;              /* NULL: none */
    const char *args[LINE_ARGS_MAX];
    unsigned arg_count;
    char *const *rest; /* the command line within ours, up to its NULL; NULL: none */
    unsigned given_count;
    struct {
        enum option_id id;
        const char *value; /* NULL for a flag */
    } given[LINE_OPTIONS_MAX];
};

/* Returns 0, or -1 with *problem saying what is wrong and what would be right. With --help or
 * --version, missing arguments, options and verbs are no problem. */
int line_parse(int argc, char *const *argv, struct line *ret, struct problem *problem);

bool line_has(const struct line *line, enum option_id id);
const char *line_value(const struct line *line, enum option_id id); /* the last one, or NULL */

/* The n-th value of an option that may be repeated, or NULL. */
const char *line_value_at(const struct line *line, enum option_id id, unsigned n);

#endif
