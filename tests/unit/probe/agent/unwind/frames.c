/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/agent/unwind/frames.h"

#include "common/base/check.h"

#include <string.h>

void frames_bytes(struct frames *frames, const void *bytes, size_t size)
{
    CHECK(size <= FRAMES_SIZE_MAX - frames->size);
    memcpy(frames->bytes + frames->size, bytes, size);
    frames->size += size;
}

void frames_u8(struct frames *frames, unsigned value)
{
    frames_bytes(frames, &(uint8_t){ (uint8_t)value }, 1);
}

void frames_u16(struct frames *frames, unsigned value)
{
    frames_bytes(frames, &(uint16_t){ (uint16_t)value }, 2);
}

void frames_u32(struct frames *frames, uint32_t value)
{
    frames_bytes(frames, &value, sizeof value);
}

void frames_u64(struct frames *frames, uint64_t value)
{
    frames_bytes(frames, &value, sizeof value);
}

void frames_uleb(struct frames *frames, uint64_t value)
{
    do {
        frames_u8(frames, (value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
}

void frames_sleb(struct frames *frames, int64_t value)
{
    for (;;) {
        unsigned byte = (unsigned)value & 0x7f;

        value >>= 7;
        if ((value == 0 && !(byte & 0x40)) || (value == -1 && (byte & 0x40))) {
            frames_u8(frames, byte);
            return;
        }
        frames_u8(frames, byte | 0x80);
    }
}

void frames_pointer(struct frames *frames, uint8_t encoding, uint64_t value)
{
    if (encoding & POINTER_PCREL) value -= frames->address + frames->size;
    switch (encoding & POINTER_FORMAT) {
    case POINTER_UDATA2:
    case POINTER_SDATA2:
        frames_u16(frames, (unsigned)value);
        break;
    case POINTER_UDATA4:
    case POINTER_SDATA4:
        frames_u32(frames, (uint32_t)value);
        break;
    case POINTER_ULEB:
        frames_uleb(frames, value);
        break;
    case POINTER_SLEB:
        frames_sleb(frames, (int64_t)value);
        break;
    default:
        frames_u64(frames, value);
        break;
    }
}

/* What an augmentation's letters stand for. */
static void put_data(struct frames *frames, const char *letters, uint8_t pointers)
{
    size_t at = frames->size;

    frames_u8(frames, 0);
    for (letters++; *letters; letters++) {
        if (*letters == 'R') frames_u8(frames, pointers);
        if (*letters == 'L') frames_u8(frames, POINTER_OMITTED);
        if (*letters == 'P') {
            frames_u8(frames, POINTER_ABSOLUTE);
            frames_u64(frames, 0);
        }
    }
    frames->bytes[at] = (unsigned char)(frames->size - at - 1);
}

size_t frames_cie(struct frames *frames, const char *letters, uint8_t pointers)
{
    frames->open = frames->size;
    frames->pointers = strchr(letters, 'R') ? pointers : POINTER_ABSOLUTE;
    frames->has_sizes = letters[0] == 'z';
    frames_u32(frames, 0);
    frames_u32(frames, 0);
    frames_u8(frames, 1);
    frames_bytes(frames, letters, strlen(letters) + 1);
    frames_uleb(frames, 1);
    frames_sleb(frames, -8);
    frames_u8(frames, 16);
    if (frames->has_sizes) put_data(frames, letters, pointers);
    return frames->open;
}

void frames_cie_usual(struct frames *frames)
{
    static const unsigned char program[] = { 0x0c, 7, 8, 0x90, 1 };

    frames_bytes(frames, program, sizeof program);
    frames_close(frames);
}

void frames_fde(struct frames *frames, size_t cie, uint64_t begin, uint64_t size)
{
    frames->open = frames->size;
    frames_u32(frames, 0);
    frames_u32(frames, (uint32_t)(frames->size - cie));
    frames_pointer(frames, frames->pointers, begin);
    frames_pointer(frames, frames->pointers & POINTER_FORMAT, size);
    if (frames->has_sizes) frames_uleb(frames, 0);
}

void frames_close(struct frames *frames)
{
    uint32_t size = (uint32_t)(frames->size - frames->open - 4);

    memcpy(frames->bytes + frames->open, &size, sizeof size);
}

int frames_build(struct frames *frames, uint64_t low, uint64_t high, struct unwind_table **ret)
{
    struct unwind_build build = { .low = low, .high = high, .size_max = 1024 * 1024 };

    frames_u32(frames, 0);
    build.section = (struct unwind_section){ frames->bytes, frames->size, frames->address };
    return unwind_table_build(&build, ret);
}
