/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.c: symbols upload, list, remove: the debug files that the scheduler keeps. */
#include "common/base/clock.h"
#include "common/model/call_stack.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/view.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* ---- upload ---- */

static int open_file(const char *path, uint64_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0) {
        cli_say("%s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return -1;
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        cli_say("%s: this is no file with anything in it", path);
        close(fd);
        return -1;
    }
    *ret_size = (uint64_t)info.st_size;
    return fd;
}

/* A line that is written over: for people who wait for gigabytes. */
struct progress {
    uint64_t size, said_ns;
    bool is_terminal, has_said;
};

static void on_sent(void *context, uint64_t sent_size)
{
    struct progress *progress = context;
    uint64_t now_ns = clock_monotonic_ns();

    if (!progress->is_terminal || now_ns - progress->said_ns < NS_PER_S / 4) return;
    progress->said_ns = now_ns;
    progress->has_said = true;
    fprintf(stderr, "\r%3" PRIu64 " %% of %" PRIu64 " MB", sent_size * 100 / progress->size,
            progress->size >> 20);
}

static void say_what_it_is(const char *path, const struct answer *answer)
{
    bool has_lines = json_is_true(json_object_get(answer->document, "has_lines"));

    if (has_lines)
        cli_say("%s: functions, files and lines", path);
    else
        cli_say("%s: functions alone; it has no debug information (-g), so no files and lines",
                path);
}

static int upload_one(struct cli *cli, const char *path)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    struct progress progress = { .is_terminal = isatty(STDERR_FILENO) != 0 };
    OWN(fd_closep) int fd = open_file(path, &progress.size);
    struct request request = { .path = "/api/v1/symbols",
                               .file = fd,
                               .file_size = progress.size,
                               .on_sent = on_sent,
                               .context = &progress,
                               .timeout_s = UPLOAD_S_MAX };
    struct text build_id;
    int rc;

    if (fd < 0) return CLI_FAILED;
    progress.said_ns = clock_monotonic_ns();
    rc = cli_ask(cli, &request, &answer);
    if (progress.has_said) fprintf(stderr, "\r\033[K");
    if (rc != CLI_DONE) {
        cli_say("%s: not stored", path);
        return rc;
    }
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    build_id = field_text(answer.document, "build_id");
    screen_put(&cli->screen, build_id, &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
    say_what_it_is(path, &answer);
    return CLI_DONE;
}

int command_symbols_upload(struct cli *cli)
{
    int worst = CLI_DONE;

    for (unsigned i = 0; i < cli->line->arg_count; i++) {
        int rc = upload_one(cli, cli->line->args[i]);

        if (rc != CLI_DONE) worst = rc;
    }
    return worst;
}

/* ---- list ---- */

static void put_ago(const json_t *file, const char *name, uint64_t now_ms, struct table *table)
{
    uint64_t at_ms = field_time_ms(file, name);

    format_ago(now_ms > at_ms ? now_ms - at_ms : 0, table_cell(table));
}

static void put_row(struct cli *cli, const json_t *file, uint64_t now_ms, struct table *table)
{
    screen_put(&cli->screen, field_text(file, "build_id"), table_cell(table));
    format_count(field_count(file, "size"), table_cell(table));
    screen_put(&cli->screen, field_text(file, "source"), table_cell(table));
    put_ago(file, "stored", now_ms, table);
    put_ago(file, "used", now_ms, table);
}

int command_symbols_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        { .title = "BUILD-ID", .columns_min = 12 },
        { .title = "SIZE", .is_right = true },
        { .title = "FROM" },
        { .title = "STORED", .is_right = true },
        { .title = "USED", .is_right = true },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    OWN(buf_done) struct buf path = BUF_INIT(4096);
    const json_t *file;
    size_t i;
    int rc;

    (void)buf_text(&path, TEXT("/api/v1/symbols"));
    rc = cli_query_limit(cli, &path);
    if (rc != CLI_DONE) return rc;
    cli_query_option(cli, &path, "cursor", OPTION_CURSOR);
    rc = cli_get(cli, path.data, &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    json_array_foreach(field_array(answer.document, "symbols"), i, file)
    {
        put_row(cli, file, view_server_now_ms(&answer), table);
    }
    if (table_row_count(table) == 0)
        cli_say("no files are kept; 'stakeout symbols upload FILE' gives one");
    else
        view_table(cli, table);
    view_next_page(cli, &answer);
    return CLI_DONE;
}

/* ---- remove ---- */

int command_symbols_remove(struct cli *cli)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const char *build_id = cli->line->args[0];
    size_t size = strlen(build_id);
    uint8_t bytes[BUILD_ID_SIZE_MAX];
    struct problem problem = { 0 };
    char path[64 + 2 * BUILD_ID_SIZE_MAX];
    int rc;

    if (size % 2 != 0 || size < 4 || size > 2 * BUILD_ID_SIZE_MAX ||
        text_from_hex(text_of(build_id), bytes, size / 2) < 0) {
        problem_set(&problem, PROBLEM_BAD_FIELD,
                    "A build-id is 4 to %d lower-case hex digits; 'stakeout symbols list' has "
                    "them.",
                    2 * BUILD_ID_SIZE_MAX);
        return cli_misused(OPTION_NONE, &problem);
    }
    snprintf(path, sizeof path, "/api/v1/symbols/%s", build_id);
    rc = cli_delete(cli, path, &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    cli_say("%s is removed", build_id);
    return CLI_DONE;
}
