/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_wire.c: see the header for the format; every read checks what is left first. */
#include "scheduler/symbols/symbol_wire.h"

#include "common/model/limits.h"

#include <errno.h>
#include <string.h>

static void read_bytes(struct wire_reader *reader, void *ret, size_t size)
{
    if (reader->failed || (size_t)(reader->end - reader->at) < size) {
        reader->failed = true;
        memset(ret, 0, size);
        return;
    }
    memcpy(ret, reader->at, size);
    reader->at += size;
}

uint8_t wire_read_u8(struct wire_reader *reader)
{
    uint8_t value;

    read_bytes(reader, &value, sizeof value);
    return value;
}

uint32_t wire_read_u32(struct wire_reader *reader)
{
    uint32_t value;

    read_bytes(reader, &value, sizeof value);
    return value;
}

uint64_t wire_read_u64(struct wire_reader *reader)
{
    uint64_t value;

    read_bytes(reader, &value, sizeof value);
    return value;
}

struct text wire_read_text(struct wire_reader *reader)
{
    size_t size = wire_read_u32(reader);
    struct text text = { reader->at, size };

    if (reader->failed || size > STRING_SIZE_MAX || (size_t)(reader->end - reader->at) < size) {
        reader->failed = true;
        return (struct text){ "", 0 };
    }
    reader->at += size;
    return text;
}

void wire_write_u8(struct buf *to, uint8_t value)
{
    buf_append(to, &value, sizeof value);
}

void wire_write_u32(struct buf *to, uint32_t value)
{
    buf_append(to, &value, sizeof value);
}

void wire_write_u64(struct buf *to, uint64_t value)
{
    buf_append(to, &value, sizeof value);
}

void wire_write_text(struct buf *to, struct text text)
{
    if (text.size > STRING_SIZE_MAX) text.size = STRING_SIZE_MAX;
    wire_write_u32(to, (uint32_t)text.size);
    buf_text(to, text);
}

void wire_write_locations(struct buf *to, const struct source_location *locations, uint8_t count)
{
    wire_write_u8(to, count);
    for (uint8_t i = 0; i < count; i++) {
        wire_write_text(to, locations[i].function);
        wire_write_text(to, locations[i].file);
        wire_write_u32(to, locations[i].line);
        wire_write_u8(to, locations[i].is_inlined);
    }
}

int wire_read_locations(struct wire_reader *reader, struct source_location *ret)
{
    uint8_t count = wire_read_u8(reader);

    if (count > LOCATIONS_MAX) return -EBADMSG;
    for (uint8_t i = 0; i < count; i++) {
        ret[i].function = wire_read_text(reader);
        ret[i].file = wire_read_text(reader);
        ret[i].line = wire_read_u32(reader);
        ret[i].is_inlined = wire_read_u8(reader) != 0;
    }
    return reader->failed ? -EBADMSG : count;
}
