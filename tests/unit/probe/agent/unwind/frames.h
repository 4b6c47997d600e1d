/* SPDX-License-Identifier: Apache-2.0 */
/* frames.h: writes .eh_frame sections, record by record, for tests of what reads them.
 *
 *     struct frames frames = { .address = 0x10000 };
 *     size_t cie = frames_cie(&frames, "zR", POINTER_PCREL | POINTER_SDATA4);
 *     frames_u8(&frames, 0x0c), ...                     its program
 *     frames_close(&frames);
 *     frames_fde(&frames, cie, begin, size);
 *     ... program ...
 *     frames_close(&frames); */
#ifndef STAKEOUT_TESTS_UNIT_PROBE_AGENT_UNWIND_FRAMES_H
#define STAKEOUT_TESTS_UNIT_PROBE_AGENT_UNWIND_FRAMES_H

#include "probe/agent/unwind/unwind_table.h"

enum { FRAMES_SIZE_MAX = 256 * 1024 };

struct frames {
    uint64_t address; /* of bytes[0] */
    size_t size;
    size_t open;      /* where the open record's size stands */
    uint8_t pointers; /* the encoding of the last CIE */
    bool has_sizes;   /* the last CIE has a 'z' */
    unsigned char bytes[FRAMES_SIZE_MAX];
};

void frames_u8(struct frames *frames, unsigned value);
void frames_u16(struct frames *frames, unsigned value);
void frames_u32(struct frames *frames, uint32_t value);
void frames_u64(struct frames *frames, uint64_t value);
void frames_uleb(struct frames *frames, uint64_t value);
void frames_sleb(struct frames *frames, int64_t value);
void frames_pointer(struct frames *frames, uint8_t encoding, uint64_t value);
void frames_bytes(struct frames *frames, const void *bytes, size_t size);

/* Opens a CIE, with units 1 and -8 and the return address in 16; returns its offset. Its
 * augmentation's data is what the letters ask for: P is absolute 0, L is omitted. */
size_t frames_cie(struct frames *frames, const char *letters, uint8_t pointers);

/* The program that compilers begin with: CFA = rsp + 8, the return address at CFA - 8; and
 * closes. */
void frames_cie_usual(struct frames *frames);

/* Opens an FDE of the last CIE, or of another one that is encoded as that. */
void frames_fde(struct frames *frames, size_t cie, uint64_t begin, uint64_t size);
void frames_close(struct frames *frames);

/* Puts the terminator, and builds a table of code in [low, high). */
int frames_build(struct frames *frames, uint64_t low, uint64_t high, struct unwind_table **ret);

#endif
