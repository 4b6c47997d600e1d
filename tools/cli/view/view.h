/* SPDX-License-Identifier: Apache-2.0 */
/* view.h: pieces of output that several commands share. */
#ifndef STAKEOUT_TOOLS_CLI_VIEW_VIEW_H
#define STAKEOUT_TOOLS_CLI_VIEW_VIEW_H

#include "tools/cli/cli.h"
#include "tools/cli/screen/table.h"

/* A heading in bold, with an empty line before it unless it is the first of the output. */
void view_heading(struct cli *cli, const char *text);

/* "  label        " and back to the caller, who appends the value and a line feed. */
void view_label(struct cli *cli, const char *label);
void view_pair(struct cli *cli, const char *label, struct text value); /* escaped, wrapped */

/* A sentence of the scheduler, behind a mark ("* "), wrapped under itself. */
void view_sentence(struct cli *cli, const char *mark, struct text sentence);

/* A whole table; behind the output, what was left out of it, and the next page if there is one. */
void view_table(struct cli *cli, const struct table *table);
void view_next_page(struct cli *cli, const struct answer *answer);

/* "2026-11-21 03:12:07 UTC", a dash if unknown. */
void view_time(struct cli *cli, uint64_t wall_ms, bool has_ms, struct buf *to);

/* The scheduler's clock now, as near as its answer tells. */
uint64_t view_server_now_ms(const struct answer *answer);

#endif
