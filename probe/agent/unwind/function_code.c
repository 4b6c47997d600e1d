/* SPDX-License-Identifier: Apache-2.0 */
/* function_code.c: x86-64 instructions, as far as prologues and stack pointers ask for them. */
#include "probe/agent/unwind/function_code.h"

#include <string.h>

enum { INSTRUCTION_SIZE_MAX = 16 };

uint32_t operand_size(const unsigned char *at)
{
    unsigned mode = at[0] >> 6, base = at[0] & 7;
    uint32_t size;

    if (mode == 3) return 1;
    if (mode == 0 && base == 4 && (at[1] & 7) == 5) return 6;
    size = base == 4 ? 2 : 1;
    if (mode == 1) return size + 1;
    return mode == 2 || base == 5 ? size + 4 : size;
}

/* clang-format off */
/* The size of an instruction with two bytes of code, 0f and another. */
static uint32_t long_instruction_size(const unsigned char *at)
{
    if ((at[1] & 0xf0) == 0x80) return 6; /* a conditional jump: what follows is read on */
    switch (at[1]) {
    case 0x05: case 0x0b: case 0x34: case 0x38: case 0x3a: /* calls, traps, three bytes of code */
        return 0;
    case 0x70: case 0x71: case 0x72: case 0x73: case 0xa4: case 0xac: case 0xba:
    case 0xc2: case 0xc4: case 0xc5: case 0xc6: /* with a byte */
        return 3 + operand_size(at + 2);
    default: /* vectors, moves that extend, multiplications */
        return 2 + operand_size(at + 2);
    }
}

/* The size of an instruction that may stand in a prologue, or among what compilers move there; 0:
 * of any other. `at` is behind its prefixes. */
static uint32_t instruction_size(const unsigned char *at, bool is_wide)
{
    switch (at[0]) {
    case 0x01: case 0x03: case 0x09: case 0x0b: case 0x21: case 0x23: case 0x29: case 0x2b:
    case 0x31: case 0x33: case 0x38: case 0x39: case 0x3a: case 0x3b: case 0x63: case 0x84:
    case 0x85: case 0x88: case 0x89: case 0x8a: case 0x8b: case 0x8d: case 0xd1: case 0xd3:
        return 1 + operand_size(at + 1); /* arithmetic, comparisons, moves, lea, shifts */
    case 0x6b: case 0x80: case 0x83: case 0xc0: case 0xc1: case 0xc6: /* with a byte */
        return 2 + operand_size(at + 1);
    case 0x69: case 0x81: case 0xc7: /* with a word */
        return 5 + operand_size(at + 1);
    case 0xf6: case 0xf7: /* test has a constant, its sisters have none */
        if ((at[1] & 0x38) != 0) return 1 + operand_size(at + 1);
        return (at[0] == 0xf6 ? 2 : 5) + operand_size(at + 1);
    case 0x05: case 0x0d: case 0x25: case 0x2d: case 0x35: case 0x3d: case 0xa9: /* of eax */
        return 5;
    case 0x3c: case 0xa8: /* of al */
        return 2;
    case 0x90: case 0x98: case 0x99: /* nop, and what extends eax */
        return 1;
    case 0x0f:
        return long_instruction_size(at);
    default:
        if ((at[0] & 0xf0) == 0x70) return 2;                  /* a conditional jump */
        if ((at[0] & 0xf8) == 0x50) return 1;                  /* push */
        return (at[0] & 0xf8) != 0xb8 ? 0 : is_wide ? 9 : 5; /* a constant into a register */
    }
}
/* clang-format on */

static bool is_prefix(unsigned char byte)
{
    return byte == 0x64 || byte == 0x66 || byte == 0xf2 || byte == 0xf3;
}

/* What an instruction behind its prefixes takes from the stack pointer at once: sub, or add of a
 * negative constant, which is a byte shorter for 128. False: it does not. */
static bool is_reservation(const unsigned char *at, uint64_t *ret)
{
    int32_t distance;

    if (at[0] == 0x83 && at[1] == 0xec) {
        *ret = at[2];
    } else if (at[0] == 0x83 && at[1] == 0xc4 && at[2] >= 0x80) {
        *ret = 256u - at[2];
    } else if (at[0] == 0x81 && at[1] == 0xec) {
        memcpy(&distance, at + 2, sizeof distance);
        *ret = (uint64_t)(int64_t)distance;
    } else {
        return false;
    }
    return true;
}

/* Does what a prologue may be followed by stand here? A call, a jump taken always, the end. */
static bool is_end(const unsigned char *at)
{
    return at[0] == 0xe8 || at[0] == 0xe9 || at[0] == 0xeb || at[0] == 0xff || at[0] == 0xc3 ||
           at[0] == 0xc9;
}

/* The reading goes on over what compilers mix in, before and between, and over conditional jumps.
 * If it misses something, no pair is at the place that it tells. */
void prologue_read(const unsigned char *code, struct prologue *ret)
{
    static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa }, frame[] = { 0x89, 0xe5 };
    const unsigned char *at = code, *end = code + PROLOGUE_SIZE - INSTRUCTION_SIZE_MAX;
    uint64_t reserved;
    bool has_frame = false;

    *ret = (struct prologue){ 0 };
    if (memcmp(at, landing, sizeof landing) == 0) at += sizeof landing;
    while (at < end) {
        uint32_t length;
        bool is_wide;

        while (at < end && is_prefix(*at)) {
            at++;
        }
        is_wide = (*at & 0xf8) == 0x48;
        if ((*at & 0xf0) == 0x40) at++;
        if (has_frame && is_wide && is_reservation(at, &reserved)) {
            ret->size += reserved;
            ret->reservations = 1;
            ret->is_certain = true;
            return;
        }
        if (has_frame && (at[0] & 0xf8) == 0x50) ret->size += 8;
        if (is_wide && memcmp(at, frame, sizeof frame) == 0) has_frame = true;
        length = instruction_size(at, is_wide);
        if (length == 0) break;
        at += length;
    }
    ret->is_certain = has_frame && at < end && is_end(at);
}

/* Does an instruction, of which the first byte says 64 bits wide, change the stack pointer but by
 * a push, a pop, a call, or by putting it back where the frame pointer knows it to be? */
static bool moves_stack_pointer(const unsigned char *at)
{
    bool to_stack = (at[2] & 0xc7) == 0xc4 && (at[0] & 1) == 0; /* ModRM's r/m, without REX.B */
    bool of_stack = (at[2] & 0x38) == 0x20 && (at[0] & 4) == 0; /* its reg, without REX.R */

    switch (at[1]) {
    case 0x29: /* sub, of a register */
        return to_stack;
    case 0x2b: /* the same, written the other way round, and of memory */
        return of_stack;
    case 0x83: /* of a small constant: sub, and, add of a negative one */
        return at[2] == 0xec || at[2] == 0xe4 || (at[2] == 0xc4 && at[3] >= 0x80);
    case 0x81: /* of a large one */
        return at[2] == 0xec || at[2] == 0xe4 || (at[2] == 0xc4 && at[6] >= 0x80);
    case 0x89: /* mov, of another register than rbp */
        return to_stack && at[2] != 0xec;
    case 0x8b: /* the same, the other way round, and from memory */
        return of_stack && at[2] != 0xe5;
    case 0x8d: /* lea, but from rbp */
        return of_stack && at[2] != 0x65 && at[2] != 0xa5;
    default:
        return false;
    }
}

uint32_t stack_moves_count(const unsigned char *code, uint32_t size)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i + STACK_MOVE_SIZE <= size; i++) {
        if (code[i] >= 0x48 && code[i] <= 0x4f) count += moves_stack_pointer(code + i);
    }
    return count;
}
