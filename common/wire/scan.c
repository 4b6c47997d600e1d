/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c: one walk over the headers of a msgpack body.
 *
 * The walk keeps, for each container that it is in, how many objects are still to come. Each
 * object takes a byte at least: so a container that promises more objects than there are bytes
 * left is refused at its header, and the walk ends after as many steps as the body has bytes. */
#include "common/wire/scan.h"

#include "common/model/limits.h"

#include <errno.h>

struct scan {
    const uint8_t *at, *end;
    uint32_t object_count, depth;
    uint64_t to_come[WIRE_DEPTH_MAX + 1]; /* [0]: the body itself */
    const char *why;
};

/* What stands at a header: how many bytes of length follow it, and what the length counts. */
enum content {
    CONTENT_NONE,  /* the header is the object */
    CONTENT_BYTES, /* `fixed` bytes, or as many as the length says */
    CONTENT_ARRAY, /* so many objects */
    CONTENT_MAP,   /* twice so many */
    CONTENT_REFUSED,
};

struct header {
    enum content content;
    uint8_t length_size; /* 0: `fixed` is the length */
    uint8_t fixed;
};

/* The headers from 0xc0 to 0xdf. */
/* clang-format off */
static const struct header headers[32] = {
    [0x00] = { CONTENT_NONE, 0, 0 },    /* nil */
    [0x01] = { CONTENT_REFUSED, 0, 0 }, /* never used */
    [0x02] = { CONTENT_NONE, 0, 0 },    /* false */
    [0x03] = { CONTENT_NONE, 0, 0 },    /* true */
    [0x04] = { CONTENT_BYTES, 1, 0 },   /* bin 8, 16, 32 */
    [0x05] = { CONTENT_BYTES, 2, 0 },
    [0x06] = { CONTENT_BYTES, 4, 0 },
    [0x07] = { CONTENT_REFUSED, 0, 0 }, /* ext 8, 16, 32 */
    [0x08] = { CONTENT_REFUSED, 0, 0 },
    [0x09] = { CONTENT_REFUSED, 0, 0 },
    [0x0a] = { CONTENT_BYTES, 0, 4 },   /* float 32, 64 */
    [0x0b] = { CONTENT_BYTES, 0, 8 },
    [0x0c] = { CONTENT_BYTES, 0, 1 },   /* uint 8 to 64 */
    [0x0d] = { CONTENT_BYTES, 0, 2 },
    [0x0e] = { CONTENT_BYTES, 0, 4 },
    [0x0f] = { CONTENT_BYTES, 0, 8 },
    [0x10] = { CONTENT_BYTES, 0, 1 },   /* int 8 to 64 */
    [0x11] = { CONTENT_BYTES, 0, 2 },
    [0x12] = { CONTENT_BYTES, 0, 4 },
    [0x13] = { CONTENT_BYTES, 0, 8 },
    [0x14] = { CONTENT_REFUSED, 0, 0 }, /* fixext 1 to 16 */
    [0x15] = { CONTENT_REFUSED, 0, 0 },
    [0x16] = { CONTENT_REFUSED, 0, 0 },
    [0x17] = { CONTENT_REFUSED, 0, 0 },
    [0x18] = { CONTENT_REFUSED, 0, 0 },
    [0x19] = { CONTENT_BYTES, 1, 0 },   /* str 8, 16, 32 */
    [0x1a] = { CONTENT_BYTES, 2, 0 },
    [0x1b] = { CONTENT_BYTES, 4, 0 },
    [0x1c] = { CONTENT_ARRAY, 2, 0 },   /* array 16, 32 */
    [0x1d] = { CONTENT_ARRAY, 4, 0 },
    [0x1e] = { CONTENT_MAP, 2, 0 },     /* map 16, 32 */
    [0x1f] = { CONTENT_MAP, 4, 0 },
};
/* clang-format on */

static struct header header_of(uint8_t byte)
{
    if (byte < 0x80 || byte >= 0xe0) return (struct header){ CONTENT_NONE, 0, 0 };
    if (byte < 0x90) return (struct header){ CONTENT_MAP, 0, byte & 0x0f };
    if (byte < 0xa0) return (struct header){ CONTENT_ARRAY, 0, byte & 0x0f };
    if (byte < 0xc0) return (struct header){ CONTENT_BYTES, 0, byte & 0x1f };
    return headers[byte - 0xc0];
}

static int refuse(struct scan *scan, const char *why)
{
    scan->why = why;
    return -EINVAL;
}

static uint64_t bytes_left(const struct scan *scan)
{
    return (uint64_t)(scan->end - scan->at);
}

static int enter(struct scan *scan, uint64_t object_count)
{
    if (object_count > bytes_left(scan)) return refuse(scan, "promises more than it holds");
    if (scan->depth == WIRE_DEPTH_MAX) return refuse(scan, "is nested too deep");
    scan->to_come[++scan->depth] = object_count;
    return 0;
}

/* Reads one header and what belongs to it alone; of a container, its elements come next. */
static int scan_object(struct scan *scan)
{
    struct header header;
    uint64_t length;

    if (bytes_left(scan) == 0) return refuse(scan, "ends too early");
    if (++scan->object_count > WIRE_OBJECTS_MAX) return refuse(scan, "has too many objects");
    header = header_of(*scan->at++);
    if (bytes_left(scan) < header.length_size) return refuse(scan, "ends too early");
    length = header.fixed;
    for (unsigned i = 0; i < header.length_size; i++) {
        length = length << 8 | *scan->at++;
    }

    switch (header.content) {
    case CONTENT_NONE:
        return 0;
    case CONTENT_BYTES:
        if (length > bytes_left(scan)) return refuse(scan, "promises more than it holds");
        scan->at += length;
        return 0;
    case CONTENT_ARRAY:
        return enter(scan, length);
    case CONTENT_MAP:
        return enter(scan, 2 * length);
    default:
        return refuse(scan, "has an object of a type that is not accepted");
    }
}

int wire_scan(struct text body, const char **ret_why)
{
    const uint8_t *data = (const uint8_t *)body.data;
    struct scan scan = { .at = data, .end = body.size > 0 ? data + body.size : data };
    int rc = 0;

    scan.to_come[0] = 1;
    while (rc == 0) {
        while (scan.depth > 0 && scan.to_come[scan.depth] == 0) {
            scan.depth--;
        }
        if (scan.to_come[scan.depth] == 0) break;
        scan.to_come[scan.depth]--;
        rc = scan_object(&scan);
    }
    if (rc == 0 && scan.at != scan.end) rc = refuse(&scan, "goes on behind its end");
    if (rc < 0) *ret_why = scan.why;
    return rc;
}
