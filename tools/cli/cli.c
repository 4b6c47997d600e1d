/* SPDX-License-Identifier: Apache-2.0 */
/* cli.c: what all commands share: messages, requests, arguments, and the way from argv to a row of
 * the table. */
#include "tools/cli/cli.h"

#include "common/base/clock.h"
#include "common/base/wall_time.h"
#include "common/model/limits.h"
#include "common/model/task_spec.h"
#include "tools/cli/line/help.h"
#include "tools/cli/line/value.h"
#include "tools/cli/link/field.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE_MAX = 64 * 1024 };

int cli_write(int fd, struct text text)
{
    while (text.size > 0) {
        ssize_t written = write(fd, text.data, text.size);

        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -errno;
        text = (struct text){ text.data + written, text.size - (size_t)written };
    }
    return 0;
}

static void put_message(struct buf *to, const char *format, va_list args)
{
    OWN(buf_done) struct buf message = BUF_INIT(MESSAGE_SIZE_MAX);
    struct screen screen;

    screen_init(&screen, STDERR_FILENO);
    (void)buf_vprintf(&message, format, args);
    (void)buf_text(to, TEXT("stakeout: "));
    screen_put(&screen, buf_peek(&message), to);
    (void)buf_text(to, TEXT("\n"));
}

void cli_say(const char *format, ...)
{
    OWN(buf_done) struct buf line = BUF_INIT(8 * MESSAGE_SIZE_MAX);
    va_list args;

    va_start(args, format);
    put_message(&line, format, args);
    va_end(args);
    (void)cli_write(STDERR_FILENO, buf_peek(&line));
}

void cli_note(struct cli *cli, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_message(&cli->notes, format, args);
    va_end(args);
}

int cli_misused(enum option_id id, const struct problem *problem)
{
    if (id == OPTION_NONE) {
        cli_say("%s", problem->detail);
    } else {
        cli_say("--%s: %s", option_get(id)->name, problem->detail);
    }
    return CLI_MISUSED;
}

int cli_flush(struct cli *cli)
{
    int rc;

    if (cli->out.failed) {
        cli_say("the output is larger than %u MB", CLI_OUT_SIZE_MAX / (1024 * 1024));
        return CLI_FAILED;
    }
    rc = cli_write(STDOUT_FILENO, buf_peek(&cli->out));
    buf_reset(&cli->out);
    (void)cli_write(STDERR_FILENO, buf_peek(&cli->notes));
    buf_reset(&cli->notes);
    if (rc == 0) return CLI_DONE;
    cli_say("standard output cannot be written: %s", strerror(-rc));
    return CLI_FAILED;
}

static int say_refusal(struct cli *cli, const struct answer *answer)
{
    struct text detail = field_text(answer->document, "detail");
    struct text title = field_text(answer->document, "title");

    if (line_has(cli->line, OPTION_JSON)) (void)cli_print_answer(cli, answer);
    if (detail.size > 0 || title.size > 0) {
        cli_say("%.*s", TEXT_ARGS(detail.size > 0 ? detail : title));
    } else {
        cli_say("%s answers with status %d and no reason; is it a stakeoutd?", cli->config.server,
                answer->status);
    }
    if (answer->status == 401 && !cli->config.token_from) {
        cli_say("a token comes from --token, STAKEOUT_TOKEN or the file; 'stakeoutd token create' "
                "makes one");
    }
    return CLI_FAILED;
}

static int ask(struct cli *cli, const struct request *request, struct answer *ret)
{
    char error[CLIENT_ERROR_SIZE];

    if (client_ask(cli->client, request, ret, error) < 0) {
        cli_say("%s", error);
        return CLI_FAILED;
    }
    if (ret->status >= 400) return say_refusal(cli, ret);
    if (ret->status < 200 || ret->status >= 300) {
        cli_say("%s answers with status %d; is it a stakeoutd?", cli->config.server, ret->status);
        return CLI_FAILED;
    }
    if (json_is_object(ret->document) || request->is_raw || line_has(cli->line, OPTION_JSON)) {
        return CLI_DONE;
    }
    cli_say("%s answers with something that is no JSON object; is it a stakeoutd?",
            cli->config.server);
    return CLI_FAILED;
}

int cli_get(struct cli *cli, const char *path, struct answer *ret)
{
    return ask(cli, &(struct request){ .path = path }, ret);
}

int cli_get_raw(struct cli *cli, const char *path, struct answer *ret)
{
    return ask(cli, &(struct request){ .path = path, .is_raw = true }, ret);
}

int cli_post(struct cli *cli, const char *path, struct text body, struct answer *ret)
{
    return ask(cli, &(struct request){ .method = "POST", .path = path, .body = body }, ret);
}

int cli_delete(struct cli *cli, const char *path, struct answer *ret)
{
    return ask(cli, &(struct request){ .method = "DELETE", .path = path }, ret);
}

int cli_ask(struct cli *cli, const struct request *request, struct answer *ret)
{
    return ask(cli, request, ret);
}

int cli_print_answer(struct cli *cli, const struct answer *answer)
{
    struct text body = buf_peek(&answer->body);
    bool has_end = body.size > 0 && body.data[body.size - 1] == '\n';

    if (cli->screen.is_terminal) {
        screen_put_document(body, &cli->out);
        if (!has_end) (void)buf_text(&cli->out, TEXT("\n"));
    } else {
        (void)buf_text(&cli->out, body);
    }
    return CLI_DONE;
}

static int refuse_id(const char *text, const char *what, int digits, const char *where)
{
    cli_say("'%s' is no %s: %d lower-case hex digits, as %s prints them", text, what, digits,
            where);
    return CLI_MISUSED;
}

int cli_task_arg(struct cli *cli, unsigned n, struct task_id *ret)
{
    const char *text = cli->line->args[n];

    if (task_id_parse(text_of(text), ret) == 0) return CLI_DONE;
    return refuse_id(text, "task id", TASK_ID_SIZE, "'stakeout task list'");
}

int cli_sample_arg(struct cli *cli, unsigned n, struct sample_id *ret)
{
    const char *text = cli->line->args[n];

    if (sample_id_parse(text_of(text), ret) == 0) return CLI_DONE;
    return refuse_id(text, "sample id", SAMPLE_ID_SIZE, "'stakeout sample list'");
}

int cli_trace_arg(struct cli *cli, unsigned n, struct trace_id *ret)
{
    const char *text = cli->line->args[n];

    if (trace_id_parse(text_of(text), ret) == 0) return CLI_DONE;
    return refuse_id(text, "trace ID", TRACE_ID_SIZE, "'stakeout sample show'");
}

void cli_query_option(struct cli *cli, struct buf *path, const char *name, enum option_id id)
{
    const char *value = line_value(cli->line, id);

    if (value) query_add(path, name, value);
}

int cli_query_text(struct cli *cli, struct buf *path, const char *name, enum option_id id,
                   int (*check)(struct text value, struct problem *problem))
{
    const char *value = line_value(cli->line, id);
    struct problem problem = { 0 };

    if (!value) return CLI_DONE;
    if (check(text_of(value), &problem) < 0) return cli_misused(id, &problem);
    query_add(path, name, value);
    return CLI_DONE;
}

int cli_limit(const struct cli *cli, int64_t *ret)
{
    const char *value = line_value(cli->line, OPTION_LIMIT);
    struct problem problem;
    int64_t limit;

    if (!value) return CLI_DONE;
    if (value_count(value, &limit, &problem) < 0) return cli_misused(OPTION_LIMIT, &problem);
    if (limit < 1 || limit > PAGE_LIMIT_MAX) {
        problem_set_field(&problem, "limit", "'limit' is '%" PRId64 "'; it must be 1 to %d.", limit,
                          (int)PAGE_LIMIT_MAX);
        return cli_misused(OPTION_LIMIT, &problem);
    }
    *ret = limit;
    return CLI_DONE;
}

int cli_query_limit(struct cli *cli, struct buf *path)
{
    int64_t ignored = 0;
    int rc = cli_limit(cli, &ignored);

    if (rc == CLI_DONE && line_value(cli->line, OPTION_LIMIT))
        query_add(path, "limit", line_value(cli->line, OPTION_LIMIT));
    return rc;
}

int cli_query_time(struct cli *cli, struct buf *path, const char *name, enum option_id id)
{
    const char *value = line_value(cli->line, id);
    char text[WALL_TIME_SIZE];
    struct problem problem;
    uint64_t wall_ms;

    if (!value) return CLI_DONE;
    if (value_when(value, WHEN_PAST, ns_to_ms(clock_wall_ns()), &wall_ms, &problem) < 0) {
        return cli_misused(id, &problem);
    }
    wall_time_format(wall_ms, text);
    query_add(path, name, text);
    return CLI_DONE;
}

static int run(struct cli *cli)
{
    OWN(buf_done) struct buf warning = BUF_INIT(8192);
    struct problem problem;
    int code, written;

    if (config_load(cli->line, &cli->config, &warning, &problem) < 0) {
        return cli_misused(OPTION_NONE, &problem);
    }
    if (warning.size > 0) cli_say("%s", warning.data);
    cli->client = client_new(cli->config.server, cli->config.token, cli->config.ca);
    code = cli->line->command->run(cli);
    cli->client = client_free(cli->client);
    written = cli_flush(cli);
    return code == CLI_DONE ? written : code;
}

/* What needs no scheduler: help of any kind, and the version. */
static bool is_about_itself(struct cli *cli)
{
    if (line_has(cli->line, OPTION_VERSION)) {
        (void)buf_text(&cli->out, TEXT("stakeout " STAKEOUT_VERSION "\n"));
        return true;
    }
    if (!line_has(cli->line, OPTION_HELP)) return false;
    if (cli->line->command) {
        help_command(&cli->screen, cli->line->command, &cli->out);
    } else if (cli->line->noun) {
        help_noun(&cli->screen, text_of(cli->line->noun), &cli->out);
    } else {
        help_all(&cli->screen, &cli->out);
    }
    return true;
}

int cli_main(int argc, char **argv)
{
    struct line line;
    struct cli cli = { .line = &line,
                       .out = BUF_INIT(CLI_OUT_SIZE_MAX),
                       .notes = BUF_INIT(8 * MESSAGE_SIZE_MAX) };
    struct problem problem;
    int code;

    (void)setlocale(LC_CTYPE, "");
    if (line_parse(argc, argv, &line, &problem) < 0) return cli_misused(OPTION_NONE, &problem);
    screen_init(&cli.screen, STDOUT_FILENO);
    code = is_about_itself(&cli) ? cli_flush(&cli) : run(&cli);
    buf_done(&cli.out);
    buf_done(&cli.notes);
    return code;
}
