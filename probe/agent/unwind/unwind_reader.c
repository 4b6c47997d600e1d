/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/unwind/unwind_reader.h"

#include <string.h>

static void step(struct unwind_reader *reader, size_t size)
{
    reader->at += size;
    reader->address += size;
}

static void break_off(struct unwind_reader *reader)
{
    reader->is_broken = true;
    reader->at = reader->end;
}

static bool has(const struct unwind_reader *reader, uint64_t size)
{
    return size <= (uint64_t)(reader->end - reader->at);
}

uint64_t unwind_read_unsigned(struct unwind_reader *reader, size_t size)
{
    uint64_t value = 0;

    if (!has(reader, size)) {
        break_off(reader);
        return 0;
    }
    memcpy(&value, reader->at, size); /* little endian, as the processor */
    step(reader, size);
    return value;
}

int64_t unwind_read_signed(struct unwind_reader *reader, size_t size)
{
    unsigned unused = (unsigned)(64 - 8 * size);

    return (int64_t)(unwind_read_unsigned(reader, size) << unused) >> unused;
}

/* The bits of a LEB128 number; *ret_shift is how many there were. */
static uint64_t read_leb(struct unwind_reader *reader, unsigned *ret_shift)
{
    uint64_t value = 0;
    unsigned char byte = 0x80;

    *ret_shift = 0;
    while (byte & 0x80) {
        byte = (unsigned char)unwind_read_unsigned(reader, 1);
        if (*ret_shift < 64) value |= (uint64_t)(byte & 0x7f) << *ret_shift;
        if (*ret_shift < 64) *ret_shift += 7;
    }
    return value;
}

uint64_t unwind_read_uleb(struct unwind_reader *reader)
{
    unsigned shift;

    return read_leb(reader, &shift);
}

int64_t unwind_read_sleb(struct unwind_reader *reader)
{
    unsigned shift;
    uint64_t value = read_leb(reader, &shift);

    if (shift < 64 && (value >> (shift - 1) & 1)) value |= ~UINT64_C(0) << shift;
    return (int64_t)value;
}

/* The number itself, whatever it counts from. */
static uint64_t read_format(struct unwind_reader *reader, uint8_t encoding)
{
    switch (encoding & POINTER_FORMAT) {
    case POINTER_ABSOLUTE:
    case POINTER_UDATA8:
    case POINTER_SDATA8:
        return unwind_read_unsigned(reader, 8);
    case POINTER_ULEB:
        return unwind_read_uleb(reader);
    case POINTER_UDATA2:
        return unwind_read_unsigned(reader, 2);
    case POINTER_UDATA4:
        return unwind_read_unsigned(reader, 4);
    case POINTER_SLEB:
        return (uint64_t)unwind_read_sleb(reader);
    case POINTER_SDATA2:
        return (uint64_t)unwind_read_signed(reader, 2);
    case POINTER_SDATA4:
        return (uint64_t)unwind_read_signed(reader, 4);
    default:
        break_off(reader);
        return 0;
    }
}

uint64_t unwind_read_pointer(struct unwind_reader *reader, uint8_t encoding)
{
    uint64_t from = reader->address, value;

    if (encoding & POINTER_INDIRECT) {
        break_off(reader);
        return 0;
    }
    value = read_format(reader, encoding);
    switch (encoding & POINTER_FROM) {
    case 0:
        return value;
    case POINTER_PCREL:
        return reader->is_broken ? 0 : from + value;
    default:
        break_off(reader);
        return 0;
    }
}

void unwind_skip_pointer(struct unwind_reader *reader, uint8_t encoding)
{
    if (encoding != POINTER_OMITTED) read_format(reader, encoding);
}

void unwind_skip(struct unwind_reader *reader, uint64_t size)
{
    if (has(reader, size)) {
        step(reader, (size_t)size);
    } else {
        break_off(reader);
    }
}

struct unwind_reader unwind_read_part(struct unwind_reader *reader, uint64_t size)
{
    struct unwind_reader part = *reader;

    unwind_skip(reader, size);
    part.is_broken |= reader->is_broken;
    part.end = part.is_broken ? part.at : part.at + size;
    return part;
}
