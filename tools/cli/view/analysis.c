/* SPDX-License-Identifier: Apache-2.0 */
/* analysis.c: see analysis.h. Sums that do not agree with each other are shown as they came: the
 * scheduler's numbers are not mended here. */
#include "tools/cli/view/analysis.h"

#include "common/model/limits.h"
#include "tools/cli/line/value.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/screen/hot_list.h"
#include "tools/cli/screen/tree.h"
#include "tools/cli/view/locks.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HOT_MAX = 10, LINE_SIZE_MAX = 64 * 1024 };

static const double percent_default = 2;

int analysis_read_options(struct cli *cli, struct analysis_options *ret)
{
    const char *value = line_value(cli->line, OPTION_MIN_PERCENT);
    struct analysis_options options = { .percent_min = percent_default };
    struct problem problem = { 0 };

    if (value && value_percent(value, &options.percent_min, &problem) < 0) {
        return cli_misused(OPTION_MIN_PERCENT, &problem);
    }
    options.has_all = line_has(cli->line, OPTION_ALL);
    if (options.has_all) options.percent_min = 0;
    *ret = options;
    return CLI_DONE;
}

static void put_time(struct cli *cli, const json_t *object, const char *key, const char *what,
                     struct buf *to)
{
    format_time(&cli->screen, field_number(object, key), to);
    (void)buf_text(to, text_of(what));
}

/* "2.31 s elapsed = 100 ms not observed + 2.21 s listened" */
static void put_elapsed(struct cli *cli, const json_t *analysis)
{
    OWN(buf_done) struct buf line = BUF_INIT(LINE_SIZE_MAX);
    uint64_t samples = field_count(analysis, "samples");

    put_time(cli, analysis, "elapsed_ms", " elapsed = ", &line);
    put_time(cli, analysis, "unobserved_ms", " not observed + ", &line);
    put_time(cli, analysis, "listened_ms", " listened", &line);
    if (samples > 1) (void)buf_printf(&line, ", of %" PRIu64 " samples", samples);
    view_pair(cli, "time", buf_peek(&line));
}

/* What the listened time was: "340 ms on a CPU, 40 ms queued, 1.83 s waiting (lock 1.68 s)". */
static void put_states(struct cli *cli, const json_t *root)
{
    static const char *const kinds[] = { "lock", "network", "disk", "sleep", "other" };
    OWN(buf_done) struct buf line = BUF_INIT(LINE_SIZE_MAX);
    const json_t *waits = json_object_get(root, "waits_ms");
    const char *before = " (";

    put_time(cli, root, "cpu_ms", " on a CPU, ", &line);
    put_time(cli, root, "queue_ms", " queued, ", &line);
    put_time(cli, root, "wait_ms", " waiting", &line);
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (!(field_number(waits, kinds[i]) > 0)) continue;
        (void)buf_printf(&line, "%s%s ", before, kinds[i]);
        format_time(&cli->screen, field_number(waits, kinds[i]), &line);
        before = ", ";
    }
    if (*before == ',') (void)buf_text(&line, TEXT(")"));
    view_pair(cli, "spent", buf_peek(&line));
}

static void put_snapshots(struct cli *cli, const json_t *analysis)
{
    double interval_ms = field_number(analysis, "interval_ms");
    double frequency_ms = field_number(analysis, "frequency_ms");

    view_label(cli, "snapshots");
    format_count(field_count(analysis, "snapshots"), &cli->out);
    if (!isnan(frequency_ms)) {
        (void)buf_text(&cli->out, TEXT(", every "));
        format_setting(&cli->screen, frequency_ms, &cli->out);
    }
    if (interval_ms > frequency_ms) {
        /* What was thinned has half of what a sample may hold, at the least. */
        bool is_thinned = field_count(analysis, "snapshots") >= SNAPSHOTS_MAX / 2;

        (void)buf_text(&cli->out, is_thinned ? TEXT(", thinned to ") : TEXT(", stretched to "));
        format_setting(&cli->screen, interval_ms, &cli->out);
        if (!is_thinned) (void)buf_text(&cli->out, TEXT(" to stay within the budget"));
    }
    (void)buf_text(&cli->out, TEXT("\n"));
}

static void put_findings(struct cli *cli, const json_t *analysis)
{
    const json_t *findings = field_array(analysis, "findings"), *finding;
    size_t i;

    if (json_array_size(findings) == 0) return;
    view_heading(cli, "Findings");
    json_array_foreach(findings, i, finding)
    {
        view_sentence(cli, "* ",
                      (struct text){ json_string_value(finding), json_string_length(finding) });
    }
}

/* "folded: 5 common frames, 14 branches below 2 % (44 ms); --all shows them" */
static void put_folded(struct cli *cli, const struct tree_folded *folded, double percent_min,
                       bool is_diff)
{
    OWN(buf_done) struct buf line = BUF_INIT(LINE_SIZE_MAX);

    if (folded->stem_count == 0 && folded->branch_count == 0) return;
    (void)buf_text(&line, TEXT("Folded: "));
    if (folded->stem_count > 0) {
        (void)buf_printf(&line, "%zu common frames%s", folded->stem_count,
                         folded->branch_count > 0 ? ", " : "");
    }
    if (folded->branch_count > 0) {
        (void)buf_printf(&line, "%zu branch%s%s %.3g %% (%s", folded->branch_count,
                         folded->branch_count == 1 ? "" : "es",
                         is_diff ? " differing by less than" : " below", percent_min,
                         is_diff ? "at most " : "");
        format_time(&cli->screen, folded->ms, &line);
        (void)buf_text(&line, TEXT(")"));
    }
    (void)buf_text(&line, TEXT("; --all shows all, --min-percent moves the limit."));
    view_sentence(cli, "", buf_peek(&line));
}

static void put_hot(struct cli *cli, const json_t *analysis, const struct analysis_options *options)
{
    size_t left_out;

    if (json_array_size(field_array(analysis, "hot")) == 0) return;
    view_heading(cli, "Hot functions, by self time (ms)");
    left_out = hot_list_print(&cli->screen, analysis, options->has_all ? 0 : HOT_MAX, &cli->out);
    if (left_out > 0) {
        (void)buf_printf(&cli->out, "  %zu more; --all shows all.\n", left_out);
    }
}

void analysis_put(struct cli *cli, const json_t *analysis, const struct analysis_options *options)
{
    const json_t *root = json_object_get(analysis, "tree");
    struct tree_folded folded;

    if (field_count(analysis, "samples") == 0) {
        view_sentence(cli, "", TEXT("There is no sample to analyse."));
        return;
    }
    put_elapsed(cli, analysis);
    put_states(cli, root);
    put_snapshots(cli, analysis);
    put_findings(cli, analysis);
    locks_put(cli, analysis, options->has_all);
    if (json_array_size(field_array(root, "children")) == 0) {
        view_heading(cli, "Call tree");
        view_sentence(cli, "", TEXT("No snapshot has a stack."));
        return;
    }
    view_heading(cli, "Call tree, in ms, and % of the time listened");
    tree_print(&cli->screen, analysis, options->percent_min, &cli->out, &folded);
    put_folded(cli, &folded, options->percent_min, false);
    put_hot(cli, analysis, options);
}

/* ------------------------------------------------------------------ comparison */

static void put_side(struct cli *cli, const json_t *analysis, const char *label,
                     const char *subject)
{
    OWN(buf_done) struct buf line = BUF_INIT(LINE_SIZE_MAX);
    const json_t *side = json_object_get(analysis, label);

    view_pair(cli, label, text_of(subject));
    put_time(cli, side, "listened_ms", " listened", &line);
    (void)buf_printf(&line, ", samples: %" PRIu64 ", snapshots: %" PRIu64,
                     field_count(side, "samples"), field_count(side, "snapshots"));
    view_pair(cli, "", buf_peek(&line));
}

/* Where nothing else was asked for, differences that say nothing are folded too. */
static double diff_percent_min(struct cli *cli, const json_t *analysis,
                               const struct analysis_options *options)
{
    const json_t *root = json_object_get(analysis, "tree");
    double whole_ms = fmax(field_number(root, "base_ms"), field_number(root, "other_ms"));
    double noise_percent = field_number(analysis, "noise_ms") / whole_ms * 100;

    if (options->has_all || line_has(cli->line, OPTION_MIN_PERCENT)) return options->percent_min;
    return noise_percent > options->percent_min ? fmin(noise_percent, 100) : options->percent_min;
}

static bool has_samples(const json_t *analysis, const char *side)
{
    return field_count(json_object_get(analysis, side), "samples") > 0;
}

static void put_diff(struct cli *cli, const json_t *analysis, double percent_min)
{
    struct tree_folded folded;

    if (field_number(analysis, "noise_ms") > 0) {
        OWN(buf_done) struct buf line = BUF_INIT(LINE_SIZE_MAX);

        put_time(cli, analysis, "noise_ms", ": differences below this say nothing", &line);
        view_pair(cli, "noise", buf_peek(&line));
    }
    put_findings(cli, analysis);
    if (!has_samples(analysis, "base") || !has_samples(analysis, "other")) return;
    view_heading(cli, "Call tree, in ms per call");
    tree_print_diff(&cli->screen, analysis, percent_min, &cli->out, &folded);
    put_folded(cli, &folded, percent_min, true);
}

int analysis_get(struct cli *cli, const struct subject *subject, struct answer *ret)
{
    char path[sizeof subject->path + 16];

    snprintf(path, sizeof path, "%s/analysis", subject->path);
    return cli_get(cli, path, ret);
}

int analysis_diff(struct cli *cli, subject_fn subject_of)
{
    OWN(buf_done) struct buf path = BUF_INIT(LINE_SIZE_MAX);
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    struct analysis_options options;
    struct subject base, other;
    int rc = subject_of(cli, 0, &base);

    if (rc == CLI_DONE) rc = subject_of(cli, 1, &other);
    if (rc == CLI_DONE) rc = analysis_read_options(cli, &options);
    if (rc != CLI_DONE) return rc;
    (void)buf_text(&path, TEXT("/api/v1/diff"));
    query_add(&path, "base", base.name);
    query_add(&path, "other", other.name);
    rc = cli_get(cli, path.data, &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);

    put_side(cli, answer.document, "base", base.name);
    put_side(cli, answer.document, "other", other.name);
    put_diff(cli, answer.document, diff_percent_min(cli, answer.document, &options));
    return CLI_DONE;
}
