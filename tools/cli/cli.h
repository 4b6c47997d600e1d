/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h: what a command has at hand, and the commands themselves.
 *
 *     int command_trace_show(struct cli *cli)
 *     {
 *         OWN(answer_done) struct answer answer = ANSWER_INIT;
 *         int rc = cli_get(cli, path, &answer);      what went wrong is said there
 *
 *         if (rc != CLI_DONE) return rc;
 *         if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
 *         ... append to cli->out ...
 *         return CLI_DONE;                           main() writes cli->out
 *     }
 *
 * Data goes to standard output, by way of cli->out; everything else to standard error, by
 * cli_say(). */
#ifndef STAKEOUT_TOOLS_CLI_CLI_H
#define STAKEOUT_TOOLS_CLI_CLI_H

#include "common/base/check.h"
#include "common/model/id.h"
#include "tools/cli/line/config.h"
#include "tools/cli/line/options.h"
#include "tools/cli/link/client.h"
#include "tools/cli/screen/screen.h"

/* What a process exits with. */
enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1,      /* or refused by the scheduler */
    CLI_MISUSED = 2,     /* the command line alone shows that it is wrong */
    CLI_NOTHING = 3,     /* watch: the task caught nothing */
    CLI_NO_INSTANCE = 4, /* watch: no instance took it */
};

struct cli {
    const struct line *line;
    struct config config;
    struct screen screen; /* of standard output */
    struct client *client;
    struct buf out;
    struct buf notes; /* what cli_note() said, until `out` is written */
};

#define CLI_OUT_SIZE_MAX (512u * 1024 * 1024)

/* The commands, by the names of command.def. Each returns an enum cli_exit. */
#define COMMAND(noun, verb, function, ...) int command_##function(struct cli *cli);
#define HIDDEN_COMMAND                     COMMAND
#include "tools/cli/line/command.def"
#undef COMMAND
#undef HIDDEN_COMMAND

/* Runs a whole command line; what main() does. Returns what the process exits with. */
int cli_main(int argc, char **argv);

/* "stakeout: ..." and a line feed on standard error. Text from outside may be among the arguments:
 * everything is escaped. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same behind the output: what was left out of it, where it goes on. */
void cli_note(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says what is wrong with an option (OPTION_NONE: the line) and returns CLI_MISUSED. */
int cli_misused(enum option_id id, const struct problem *problem);

/* Writes all of it. Returns 0 or -errno. */
int cli_write(int fd, struct text text);

/* Writes cli->out to standard output and empties it, then the notes; a terminal gets no control
 * characters of others. Returns CLI_DONE, or CLI_FAILED when it cannot be written. */
int cli_flush(struct cli *cli);

/* Asks; an answer of 400 or more is said, with its own sentence, and CLI_FAILED (its body is
 * printed first with --json), as is one that cannot be read. Otherwise CLI_DONE, and *ret is
 * filled: its document is a JSON object, but with --json, which needs none. */
int cli_get(struct cli *cli, const char *path, struct answer *ret);
int cli_get_raw(struct cli *cli, const char *path, struct answer *ret); /* its bytes alone */
int cli_post(struct cli *cli, const char *path, struct text body, struct answer *ret);
int cli_delete(struct cli *cli, const char *path, struct answer *ret);
int cli_ask(struct cli *cli, const struct request *request, struct answer *ret); /* any other */

/* The answer's bytes as they came: --json. Returns CLI_DONE. */
int cli_print_answer(struct cli *cli, const struct answer *answer);

/* The n-th argument as an id, or what is wrong with it and CLI_MISUSED. */
int cli_task_arg(struct cli *cli, unsigned n, struct task_id *ret);
int cli_sample_arg(struct cli *cli, unsigned n, struct sample_id *ret);
int cli_trace_arg(struct cli *cli, unsigned n, struct trace_id *ret);

/* Adds an option's value to a query, if it was given: as it is, or checked by its field's rule, or
 * as a time. */
void cli_query_option(struct cli *cli, struct buf *path, const char *name, enum option_id id);
int cli_query_text(struct cli *cli, struct buf *path, const char *name, enum option_id id,
                   int (*check)(struct text value, struct problem *problem));
int cli_query_limit(struct cli *cli, struct buf *path);
int cli_limit(const struct cli *cli, int64_t *ret); /* left alone if --limit was not given */
int cli_query_time(struct cli *cli, struct buf *path, const char *name, enum option_id id);

#endif
