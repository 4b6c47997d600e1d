/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h: bytes that grow, up to a bound that is named where the buffer is declared.
 *
 *     OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
 *     rc = buf_printf(&body, "...");          -ENOBUFS past the bound, -ENOMEM without memory
 *
 * After a failed append the content is what it was before, and `failed` is set, so that a
 * writer of many small pieces may check once at the end. data[size] is always a zero. */
#ifndef STAKEOUT_COMMON_BASE_BUF_H
#define STAKEOUT_COMMON_BASE_BUF_H

#include "common/base/text.h"

#include <stdarg.h>

struct buf {
    char *data;      /* NULL while nothing was ever appended */
    size_t size;     /* bytes used */
    size_t capacity; /* bytes allocated; private */
    size_t size_max; /* the bound */
    int failed;      /* 0, or the first append's -errno; stays until buf_reset() */
};

#define BUF_INIT(max) ((struct buf){ .size_max = (max) })

void buf_done(struct buf *buf);
void buf_reset(struct buf *buf); /* empty, keeps the storage, clears `failed` */
int buf_append(struct buf *buf, const void *data, size_t size);
int buf_text(struct buf *buf, struct text text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Makes room for `size` more bytes and returns where they go; they count after
 * buf_commit(). NULL past the bound or without memory (then `failed` is set). */
void *buf_reserve(struct buf *buf, size_t size);
void buf_commit(struct buf *buf, size_t size);

/* Forgets what was appended since the buffer held `size` bytes. */
void buf_shrink(struct buf *buf, size_t size);

/* Forgets the first `size` bytes. */
void buf_consume(struct buf *buf, size_t size);

/* Moves the storage out: the caller frees it with free(). The buffer is empty afterwards. */
char *buf_take(struct buf *buf, size_t *ret_size);

static inline struct text buf_peek(const struct buf *buf)
{
    return (struct text){ buf->data ? buf->data : "", buf->size };
}

#endif
