/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_reader.h: reads the numbers that unwind information is made of, never past its end.
 *
 *     struct unwind_reader reader = unwind_reader_of(bytes, size, address);
 *     value = unwind_read_uleb(&reader);
 *     if (reader.is_broken) ...
 *
 * A number that is not whole breaks the reader: it reads 0 then, and from then on. So a caller may
 * read a whole record before it asks. Threads: one per reader. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_READER_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unwind_reader {
    const unsigned char *at, *end;
    uint64_t address; /* where *at lies in the process */
    bool is_broken;
};

/* How a pointer is written: a format, and what it counts from. */
enum {
    POINTER_ABSOLUTE = 0x00, /* 8 bytes */
    POINTER_ULEB = 0x01,
    POINTER_UDATA2 = 0x02,
    POINTER_UDATA4 = 0x03,
    POINTER_UDATA8 = 0x04,
    POINTER_SLEB = 0x09,
    POINTER_SDATA2 = 0x0a,
    POINTER_SDATA4 = 0x0b,
    POINTER_SDATA8 = 0x0c,
    POINTER_FORMAT = 0x0f,
    POINTER_PCREL = 0x10, /* from where it stands */
    POINTER_FROM = 0x70,
    POINTER_INDIRECT = 0x80, /* there lies the address of what is meant */
    POINTER_OMITTED = 0xff,
};

static inline struct unwind_reader unwind_reader_of(const unsigned char *bytes, size_t size,
                                                    uint64_t address)
{
    return (struct unwind_reader){ .at = bytes, .end = bytes + size, .address = address };
}

/* `size` is 1, 2, 4 or 8 bytes. */
uint64_t unwind_read_unsigned(struct unwind_reader *reader, size_t size);
int64_t unwind_read_signed(struct unwind_reader *reader, size_t size);
uint64_t unwind_read_uleb(struct unwind_reader *reader); /* bits beyond 64 are lost */
int64_t unwind_read_sleb(struct unwind_reader *reader);

/* A pointer in an encoding; one that cannot be told here (indirect, from the text or the data, or
 * of no known format) breaks the reader. */
uint64_t unwind_read_pointer(struct unwind_reader *reader, uint8_t encoding);

/* Passes over a pointer of any encoding, without asking what it means. */
void unwind_skip_pointer(struct unwind_reader *reader, uint8_t encoding);

void unwind_skip(struct unwind_reader *reader, uint64_t size);

/* A reader of the next `size` bytes, which the first one passes; a broken one if they are not
 * there. */
struct unwind_reader unwind_read_part(struct unwind_reader *reader, uint64_t size);

#endif
