/* SPDX-License-Identifier: Apache-2.0 */
/* view.c: see view.h. */
#include "tools/cli/view/view.h"

#include "common/base/clock.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"

#include <string.h>

enum { INDENT = 2, LABEL_COLUMNS = 12, TEXT_SIZE_MAX = 1024 * 1024, SKEW_MS_MAX = 2000 };

void view_heading(struct cli *cli, const char *text)
{
    if (cli->out.size > 0) (void)buf_text(&cli->out, TEXT("\n"));
    screen_paint(&cli->screen, PAINT_BOLD, text_of(text), &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

void view_label(struct cli *cli, const char *label)
{
    size_t size = strlen(label);

    put_blanks(&cli->out, INDENT);
    screen_paint(&cli->screen, PAINT_DIM, text_of(label), &cli->out);
    put_blanks(&cli->out, size < LABEL_COLUMNS ? LABEL_COLUMNS - size : 1);
}

void view_pair(struct cli *cli, const char *label, struct text value)
{
    OWN(buf_done) struct buf shown = BUF_INIT(TEXT_SIZE_MAX);
    size_t begin = INDENT + LABEL_COLUMNS;

    screen_put(&cli->screen, value, &shown);
    if (shown.size == 0) (void)buf_text(&shown, text_of(screen_unknown(&cli->screen)));
    view_label(cli, label);
    screen_wrap(&cli->screen, buf_peek(&shown), cli->screen.width - begin, begin, &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

void view_sentence(struct cli *cli, const char *mark, struct text sentence)
{
    OWN(buf_done) struct buf shown = BUF_INIT(TEXT_SIZE_MAX);
    size_t begin = INDENT + strlen(mark);

    screen_put(&cli->screen, sentence, &shown);
    put_blanks(&cli->out, INDENT);
    (void)buf_text(&cli->out, text_of(mark));
    screen_wrap(&cli->screen, buf_peek(&shown), cli->screen.width - begin, begin, &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

void view_table(struct cli *cli, const struct table *table)
{
    OWN(buf_done) struct buf note = BUF_INIT(4096);

    table_print(table, &cli->out, &note);
    if (note.size > 0) cli_note(cli, "%s", note.data);
}

void view_next_page(struct cli *cli, const struct answer *answer)
{
    struct text next = field_text(answer->document, "next");

    if (next.size > 0) cli_note(cli, "there are more: --cursor %.*s", TEXT_ARGS(next));
}

void view_time(struct cli *cli, uint64_t wall_ms, bool has_ms, struct buf *to)
{
    if (wall_ms == 0) {
        (void)buf_text(to, text_of(screen_unknown(&cli->screen)));
        return;
    }
    format_clock(wall_ms, has_ms, to);
    (void)buf_text(to, TEXT(" "));
    format_zone(wall_ms, to);
}

uint64_t view_server_now_ms(const struct answer *answer)
{
    uint64_t here_ms = ns_to_ms(clock_wall_ns()), there_ms = answer->server_wall_ms;
    uint64_t skew_ms = here_ms > there_ms ? here_ms - there_ms : there_ms - here_ms;

    /* Its Date has whole seconds: within two of them ours is the finer clock. */
    return there_ms == 0 || skew_ms <= SKEW_MS_MAX ? here_ms : there_ms;
}
