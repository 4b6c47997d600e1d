/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c: see frame.h. */
#include "tools/cli/screen/frame.h"

#include "common/base/own.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/name.h"

#include <inttypes.h>
#include <string.h>

enum { TEXT_SIZE_MAX = 64 * 1024, GAP = 2 };

const json_t *frame_at(const json_t *frames, const json_t *index)
{
    if (!json_is_integer(index) || json_integer_value(index) < 0) return NULL;
    return json_array_get(frames, (size_t)json_integer_value(index));
}

static struct text base_name(struct text path)
{
    const char *slash = path.size > 0 ? memrchr(path.data, '/', path.size) : NULL;
    size_t skip = slash ? (size_t)(slash - path.data) + 1 : 0;

    return (struct text){ path.data + skip, path.size - skip };
}

void frame_name(const json_t *frame, struct buf *to)
{
    struct text function = field_text(frame, "function");
    struct text class_name = field_text(frame, "class");
    struct text module = base_name(field_text(frame, "module"));

    if (function.size > 0) {
        if (class_name.size > 0) (void)buf_printf(to, "%.*s.", TEXT_ARGS(class_name));
        (void)buf_text(to, function);
    } else if (module.size > 0) {
        (void)buf_printf(to, "%.*s+0x%" PRIx64, TEXT_ARGS(module), field_count(frame, "offset"));
    } else {
        (void)buf_text(to, TEXT("(unknown)"));
    }
}

/* Where the frame stands: file and line, and whether it was inlined. */
static void put_place(const struct screen *screen, const json_t *frame, bool has_inlined,
                      struct buf *to)
{
    struct text file = base_name(field_text(frame, "file"));
    uint64_t line = field_count(frame, "line");

    if (file.size > 0) {
        screen_put(screen, file, to);
        if (line > 0) (void)buf_printf(to, ":%" PRIu64, line);
    }
    if (!has_inlined || !field_is_true(frame, "inlined")) return;
    (void)buf_text(to, text_of(to->size > 0 ? " inlined" : "inlined"));
}

/* Columns of the shortest form that still says something: the last part of the name. */
static size_t least_columns(const struct screen *screen, struct text name)
{
    OWN(buf_done) struct buf last = BUF_INIT(TEXT_SIZE_MAX);

    name_write(name, NAME_LAST, &last);
    return screen_columns(screen, buf_peek(&last));
}

/* The longest place that leaves `least` columns for the name; returns its columns, with the gap
 * before it, or 0. */
static size_t choose_place(const struct screen *screen, const json_t *frame, size_t columns,
                           size_t least, struct buf *to)
{
    for (int has_inlined = 1; has_inlined >= 0; has_inlined--) {
        size_t taken;

        buf_reset(to);
        put_place(screen, frame, has_inlined == 1, to);
        taken = screen_columns(screen, buf_peek(to));
        if (taken > 0 && least + taken + GAP <= columns) return taken + GAP;
    }
    return 0;
}

size_t frame_put(const struct screen *screen, const json_t *frame, size_t columns, enum paint paint,
                 struct buf *to)
{
    OWN(buf_done) struct buf name = BUF_INIT(TEXT_SIZE_MAX);
    OWN(buf_done) struct buf shown = BUF_INIT(TEXT_SIZE_MAX);
    OWN(buf_done) struct buf place = BUF_INIT(TEXT_SIZE_MAX);
    size_t place_columns, used;

    frame_name(frame, &name);
    place_columns =
        choose_place(screen, frame, columns, least_columns(screen, buf_peek(&name)), &place);

    used = name_fit(screen, buf_peek(&name), NAME_BARE, columns - place_columns, &shown);
    screen_paint(screen, paint, buf_peek(&shown), to);
    if (place_columns == 0) return used;
    put_blanks(to, GAP);
    screen_paint(screen, PAINT_DIM, buf_peek(&place), to);
    return used + place_columns;
}
