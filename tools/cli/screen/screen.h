/* SPDX-License-Identifier: Apache-2.0 */
/* screen.h: where output goes: how wide it is, what it can show, and how to put text on it that
 * others have written.
 *
 *     struct screen screen;
 *     screen_init(&screen, STDOUT_FILENO);
 *     screen_put(&screen, name, &out);                 control and bidi characters made visible
 *     screen_fit(&screen, name, 24, FIT_END, &out);    ... and cut to 24 columns
 *
 * Nothing from outside reaches a terminal in another way. A screen that is not UTF-8 (the "C"
 * locale) gets ASCII alone. Threads: one. */
#ifndef STAKEOUT_TOOLS_CLI_SCREEN_SCREEN_H
#define STAKEOUT_TOOLS_CLI_SCREEN_SCREEN_H

#include "common/base/buf.h"

enum { SCREEN_WIDTH_DEFAULT = 80, SCREEN_WIDTH_MIN = 40, SCREEN_WIDTH_MAX = 1000 };

struct screen {
    uint32_t width;  /* columns */
    bool is_endless; /* neither a terminal nor COLUMNS: tables are as wide as they are */
    bool is_terminal;
    bool has_colour;
    bool has_utf8;
};

/* What the environment says of the descriptor: COLUMNS, else the terminal's own width, else 80 for
 * what is wrapped, while tables are neither cut nor thinned out: a pipe has no right edge. Colour
 * is for a terminal alone, without NO_COLOR and not with TERM=dumb. Call setlocale() first. */
void screen_init(struct screen *screen, int fd);

enum paint {
    PAINT_NONE,
    PAINT_BOLD,
    PAINT_DIM,
    PAINT_OK,
    PAINT_WARN,
    PAINT_ERR,
    PAINT_LESS, /* a difference: less, more */
    PAINT_MORE,
    PAINT_COUNT
};

/* Puts our own text in a colour; without colour, the text alone. */
void screen_paint(const struct screen *screen, enum paint paint, struct text text, struct buf *to);

/* Puts text from outside. Control, bidirectional and invisible characters, and bytes that are no
 * UTF-8, become visible: \x1b, \u{202e}. Line feeds too: one text is never two lines. */
void screen_put(const struct screen *screen, struct text text, struct buf *to);

/* As screen_put(), but line feeds and tabs stay: for whole documents on a terminal. Escapes are
 * those of JSON (\u001b), so that a JSON document stays the same document. */
void screen_put_document(struct text text, struct buf *to);

/* Columns that escaped text takes. */
size_t screen_columns(const struct screen *screen, struct text text);

enum fit {
    FIT_END,    /* "POST /check..." */
    FIT_MIDDLE, /* "src/.../inventory.cc" */
};

/* Appends escaped text cut to `columns`, an ellipsis where it was cut; nothing is padded. No
 * character is split from its combining ones. */
void screen_fit(const struct screen *screen, struct text text, size_t columns, enum fit fit,
                struct buf *to);

/* Breaks our own or escaped text at blanks into lines of at most `columns`; lines after the first
 * begin with `indent` blanks. The last line is not ended. */
void screen_wrap(const struct screen *screen, struct text text, size_t columns, size_t indent,
                 struct buf *to);

/* The ellipsis, the dash for what is unknown, and the micro sign, as the screen can show them. */
const char *screen_ellipsis(const struct screen *screen);
const char *screen_unknown(const struct screen *screen);
const char *screen_micro(const struct screen *screen);

void put_blanks(struct buf *to, size_t count);

#endif
