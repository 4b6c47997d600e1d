/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c: capacity doubles, up to the bound. A failed append changes nothing, and is remembered.
 * The zero behind the content is not counted: it is for who reads it as a string. */
#include "common/base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 256 };

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = BUF_INIT(buf->size_max);
}

void buf_reset(struct buf *buf)
{
    buf->size = 0;
    buf->failed = 0;
    if (buf->data) buf->data[0] = '\0';
}

static int fail(struct buf *buf, int rc)
{
    if (buf->failed == 0) buf->failed = rc;
    return rc;
}

/* Room for `size` more bytes and the zero behind them. */
static int grow(struct buf *buf, size_t size)
{
    size_t needed, capacity;
    char *data;

    if (buf->size > buf->size_max || size > buf->size_max - buf->size) return fail(buf, -ENOBUFS);
    needed = buf->size + size + 1;
    if (needed <= buf->capacity) return 0;

    capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    if (capacity - 1 > buf->size_max) capacity = buf->size_max + 1;
    data = realloc(buf->data, capacity);
    if (!data) return fail(buf, -ENOMEM);
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

void *buf_reserve(struct buf *buf, size_t size)
{
    if (grow(buf, size) < 0) return NULL;
    return buf->data + buf->size;
}

void buf_commit(struct buf *buf, size_t size)
{
    buf->size += size;
    buf->data[buf->size] = '\0';
}

int buf_append(struct buf *buf, const void *data, size_t size)
{
    int rc = grow(buf, size);

    if (rc < 0) return rc;
    if (size > 0) memcpy(buf->data + buf->size, data, size);
    buf_commit(buf, size);
    return 0;
}

int buf_text(struct buf *buf, struct text text)
{
    return buf_append(buf, text.data, text.size);
}

int buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    int size, rc;

    va_copy(again, args);
    size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0) return fail(buf, -EINVAL);
    rc = grow(buf, (size_t)size);
    if (rc < 0) return rc;
    vsnprintf(buf->data + buf->size, (size_t)size + 1, format, args);
    buf->size += (size_t)size;
    return 0;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = buf_vprintf(buf, format, args);
    va_end(args);
    return rc;
}

void buf_shrink(struct buf *buf, size_t size)
{
    if (size >= buf->size) return;
    buf->size = size;
    buf->data[size] = '\0';
}

void buf_consume(struct buf *buf, size_t size)
{
    if (size == 0) return;
    memmove(buf->data, buf->data + size, buf->size - size + 1);
    buf->size -= size;
}

char *buf_take(struct buf *buf, size_t *ret_size)
{
    char *data = buf->data;

    *ret_size = buf->size;
    *buf = BUF_INIT(buf->size_max);
    return data;
}
