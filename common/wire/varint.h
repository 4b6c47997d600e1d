/* SPDX-License-Identifier: Apache-2.0 */
/* varint.h: unsigned numbers in 1 to 10 bytes, 7 bits each, the lowest first (LEB128).
 *
 *     varint_write(&buf, 300);                                       ac 02
 *     struct varint_reader reader = varint_reader_of(bytes);
 *     while (!varint_is_end(&reader)) value = varint_read(&reader);
 *     if (reader.failed) refuse;
 *
 * A number has one form: a reader fails on one that is cut, needs more than 64 bits, or has
 * zeros on top. After a failure every read gives 0, and the end is reached. */
#ifndef STAKEOUT_COMMON_WIRE_VARINT_H
#define STAKEOUT_COMMON_WIRE_VARINT_H

#include "common/base/buf.h"

struct varint_reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct varint_reader varint_reader_of(struct text bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.data;

    return (struct varint_reader){ .at = at, .end = bytes.size > 0 ? at + bytes.size : at };
}

static inline bool varint_is_end(const struct varint_reader *reader)
{
    return reader->at == reader->end;
}

/* Bytes left: no more numbers than this can follow. */
static inline size_t varint_left(const struct varint_reader *reader)
{
    return varint_is_end(reader) ? 0 : (size_t)(reader->end - reader->at);
}

static inline uint64_t varint_fail(struct varint_reader *reader)
{
    reader->failed = true;
    reader->at = reader->end;
    return 0;
}

static inline uint64_t varint_read(struct varint_reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && reader->at != reader->end; shift += 7) {
        uint64_t byte = *reader->at++;

        value |= (byte & 0x7f) << shift;
        if (byte >= 0x80) continue;
        if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) break;
        return value;
    }
    return varint_fail(reader);
}

/* Fails on a number above UINT32_MAX. */
static inline uint32_t varint_read_u32(struct varint_reader *reader)
{
    uint64_t value = varint_read(reader);

    return value <= UINT32_MAX ? (uint32_t)value : (uint32_t)varint_fail(reader);
}

/* Failures are the buffer's: buf->failed. */
static inline void varint_write(struct buf *buf, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;

    for (; value >= 0x80; value >>= 7) {
        bytes[size++] = (uint8_t)(value | 0x80);
    }
    bytes[size++] = (uint8_t)value;
    buf_append(buf, bytes, size);
}

/* Differences modulo 2^64, small ones in either direction as small numbers: 0, -1, 1, -2, 2 are
 * 0, 1, 2, 3, 4. */
static inline uint64_t zigzag_of(uint64_t value, uint64_t before)
{
    uint64_t difference = value - before;

    return difference << 1 ^ (0 - (difference >> 63));
}

static inline uint64_t zigzag_apply(uint64_t zigzag, uint64_t before)
{
    return before + (zigzag >> 1 ^ (0 - (zigzag & 1)));
}

#endif
