/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c: task watch: a task as it goes, until it ends.
 *
 * The task and its ledger are asked for every INTERVAL_MS. On a terminal the view is drawn over
 * the one before: the cursor goes up as many lines as that had, so that what scrolled past above
 * stays. Elsewhere a line is written whenever something changed that an operator would act on.
 *
 * A task that is over may still get samples for a while (its last calls are being listened to):
 * watch waits for them, but only where nothing came yet, and as long as the scheduler would take
 * them. A scheduler that does not answer is asked again for ABSENT_MS_MAX: a restart is no end.
 * It may go in the midst of a round of requests; then that round shows nothing. */
#include "common/base/clock.h"
#include "common/model/limits.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/task.h"
#include "tools/cli/view/ledger.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    INTERVAL_MS = 500,
    QUIET_MS_MAX = 60000, /* a line at least so often where there is no terminal */
    ABSENT_MS_MAX = 60000,
    SAMPLES_DRAWN_MAX = 5, /* on a terminal: the last ones */
    TEXT_SIZE_MAX = 64 * 1024,
};

struct watch {
    struct cli *cli;
    char task_path[64], ledger_path[80], samples_path[96];
    struct answer task, ledger, samples;
    size_t printed_count; /* of the samples, where there is no terminal */
    struct buf shown;     /* the line printed last, without its clock and time left */
    uint64_t shown_ns;    /* when */
    uint64_t answered_ns; /* when the scheduler last answered */
    size_t drawn_lines;   /* of the view on the terminal */
    bool is_absent;
};

static uint64_t samples_of(const struct watch *watch)
{
    return field_count(watch->task.document, "samples");
}

/* What is still being listened to, of a task that has nothing yet. */
static bool may_still_come(const struct watch *watch)
{
    const json_t *task = watch->task.document;
    uint64_t ended_ms = field_time_ms(task, "ended"), now_ms = view_server_now_ms(&watch->task);

    if (samples_of(watch) > 0 || text_is_equal(field_text(task, "state"), TEXT("CANCELLED"))) {
        return false;
    }
    if (field_count(json_object_get(watch->ledger.document, "totals"), "pending") == 0)
        return false;
    return now_ms < ended_ms + ACCEPT_AFTER_END_MS;
}

static bool is_over(const struct watch *watch)
{
    return task_is_final(watch->task.document) && !may_still_come(watch);
}

/* ------------------------------------------------------------------ drawing */

static void put_bar(struct cli *cli, uint64_t samples, uint64_t cap)
{
    enum { BAR_COLUMNS = 20 };
    uint64_t filled = cap > 0 ? samples * BAR_COLUMNS / cap : 0;

    view_label(cli, "samples");
    (void)buf_printf(&cli->out, "%" PRIu64 " of %" PRIu64 "  [", samples, cap);
    for (uint64_t i = 0; i < BAR_COLUMNS; i++) {
        (void)buf_text(&cli->out, i < filled ? TEXT("=") : TEXT("."));
    }
    (void)buf_text(&cli->out, TEXT("]\n"));
}

/* "  5f0c...  162 ms  201  host-1:17": what sample show takes, and why one would. */
static void put_sample(struct cli *cli, const json_t *sample)
{
    const json_t *code = json_object_get(sample, "response_code");

    put_blanks(&cli->out, 2);
    screen_put(&cli->screen, field_text(sample, "id"), &cli->out);
    (void)buf_text(&cli->out, TEXT("  "));
    format_time(&cli->screen, field_number(sample, "elapsed_ms"), &cli->out);
    if (json_is_integer(code)) {
        (void)buf_printf(&cli->out, "  %" JSON_INTEGER_FORMAT, json_integer_value(code));
    }
    (void)buf_text(&cli->out, TEXT("  "));
    screen_put(&cli->screen, field_text(sample, "instance"), &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

static void put_samples(struct cli *cli, const json_t *samples, size_t from)
{
    for (size_t i = from; i < json_array_size(samples); i++) {
        put_sample(cli, json_array_get(samples, i));
    }
}

static void put_last_samples(struct watch *watch)
{
    const json_t *samples = field_array(watch->samples.document, "samples");
    size_t count = json_array_size(samples);
    size_t from = count > SAMPLES_DRAWN_MAX ? count - SAMPLES_DRAWN_MAX : 0;

    if (from > 0) (void)buf_printf(&watch->cli->out, "  (%zu before)\n", from);
    put_samples(watch->cli, samples, from);
}

static void put_view(struct watch *watch)
{
    struct cli *cli = watch->cli;
    const json_t *task = watch->task.document, *ledger = watch->ledger.document;

    task_put_title(cli, task);
    task_put_status(cli, task, view_server_now_ms(&watch->task));
    put_bar(cli, samples_of(watch), field_count(task, "sample_cap"));
    view_label(cli, "instances");
    (void)buf_printf(&cli->out, "%zu\n", json_array_size(field_array(ledger, "instances")));
    ledger_put_funnel(cli, ledger);
    ledger_put_stretched(cli, ledger);
    task_put_warnings(cli, task);
    view_sentence(cli, "> ", field_text(ledger, "verdict"));
    put_last_samples(watch);
}

/* How many lines of the terminal the text takes: a line that is too wide takes more than one.
 * Colours ("\033[32m") take no room. */
static size_t count_lines(const struct screen *screen, struct text text)
{
    OWN(buf_done) struct buf line = BUF_INIT(TEXT_SIZE_MAX);
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\033') {
            while (i < text.size && text.data[i] != 'm') {
                i++;
            }
        } else if (text.data[i] == '\n') {
            size_t columns = screen_columns(screen, buf_peek(&line));

            count += columns > screen->width ? (columns + screen->width - 1) / screen->width : 1;
            buf_reset(&line);
        } else {
            (void)buf_append(&line, &text.data[i], 1);
        }
    }
    return count;
}

/* Draws the view where the last one stands. */
static int draw(struct watch *watch)
{
    struct cli *cli = watch->cli;
    OWN(buf_done) struct buf view = BUF_INIT(TEXT_SIZE_MAX);
    int rc;

    screen_init(&cli->screen, STDOUT_FILENO); /* the window may have changed its size */
    put_view(watch);
    (void)buf_text(&view, buf_peek(&cli->out));
    buf_reset(&cli->out);
    if (watch->drawn_lines > 0) (void)buf_printf(&cli->out, "\033[%zuA", watch->drawn_lines);
    (void)buf_text(&cli->out, TEXT("\033[J"));
    (void)buf_text(&cli->out, buf_peek(&view));
    watch->drawn_lines = count_lines(&cli->screen, buf_peek(&view));
    rc = cli_flush(cli);
    return rc;
}

/* ------------------------------------------------------------------ plain lines */

static void put_facts(const struct watch *watch, struct buf *to)
{
    const json_t *task = watch->task.document;
    const json_t *totals = json_object_get(watch->ledger.document, "totals");

    screen_put(&watch->cli->screen, field_text(task, "state"), to);
    (void)buf_printf(to, ", %" PRIu64 " of ", samples_of(watch));
    format_nouns(field_count(task, "sample_cap"), "sample", to);
    (void)buf_printf(to, ", %" PRIu64 " triggered, %" PRIu64 " over cap, %" PRIu64 " dropped",
                     field_count(totals, "triggered"), field_count(totals, "over_cap"),
                     field_sum(totals, "drops"));
    (void)buf_printf(to, ", instances: %zu",
                     json_array_size(field_array(watch->ledger.document, "instances")));
}

static int print_line(struct watch *watch)
{
    OWN(buf_done) struct buf facts = BUF_INIT(TEXT_SIZE_MAX);
    OWN(buf_done) struct buf left = BUF_INIT(256);
    struct cli *cli = watch->cli;
    uint64_t now_ns = clock_monotonic_ns();
    const json_t *samples;

    put_facts(watch, &facts);
    if (text_is_equal(buf_peek(&facts), buf_peek(&watch->shown)) &&
        now_ns - watch->shown_ns < ms_to_ns(QUIET_MS_MAX)) {
        return CLI_DONE;
    }
    buf_reset(&watch->shown);
    (void)buf_text(&watch->shown, buf_peek(&facts));
    watch->shown_ns = now_ns;
    if (line_has(cli->line, OPTION_JSON)) {
        (void)cli_print_answer(cli, &watch->task);
        if (!cli->screen.is_terminal) (void)buf_text(&cli->out, TEXT("\n"));
        return cli_flush(cli);
    }
    format_clock(view_server_now_ms(&watch->task), false, &cli->out);
    (void)buf_printf(&cli->out, "  %s, seen: %" PRIu64, facts.data,
                     field_count(json_object_get(watch->ledger.document, "totals"), "seen"));
    task_put_left(watch->task.document, view_server_now_ms(&watch->task), &left);
    if (left.size > 0) {
        (void)buf_printf(&cli->out,
                         task_is_scheduled(watch->task.document) ? ", starts %s" : ", left: %s",
                         left.data);
    }
    (void)buf_text(&cli->out, TEXT("\n"));
    samples = field_array(watch->samples.document, "samples");
    put_samples(cli, samples, watch->printed_count);
    watch->printed_count = json_array_size(samples);
    return cli_flush(cli);
}

static int show(struct watch *watch)
{
    bool is_live = watch->cli->screen.is_terminal && !line_has(watch->cli->line, OPTION_JSON);

    return is_live ? draw(watch) : print_line(watch);
}

/* ------------------------------------------------------------------ the loop */

static bool has_new_samples(const struct watch *watch)
{
    size_t known = json_array_size(field_array(watch->samples.document, "samples"));

    return samples_of(watch) != known && !line_has(watch->cli->line, OPTION_JSON);
}

/* What ask() and refresh() return beside an enum cli_exit: nobody answered, and it is worth asking
 * again. */
enum { ABSENT = -1 };

/* A scheduler that never answered is not waited for. */
static bool may_return(const struct watch *watch)
{
    return watch->answered_ns != 0 &&
           clock_monotonic_ns() - watch->answered_ns < ms_to_ns(ABSENT_MS_MAX);
}

/* Any request may be the one that meets a scheduler which has just gone. */
static int ask(struct watch *watch, const char *path, struct answer *ret)
{
    char error[CLIENT_ERROR_SIZE];
    int rc = client_ask(watch->cli->client, &(struct request){ .path = path, .timeout_s = 10 }, ret,
                        error);
    bool is_absent = rc < 0 || ret->status == 503;

    if (is_absent && may_return(watch)) return ABSENT;
    if (is_absent || ret->status != 200) {
        rc = cli_get(watch->cli, path, ret); /* says what is wrong */
        if (rc != CLI_DONE) return rc;
    }
    watch->answered_ns = clock_monotonic_ns();
    if (json_is_object(ret->document)) return CLI_DONE;
    cli_say("the scheduler's answer cannot be read");
    return CLI_FAILED;
}

/* Asks for all that is shown; where a part of it did not come, nothing is. */
static int refresh(struct watch *watch)
{
    int rc = ask(watch, watch->task_path, &watch->task);

    if (rc == CLI_DONE) rc = ask(watch, watch->ledger_path, &watch->ledger);
    if (rc == CLI_DONE && has_new_samples(watch)) {
        rc = ask(watch, watch->samples_path, &watch->samples);
    }
    return rc;
}

/* Says it when the scheduler goes, and when it is back. */
static void note_absence(struct watch *watch, bool is_absent)
{
    if (is_absent == watch->is_absent) return;
    cli_say(is_absent ? "the scheduler does not answer; asking again"
                      : "the scheduler answers again");
    watch->is_absent = is_absent;
    watch->drawn_lines = 0;
}

static int verdict(struct watch *watch)
{
    struct cli *cli = watch->cli;

    if (!cli->screen.is_terminal && !line_has(cli->line, OPTION_JSON)) {
        view_sentence(cli, "", field_text(watch->ledger.document, "verdict"));
    }
    if (samples_of(watch) > 0) return CLI_DONE;
    return ledger_has_taker(watch->ledger.document) ? CLI_NOTHING : CLI_NO_INSTANCE;
}

static int follow(struct watch *watch)
{
    for (;;) {
        int rc = refresh(watch);

        if (rc == ABSENT || rc == CLI_DONE) note_absence(watch, rc == ABSENT);
        if (rc == CLI_DONE) rc = show(watch);
        if (rc == CLI_DONE && is_over(watch)) return verdict(watch);
        if (rc != CLI_DONE && rc != ABSENT) return rc;
        (void)poll(NULL, 0, INTERVAL_MS);
    }
}

int command_task_watch(struct cli *cli)
{
    struct watch watch = {
        .cli = cli, .task = ANSWER_INIT, .ledger = ANSWER_INIT, .samples = ANSWER_INIT
    };
    struct task_id id;
    int rc = cli_task_arg(cli, 0, &id);

    if (rc != CLI_DONE) return rc;
    watch.shown = BUF_INIT(TEXT_SIZE_MAX);
    snprintf(watch.task_path, sizeof watch.task_path, "/api/v1/tasks/%s", id.text);
    snprintf(watch.ledger_path, sizeof watch.ledger_path, "/api/v1/tasks/%s/ledger", id.text);
    snprintf(watch.samples_path, sizeof watch.samples_path, "%s/samples?limit=%d", watch.task_path,
             (int)SAMPLE_CAP_MAX);
    rc = follow(&watch);
    answer_done(&watch.task);
    answer_done(&watch.ledger);
    answer_done(&watch.samples);
    buf_done(&watch.shown);
    return rc;
}
