/* SPDX-License-Identifier: Apache-2.0 */
/* command.h: the commands and their options, as data.
 *
 * command.def and option.def are the lists; the parser, the help, the completion and the manual
 * page read them here. */
#ifndef STAKEOUT_TOOLS_CLI_LINE_COMMAND_H
#define STAKEOUT_TOOLS_CLI_LINE_COMMAND_H

#include "common/base/text.h"

struct cli;

enum option_id {
    OPTION_NONE,
#define OPTION(id, name, letter, kind, value, field, says) OPTION_##id,
#include "tools/cli/line/option.def"
#undef OPTION
    OPTION_COUNT
};

enum option_kind {
    OPTION_IS_VALUE,
    OPTION_IS_MANY,
    OPTION_IS_FLAG,
    OPTION_IS_HIDDEN, /* a flag that is refused with a sentence */
};

struct option_row {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    const char *value; /* what stands for the value in help */
    const char *field; /* of the API's task; may be NULL */
    const char *says;
};

const struct option_row *option_get(enum option_id id);
bool option_takes_value(const struct option_row *row);

/* Arguments that are a command line: our options end where they begin. */
enum { ARGS_ARE_A_LINE = 1000 };

struct command {
    const char *noun, *verb;                /* verb NULL: the noun alone is the command */
    int (*run)(struct cli *cli);            /* returns what the process exits with */
    unsigned args_min, args_max;            /* args_max may be ARGS_ARE_A_LINE */
    const char *arguments;                  /* "TASK"; empty: none */
    const char *summary;                    /* one line, imperative, no full stop */
    const char *about;                      /* paragraphs for --help and the manual */
    const char *example;                    /* one command line */
    const enum option_id *needed, *options; /* each ends with OPTION_NONE */
    bool is_hidden;
};

const struct command *commands(size_t *ret_count);

/* The row, or NULL. For a noun that is a command alone, verb is not looked at. */
const struct command *command_find(struct text noun, struct text verb);
bool noun_exists(struct text noun);
bool command_takes(const struct command *command, enum option_id id);
bool command_needs(const struct command *command, enum option_id id);

/* Options that every command takes; ends with OPTION_NONE. */
extern const enum option_id global_options[];

/* The known noun, verb (of a noun) or option (of a command) that is most like what was typed;
 * NULL if none is near. A NULL command means the global options. */
const char *noun_nearest(struct text typed);
const char *verb_nearest(struct text noun, struct text typed);
const char *option_nearest(const struct command *command, struct text typed);

#endif
