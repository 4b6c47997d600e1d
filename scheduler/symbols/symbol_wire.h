/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_wire.h: what stakeoutd and its symbol worker say to each other over a socket pair.
 *
 *     frame     size u32, then so many bytes
 *     request   id u32, generation u32, path text, build-id text, count u32,
 *               count x (offset u64, name text)
 *     answer    id u32, count u32, module u8 (MODULE_...),
 *               count x (n u8, n x (function text, file text, line u32, inlined u8))
 *     text      size u32, then so many bytes
 *
 * Numbers are as the machine has them: both ends are one program on one machine. The worker may
 * have been taken over by an ELF file, so its answers are read as those of a stranger: the
 * readers are total, and allocate nothing by a size that they were told. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_WIRE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_WIRE_H

#include "common/base/buf.h"
#include "scheduler/analysis/analysis.h"

enum {
    BATCH_MAX = 128,                  /* addresses of one request */
    LOCATIONS_MAX = 64,               /* functions inlined into each other at one address */
    SYMBOL_FRAME_SIZE_MAX = 16 << 20, /* bytes of one frame */
    MODULE_HAS_LINES = 1,             /* debug information was found for it */
    MODULE_IS_STORED = 2,             /* in the store */
};

struct wire_reader {
    const char *at, *end;
    bool failed; /* stays; what was read since is zero */
};

uint8_t wire_read_u8(struct wire_reader *reader);
uint32_t wire_read_u32(struct wire_reader *reader);
uint64_t wire_read_u64(struct wire_reader *reader);
struct text wire_read_text(struct wire_reader *reader); /* a loan of what is read */

void wire_write_u8(struct buf *to, uint8_t value);
void wire_write_u32(struct buf *to, uint32_t value);
void wire_write_u64(struct buf *to, uint64_t value);
void wire_write_text(struct buf *to, struct text text); /* cut at STRING_SIZE_MAX */

/* Writes one address' locations, or reads them: *ret has room for LOCATIONS_MAX. The count, or
 * -EBADMSG. Their texts are loans of what is read. */
void wire_write_locations(struct buf *to, const struct source_location *locations, uint8_t count);
int wire_read_locations(struct wire_reader *reader, struct source_location *ret);

#endif
