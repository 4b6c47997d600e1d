/* SPDX-License-Identifier: Apache-2.0 */
/* screen.c: text from outside on a terminal.
 *
 * Everything goes through next_character(): it reads one character of UTF-8, or one byte that is
 * none, and says whether it may be shown as it is. What may not is written as an escape, in
 * ASCII. Widths are wcwidth()'s; where the locale is not UTF-8 no character beyond ASCII is
 * shown, so that its answer is never needed there. */
#include "tools/cli/screen/screen.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "common/base/check.h"

struct character {
    uint32_t point; /* the code point, or the byte if it is no UTF-8 */
    size_t size;    /* bytes read */
    bool is_valid;
};

static struct character next_character(struct text text)
{
    struct character character = { .is_valid = true };

    character.size = text_next(text, &character.point);
    if (character.size > 0) return character;
    return (struct character){ (unsigned char)text.data[0], 1, false };
}

/* Characters that move others, end lines or cannot be seen. */
static bool is_treacherous(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        { 0x0000, 0x001f },    { 0x007f, 0x009f }, /* controls */
        { 0x00ad, 0x00ad },                        /* soft hyphen */
        { 0x061c, 0x061c },                        /* Arabic letter mark */
        { 0x115f, 0x1160 },    { 0x17b4, 0x17b5 }, /* fillers */
        { 0x180e, 0x180e },    { 0x200b, 0x200f }, /* zero width, direction marks */
        { 0x2028, 0x202e },                        /* separators, embeddings, overrides */
        { 0x2060, 0x206f },                        /* joiners, isolates */
        { 0x3164, 0x3164 },    { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 },
        { 0xfff9, 0xfffb },    { 0xe000, 0xf8ff }, /* annotations; private use */
        { 0xe0000, 0x10ffff },                     /* tags, private planes */
    };

    for (size_t i = 0; i < ARRAY_COUNT(ranges); i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) return true;
    }
    return false;
}

static bool may_show(const struct screen *screen, struct character character)
{
    if (!character.is_valid || is_treacherous(character.point)) return false;
    if (character.point < 0x80) return true;
    return screen->has_utf8 && wcwidth((wchar_t)character.point) >= 0;
}

static uint32_t environment_width(void)
{
    const char *columns = getenv("COLUMNS");
    uint64_t width = 0;

    if (!columns || text_to_u64(text_of(columns), &width) < 0) return 0;
    if (width == 0) return 0;
    if (width < SCREEN_WIDTH_MIN) return SCREEN_WIDTH_MIN;
    return width > SCREEN_WIDTH_MAX ? SCREEN_WIDTH_MAX : (uint32_t)width;
}

static uint32_t terminal_width(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return SCREEN_WIDTH_DEFAULT;
    if (size.ws_col < SCREEN_WIDTH_MIN) return SCREEN_WIDTH_MIN;
    return size.ws_col > SCREEN_WIDTH_MAX ? SCREEN_WIDTH_MAX : size.ws_col;
}

void screen_init(struct screen *screen, int fd)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    uint32_t width = environment_width();

    *screen = (struct screen){ .width = width ? width : SCREEN_WIDTH_DEFAULT };
    screen->has_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    screen->is_terminal = isatty(fd) == 1;
    screen->is_endless = !screen->is_terminal && !width;
    if (!screen->is_terminal) return;
    if (!width) screen->width = terminal_width(fd);
    screen->has_colour = (!no_colour || !*no_colour) && terminal && strcmp(terminal, "dumb") != 0;
}

void screen_paint(const struct screen *screen, enum paint paint, struct text text, struct buf *to)
{
    static const char *const codes[PAINT_COUNT] = {
        [PAINT_NONE] = "0",  [PAINT_BOLD] = "1", [PAINT_DIM] = "2",   [PAINT_OK] = "32",
        [PAINT_WARN] = "33", [PAINT_ERR] = "31", [PAINT_LESS] = "34", [PAINT_MORE] = "31",
    };
    bool has_paint = screen->has_colour && paint != PAINT_NONE;

    if (has_paint) (void)buf_printf(to, "\033[%sm", codes[paint]);
    (void)buf_text(to, text);
    if (has_paint) (void)buf_text(to, TEXT("\033[0m"));
}

static struct text text_from(struct text text, size_t at)
{
    return (struct text){ text.data + at, text.size - at };
}

void screen_put(const struct screen *screen, struct text text, struct buf *to)
{
    for (size_t at = 0; at < text.size;) {
        struct character character = next_character(text_from(text, at));

        if (may_show(screen, character)) {
            (void)buf_append(to, text.data + at, character.size);
        } else if (!character.is_valid || character.point < 0x100) {
            (void)buf_printf(to, "\\x%02x", character.point);
        } else {
            (void)buf_printf(to, "\\u{%x}", character.point);
        }
        at += character.size;
    }
}

static void put_json_escape(uint32_t point, struct buf *to)
{
    if (point < 0x10000) {
        (void)buf_printf(to, "\\u%04x", point);
        return;
    }
    point -= 0x10000;
    (void)buf_printf(to, "\\u%04x\\u%04x", 0xd800 + (point >> 10), 0xdc00 + (point & 0x3ff));
}

void screen_put_document(struct text text, struct buf *to)
{
    for (size_t at = 0; at < text.size;) {
        struct character character = next_character(text_from(text, at));
        bool is_layout = character.point == '\n' || character.point == '\t';

        if (character.is_valid && (is_layout || !is_treacherous(character.point))) {
            (void)buf_append(to, text.data + at, character.size);
        } else if (character.is_valid) {
            put_json_escape(character.point, to);
        } else {
            (void)buf_printf(to, "\\x%02x", character.point);
        }
        at += character.size;
    }
}

static size_t character_columns(const struct screen *screen, struct character character)
{
    int columns;

    if (character.point < 0x80 || !character.is_valid || !screen->has_utf8) return 1;
    columns = wcwidth((wchar_t)character.point);
    return columns < 0 ? 1 : (size_t)columns;
}

size_t screen_columns(const struct screen *screen, struct text text)
{
    size_t columns = 0;

    for (size_t at = 0; at < text.size;) {
        struct character character = next_character(text_from(text, at));

        columns += character_columns(screen, character);
        at += character.size;
    }
    return columns;
}

/* The longest head of the text that takes at most `columns`; combining characters stay with the
 * one before them. */
static size_t head_size(const struct screen *screen, struct text text, size_t columns)
{
    size_t used = 0, at = 0;

    while (at < text.size) {
        struct character character = next_character(text_from(text, at));

        used += character_columns(screen, character);
        if (used > columns) break;
        at += character.size;
    }
    return at;
}

/* Where the tail begins that takes at most `columns`. */
static size_t tail_begin(const struct screen *screen, struct text text, size_t columns)
{
    size_t total = screen_columns(screen, text), at = 0;

    while (at < text.size && total > columns) {
        struct character character = next_character(text_from(text, at));

        total -= character_columns(screen, character);
        at += character.size;
    }
    while (at < text.size) {
        struct character character = next_character(text_from(text, at));

        if (character_columns(screen, character) > 0) break;
        at += character.size;
    }
    return at;
}

void screen_fit(const struct screen *screen, struct text text, size_t columns, enum fit fit,
                struct buf *to)
{
    struct text ellipsis = text_of(screen_ellipsis(screen));
    size_t cut_columns = screen_columns(screen, ellipsis);
    size_t room, tail;

    if (screen_columns(screen, text) <= columns) {
        (void)buf_text(to, text);
        return;
    }
    if (columns <= cut_columns) {
        (void)buf_append(to, ellipsis.data, columns == cut_columns ? ellipsis.size : 0);
        return;
    }
    room = columns - cut_columns;
    tail = fit == FIT_MIDDLE ? (room + 1) / 2 : 0;
    (void)buf_append(to, text.data, head_size(screen, text, room - tail));
    (void)buf_text(to, ellipsis);
    if (tail > 0) (void)buf_text(to, text_from(text, tail_begin(screen, text, tail)));
}

void put_blanks(struct buf *to, size_t count)
{
    while (count-- > 0) {
        (void)buf_append(to, " ", 1);
    }
}

/* The size of the first line of text: up to the last blank that fits, or a word cut hard. */
static size_t line_size(const struct screen *screen, struct text text, size_t columns)
{
    size_t fits = head_size(screen, text, columns);

    if (fits == text.size) return fits;
    for (size_t at = fits + 1; at-- > 1;) {
        if (text.data[at] == ' ') return at;
    }
    return fits > 0 ? fits : text.size;
}

void screen_wrap(const struct screen *screen, struct text text, size_t columns, size_t indent,
                 struct buf *to)
{
    while (text.size > 0) {
        size_t size = line_size(screen, text, columns);

        (void)buf_append(to, text.data, size);
        text = text_from(text, size);
        while (text.size > 0 && text.data[0] == ' ') {
            text = text_from(text, 1);
        }
        if (text.size == 0) return;
        (void)buf_text(to, TEXT("\n"));
        put_blanks(to, indent);
    }
}

const char *screen_ellipsis(const struct screen *screen)
{
    return screen->has_utf8 ? "\u2026" : "...";
}

const char *screen_unknown(const struct screen *screen)
{
    return screen->has_utf8 ? "\u2013" : "-";
}

const char *screen_micro(const struct screen *screen)
{
    return screen->has_utf8 ? "\u00b5" : "u";
}
