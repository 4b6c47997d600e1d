/* SPDX-License-Identifier: Apache-2.0 */
/* help.h: what `stakeout help` prints, made from the tables. */
#ifndef STAKEOUT_TOOLS_CLI_LINE_HELP_H
#define STAKEOUT_TOOLS_CLI_LINE_HELP_H

#include "tools/cli/line/command.h"
#include "tools/cli/screen/screen.h"

void help_all(const struct screen *screen, struct buf *to);
void help_noun(const struct screen *screen, struct text noun, struct buf *to);
void help_command(const struct screen *screen, const struct command *command, struct buf *to);

/* "stakeout task create --application NAME ... [options]" */
void help_synopsis(const struct command *command, struct buf *to);

/* A command's example in lines of at most `columns`, as a shell takes them: all but the last end
 * with a backslash, all but the first begin with `indent` blanks. */
void help_example(const struct command *command, size_t columns, size_t indent, struct buf *to);

/* "--output FILE, -o FILE" */
void help_option_name(enum option_id id, struct buf *to);

/* What an option is for, and what its field accepts, by the rule's own words. */
void help_option_says(enum option_id id, struct buf *to);

/* The completion script and the manual page. */
void completion_bash(struct buf *to);
void manual_page(struct buf *to);

#endif
