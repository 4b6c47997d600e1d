/* SPDX-License-Identifier: Apache-2.0 */
/* frame_pointer.c: a frame pointer is known by where it points, and by what is there.
 *
 * The walk ended at a function whose frame is found by rbp, with the stack pointer at the frame's
 * low end. Its frame pointer is the address of a pair: the caller's frame pointer, and the address
 * that the function returns to. The function's prologue says how far above the stack pointer the
 * pair lies. It is believed if
 *
 * - the return address follows a call: to this very function, directly, through the PLT or the GOT;
 *   or a call through a register or a pointer, which may lead anywhere;
 * - and the walk with it passes the frame that called begin, and reaches the outermost one.
 *
 * Frames that grew since their prologue (alloca, arguments that were pushed) are left alone. To
 * search the stack above for the pair was tried: calls that returned before leave pairs there that
 * look the same and lead on to the true frames above; of those in frames of alloca 3 in 100 were
 * false, 43 in 100 among functions that call each other. A wrong stack is worse than a signal. */
#include "probe/agent/unwind/frame_pointer.h"

#include "probe/agent/unwind/self_memory.h"

#include <string.h>

enum {
    CALL_SIZE_MAX = 7,    /* bytes of a call through a pointer, without its prefix */
    CALL_DIRECT_SIZE = 5, /* e8, and a distance */
    CALL_SLOT_SIZE = 6,   /* ff 15, and a distance to where the address lies */
    STUB_SIZE = 16,       /* of the PLT */
    PAIR_SIZE = 16,       /* the caller's frame pointer, and the return address */
    PROLOGUE_SIZE = 128,  /* bytes of it that are read */
    INSTRUCTION_SIZE_MAX = 16,
};

static uint64_t behind(uint64_t address, const unsigned char *distance)
{
    int32_t value;

    memcpy(&value, distance, sizeof value);
    return address + (uint64_t)(int64_t)value;
}

/* What the GOT's slot says at this moment; 0: it cannot be read. */
static uint64_t slot_read(uint64_t slot)
{
    uint64_t value = 0;

    return self_read(slot, &value, sizeof value) == sizeof value ? value : 0;
}

/* Where a stub of the PLT leads to: [endbr64] [bnd] jmp *slot(%rip). 0: it is no such stub. */
static uint64_t stub_target(struct unwinder *unwinder, uint64_t stub)
{
    static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    unsigned char code[STUB_SIZE];
    uint32_t at = 0;

    if (!unwinder_read(unwinder, stub, code, sizeof code)) return 0;
    if (memcmp(code, landing, sizeof landing) == 0) at += sizeof landing;
    if (code[at] == 0xf2) at++;
    if (code[at] != 0xff || code[at + 1] != 0x25) return 0;
    return slot_read(behind(stub + at + 6, code + at + 2));
}

/* How many bytes an operand takes: the byte that describes it (ModRM), and what that asks for. */
static uint32_t operand_size(const unsigned char *at)
{
    unsigned mode = at[0] >> 6, base = at[0] & 7;
    uint32_t size;

    if (mode == 3) return 1;
    if (mode == 0 && base == 4 && (at[1] & 7) == 5) return 6;
    size = base == 4 ? 2 : 1;
    if (mode == 1) return size + 1;
    return mode == 2 || base == 5 ? size + 4 : size;
}

/* Is what ends `code` a call through a register or memory (ff /2), of just that many bytes? */
static bool is_pointer_call(const unsigned char *end, uint32_t size)
{
    const unsigned char *at = end - size;

    if (at[0] != 0xff || (at[1] >> 3 & 7) != 2) return false;
    return 1 + operand_size(at + 1) == size;
}

/* May the call that returns to `pc` have called the function? */
static bool call_leads_to(struct unwinder *unwinder, uint64_t pc, uint64_t function)
{
    unsigned char code[CALL_SIZE_MAX + 1] = { 0 }; /* and one that operand_size() may look at */
    const unsigned char *end = code + CALL_SIZE_MAX;

    if (!unwinder_read(unwinder, pc - CALL_SIZE_MAX, code, CALL_SIZE_MAX)) return false;
    if (end[-CALL_DIRECT_SIZE] == 0xe8) {
        uint64_t target = behind(pc, end - 4);

        if (target == function || stub_target(unwinder, target) == function) return true;
    }
    if (end[-CALL_SLOT_SIZE] == 0xff && end[1 - CALL_SLOT_SIZE] == 0x15)
        return slot_read(behind(pc, end - 4)) == function;
    for (uint32_t size = 2; size <= CALL_SIZE_MAX; size++) {
        if (is_pointer_call(end, size)) return true;
    }
    return false;
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
    if (at[0] == 0x83 && at[1] == 0xec) {
        *ret = at[2];
    } else if (at[0] == 0x83 && at[1] == 0xc4 && at[2] >= 0x80) {
        *ret = 256u - at[2];
    } else if (at[0] == 0x81 && at[1] == 0xec) {
        *ret = behind(0, at + 2);
    } else {
        return false;
    }
    return true;
}

/* The bytes between the frame pointer and the stack pointer that a prologue reserves: the pushes
 * and the subtraction behind "push %rbp" and "mov %rsp,%rbp". Compilers mix in what else the
 * function begins with, before and between; at a call, a jump that is taken always, or something
 * unusual the reading ends. If it misses something, no pair is at that place. */
static uint64_t prologue_size(const unsigned char *code)
{
    static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa }, frame[] = { 0x89, 0xe5 };
    const unsigned char *at = code, *end = code + PROLOGUE_SIZE - INSTRUCTION_SIZE_MAX;
    uint64_t size = 0, reserved;
    bool has_frame = false;

    if (memcmp(at, landing, sizeof landing) == 0) at += sizeof landing;
    while (at < end) {
        uint32_t length;
        bool is_wide;

        while (at < end && is_prefix(*at)) {
            at++;
        }
        is_wide = (*at & 0xf8) == 0x48;
        if ((*at & 0xf0) == 0x40) at++;
        if (has_frame && is_wide && is_reservation(at, &reserved)) return size + reserved;
        if (has_frame && (at[0] & 0xf8) == 0x50) size += 8;
        if (is_wide && memcmp(at, frame, sizeof frame) == 0) has_frame = true;
        length = instruction_size(at, is_wide);
        if (length == 0) break;
        at += length;
    }
    return size;
}

/* Where a walk ended for want of the frame pointer. */
struct gap {
    uint64_t function; /* of its last frame */
    bool reached_begin;
};

/* Walks with a candidate. It must explain all; that the copy of a deep stack ends early is allowed
 * if at least the frame that called begin was passed by its help. */
static bool candidate_walks(struct unwinder *unwinder, struct stack_view *view,
                            const struct gap *gap, uint64_t candidate, struct walk *walk)
{
    view->registers[REGISTER_RBP] = candidate;
    view->known |= REGISTER_BIT(REGISTER_RBP);
    unwinder_walk(unwinder, view, walk);
    if (view->anchor_sp == 0) return walk->is_complete;
    return walk->reached_begin && (walk->is_complete || !gap->reached_begin);
}

bool frame_pointer_find(struct unwinder *unwinder, struct stack_view *view, struct walk *walk)
{
    struct gap gap = { walk->frames[walk->count - 1].function, walk->reached_begin };
    unsigned char prologue[PROLOGUE_SIZE];
    uint64_t at, return_address;

    if (gap.function == 0) return false;
    if (!unwinder_read(unwinder, gap.function, prologue, sizeof prologue)) return false;
    at = walk->end_sp + prologue_size(prologue);
    if (at < view->base || at - view->base + PAIR_SIZE > view->size) return false;
    memcpy(&return_address, view->bytes + (at - view->base) + PAIR_SIZE / 2, sizeof return_address);
    if (!call_leads_to(unwinder, return_address, gap.function)) return false;
    if (candidate_walks(unwinder, view, &gap, at, walk)) return true;
    view->known &= ~REGISTER_BIT(REGISTER_RBP);
    unwinder_walk(unwinder, view, walk);
    return false;
}
