/* SPDX-License-Identifier: Apache-2.0 */
/* function_code.h: what a function's instructions say of its frame.
 *
 *     prologue_read(code, &prologue);              the PROLOGUE_SIZE bytes that it begins with
 *     moves = stack_moves_count(code, size);       all of it, or a part
 *     if (prologue.is_certain && moves == prologue.reservations)
 *         ... at each of its calls, rbp - rsp is prologue.size ...
 *
 * Of functions that address their frame by rbp. No disassembler: what is not understood makes the
 * answer uncertain. Arguments that are pushed for a call are not counted. Threads: any. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_FUNCTION_CODE_H
#define STAKEOUT_PROBE_AGENT_UNWIND_FUNCTION_CODE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROLOGUE_SIZE = 128, /* bytes of it that are read */
    STACK_MOVE_SIZE = 7, /* bytes of the longest instruction that is looked for */
};

/* The pushes and the subtraction behind "push %rbp" and "mov %rsp,%rbp". */
struct prologue {
    uint64_t size;         /* of what they put between the frame pointer and the stack pointer */
    uint32_t reservations; /* subtractions: 0 or 1 */
    bool is_certain;       /* all was understood, to its end */
};
void prologue_read(const unsigned char *code, struct prologue *ret);

/* At how many places may the stack pointer be moved, but by pushes, pops, and back to where the
 * frame pointer says? Whatever looks like such an instruction is counted, so that the count may be
 * too large; what begins in the last STACK_MOVE_SIZE - 1 bytes is not. */
uint32_t stack_moves_count(const unsigned char *code, uint32_t size);

/* How many bytes an operand takes: the byte that describes it (ModRM), and what that asks for. */
uint32_t operand_size(const unsigned char *at);

#endif
