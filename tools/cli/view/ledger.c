/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c: see ledger.h. The sums are the scheduler's; nothing is added up here, so that what is
 * shown is what it decided by. */
#include "common/model/ledger.h"
#include "tools/cli/view/ledger.h"

#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>
#include <math.h>

static void put_count(struct cli *cli, uint64_t count, const char *what)
{
    format_count(count, &cli->out);
    (void)buf_text(&cli->out, text_of(what));
}

void ledger_put_funnel(struct cli *cli, const json_t *ledger)
{
    const json_t *totals = json_object_get(ledger, "totals");

    view_label(cli, "seen");
    put_count(cli, field_count(totals, "seen"), " = ");
    put_count(cli, field_count(totals, "below"), " below + ");
    put_count(cli, field_count(totals, "triggered"), " triggered\n");
    view_label(cli, "triggered");
    put_count(cli, field_count(totals, "triggered"), " = ");
    put_count(cli, field_count(totals, "sampled"), " sampled + ");
    put_count(cli, field_count(totals, "over_cap"), " over cap + ");
    put_count(cli, field_sum(totals, "drops"), " dropped + ");
    put_count(cli, field_count(totals, "pending"), " pending\n");
}

static void put_percent(struct cli *cli, double share, struct buf *to)
{
    if (isnan(share)) {
        (void)buf_text(to, text_of(screen_unknown(&cli->screen)));
    } else {
        format_share(share, 1, to);
    }
}

static void put_row(struct cli *cli, const json_t *row, struct table *table)
{
    static const char *const counts[] = { "seen", "below", "triggered", "sampled", "over_cap" };
    uint64_t delivered_ms = field_time_ms(row, "delivered_at");

    screen_put(&cli->screen, field_text(row, "instance"), table_cell(table));
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        format_count(field_count(row, counts[i]), table_cell(table));
    }
    format_count(field_sum(row, "drops"), table_cell(table));
    if (field_sum(row, "drops") > 0) table_paint(table, PAINT_ERR);
    format_count(field_count(row, "pending"), table_cell(table));
    format_count(field_count(row, "snapshots"), table_cell(table));
    format_count(field_sum(row, "snapshot_drops"), table_cell(table));
    format_column_ms(&cli->screen, field_number(row, "late_ms_max"), table_cell(table));
    format_count(field_count(row, "pause_ns_p99") / 1000, table_cell(table));
    put_percent(cli, field_number(row, "cpu_share"), table_cell(table));
    if (delivered_ms > 0) {
        format_clock(delivered_ms, false, table_cell(table));
    } else {
        (void)buf_text(table_cell(table), text_of(screen_unknown(&cli->screen)));
    }
    screen_put(&cli->screen, field_text(row, "host_ip"), table_cell(table));
}

static void put_instances(struct cli *cli, const json_t *instances)
{
    static const struct table_column columns[] = {
        { .title = "INSTANCE", .columns_min = 12, .fit = FIT_MIDDLE },
        { .title = "SEEN", .is_right = true },
        { .title = "BELOW", .is_right = true },
        { .title = "TRIGGERED", .is_right = true },
        { .title = "SAMPLED", .is_right = true },
        { .title = "OVER CAP", .is_right = true },
        { .title = "DROPS", .is_right = true },
        { .title = "PENDING", .is_right = true },
        { .title = "SNAPSHOTS", .is_right = true, .rank = 1 },
        { .title = "LOST", .is_right = true, .rank = 2 },
        { .title = "LATE ms", .is_right = true, .rank = 3 },
        { .title = "PAUSE us", .is_right = true, .rank = 4 },
        { .title = "CPU", .is_right = true, .rank = 5 },
        { .title = "DELIVERED", .rank = 6 },
        { .title = "HOST IP", .rank = 7 },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));
    const json_t *row;
    size_t i;

    json_array_foreach(instances, i, row)
    {
        put_row(cli, row, table);
    }
    (void)buf_text(&cli->out, TEXT("\n"));
    view_table(cli, table);
}

static const char *says(const char *slug, bool is_snapshot)
{
    enum call_drop call;
    enum snapshot_drop snapshot;

    if (!is_snapshot && call_drop_parse(text_of(slug), &call) == 0) return call_drop_says(call);
    if (is_snapshot && snapshot_drop_parse(text_of(slug), &snapshot) == 0) {
        return snapshot_drop_says(snapshot);
    }
    return "";
}

/* "1 slow call was not sampled", "3 snapshots were lost" */
static void put_loss(uint64_t count, bool is_snapshot, struct buf *to)
{
    format_nouns(count, is_snapshot ? "snapshot" : "slow call", to);
    (void)buf_printf(to, " %s %s", count == 1 ? "was" : "were",
                     is_snapshot ? "lost" : "not sampled");
}

/* A line per reason: "3 slow calls were not sampled: queue-full, the scheduler reads ..." */
static void put_drops(struct cli *cli, const json_t *totals, const char *key, bool is_snapshot)
{
    json_t *counts = json_object_get(totals, key), *value;
    const char *slug;

    json_object_foreach(counts, slug, value)
    {
        OWN(buf_done) struct buf line = BUF_INIT(4096);
        const char *why = says(slug, is_snapshot);

        if (json_integer_value(value) <= 0) continue;
        put_loss((uint64_t)json_integer_value(value), is_snapshot, &line);
        (void)buf_printf(&line, ": %s%s%s", slug, *why ? ", " : "", why);
        view_sentence(cli, "- ", buf_peek(&line));
    }
}

double ledger_stretched_ms(const json_t *ledger)
{
    const json_t *row;
    double most_ms = 0;
    size_t i;

    json_array_foreach(field_array(ledger, "instances"), i, row)
    {
        double stretched_ms = field_number(row, "stretched_ms");

        if (stretched_ms > most_ms) most_ms = stretched_ms;
    }
    return most_ms;
}

/* "- To stay within the budget, snapshots were up to 40 ms apart." */
void ledger_put_stretched(struct cli *cli, const json_t *ledger)
{
    OWN(buf_done) struct buf line = BUF_INIT(256);
    double most_ms = ledger_stretched_ms(ledger);

    if (most_ms == 0) return;
    (void)buf_text(&line, TEXT("To stay within the budget, snapshots were up to "));
    format_setting(&cli->screen, most_ms, &line);
    (void)buf_text(&line, TEXT(" apart."));
    view_sentence(cli, "- ", buf_peek(&line));
}

/* "- 1,200 snapshots: 900 as the one before, 280 read asleep, 20 by signal" */
static void put_ways(struct cli *cli, const json_t *totals)
{
    static const struct {
        const char *key, *says;
    } ways[] = {
        { "repeats", "as the one before" },
        { "reads", "read while the thread slept" },
        { "signals", "by signal" },
        { "perf", "by perf event" },
    };
    OWN(buf_done) struct buf line = BUF_INIT(4096);
    const char *between = ": ";

    format_nouns(field_count(totals, "snapshots"), "snapshot", &line);
    for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
        uint64_t count = field_count(totals, ways[i].key);

        if (count == 0) continue;
        (void)buf_text(&line, text_of(between));
        format_count(count, &line);
        (void)buf_printf(&line, " %s", ways[i].says);
        between = ", ";
    }
    if (*between == ',') view_sentence(cli, "- ", buf_peek(&line));
}

static void put_interrupted(struct cli *cli, const json_t *totals)
{
    OWN(buf_done) struct buf line = BUF_INIT(4096);
    uint64_t count = field_count(totals, "interrupted");

    if (count == 0) return;
    format_nouns(count, "system call", &line);
    (void)buf_text(&line,
                   TEXT(" of the application may have seen a signal of the probe (EINTR, or a "
                        "short count)"));
    view_sentence(cli, "- ", buf_peek(&line));
}

static void put_refusals(struct cli *cli, const json_t *instances)
{
    const json_t *row;
    size_t i;

    json_array_foreach(instances, i, row)
    {
        OWN(buf_done) struct buf line = BUF_INIT(4096);
        struct text refused = field_text(row, "refused");

        if (refused.size == 0) continue;
        (void)buf_printf(&line, "%.*s refused the task: %.*s",
                         TEXT_ARGS(field_text(row, "instance")), TEXT_ARGS(refused));
        view_sentence(cli, "- ", buf_peek(&line));
    }
}

void ledger_put(struct cli *cli, const json_t *ledger)
{
    const json_t *instances = field_array(ledger, "instances");
    const json_t *totals = json_object_get(ledger, "totals");
    uint64_t folded = field_count(ledger, "folded");

    ledger_put_funnel(cli, ledger);
    put_drops(cli, totals, "drops", false);
    put_drops(cli, totals, "snapshot_drops", true);
    put_ways(cli, totals);
    put_interrupted(cli, totals);
    put_refusals(cli, instances);
    if (json_array_size(instances) == 0) return;
    put_instances(cli, instances);
    if (folded > 0) {
        (void)buf_text(&cli->out, TEXT("(the last row adds up "));
        format_nouns(folded, "instance", &cli->out);
        (void)buf_text(&cli->out, TEXT(" that ended)\n"));
    }
}

bool ledger_has_taker(const json_t *ledger)
{
    const json_t *row;
    size_t i;

    json_array_foreach(field_array(ledger, "instances"), i, row)
    {
        bool was_refused = field_text(row, "refused").size > 0;

        if (field_time_ms(row, "delivered_at") > 0 && !was_refused) return true;
        if (field_count(row, "seen") > 0) return true;
    }
    return false;
}
