/* SPDX-License-Identifier: Apache-2.0 */
/* cutter.c: where heads end.
 *
 * A head that came whole is shown where it lies; only one that came in parts is copied. */
#include "scheduler/http/cutter.h"

void cutter_done(struct cutter *cutter)
{
    buf_done(&cutter->part);
    cutter->body_left = 0;
}

/* Is what came of a head so far still able to become one? libevent takes a bare LF for the end of
 * a line, but it does not see it: this is for the client to learn at once. */
static bool may_become_head(struct text part)
{
    for (size_t i = 0; i < part.size; i++) {
        char c = part.data[i];

        if (c == '\0' || (c == '\n' && (i == 0 || part.data[i - 1] != '\r'))) return false;
    }
    return part.size == 0 || (part.data[0] >= 'A' && part.data[0] <= 'Z');
}

static struct cut cut_body(struct cutter *cutter, struct text bytes)
{
    size_t size = bytes.size < cutter->body_left ? bytes.size : (size_t)cutter->body_left;

    cutter->body_left -= size;
    return (struct cut){ CUT_BODY, { bytes.data, size }, size };
}

static struct cut keep(struct cutter *cutter, struct text bytes)
{
    if (buf_append(&cutter->part, bytes.data, bytes.size) < 0)
        return (struct cut){ .kind = CUT_TOO_LONG };
    if (!may_become_head(buf_peek(&cutter->part))) return (struct cut){ .kind = CUT_NO_HEAD };
    return (struct cut){ CUT_KEPT, { NULL, 0 }, bytes.size };
}

/* Behind a part that was kept. */
static struct cut complete(struct cutter *cutter, struct text bytes)
{
    struct buf *part = &cutter->part;
    size_t had = part->size, room = part->size_max - had, end;

    if (buf_append(part, bytes.data, bytes.size < room ? bytes.size : room) < 0)
        return (struct cut){ .kind = CUT_TOO_LONG };
    end = head_end(part->data, part->size);
    if (end > 0) return (struct cut){ CUT_HEAD, { part->data, end }, end - had };
    if (part->size == part->size_max) return (struct cut){ .kind = CUT_TOO_LONG };
    if (!may_become_head(buf_peek(part))) return (struct cut){ .kind = CUT_NO_HEAD };
    return (struct cut){ CUT_KEPT, { NULL, 0 }, bytes.size };
}

struct cut cutter_next(struct cutter *cutter, struct text bytes)
{
    size_t end;

    if (cutter->body_left > 0) return cut_body(cutter, bytes);
    if (cutter->part.size > 0) return complete(cutter, bytes);
    end = head_end(bytes.data, bytes.size);
    if (end == 0) return keep(cutter, bytes);
    return (struct cut){ CUT_HEAD, { bytes.data, end }, end };
}

void cutter_expect(struct cutter *cutter, uint64_t body_size)
{
    buf_done(&cutter->part);
    cutter->body_left = body_size;
}

bool cutter_is_between(const struct cutter *cutter)
{
    return cutter->body_left == 0 && cutter->part.size == 0;
}
