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
 * - and the walk with it reaches the outermost frame, and passes the one that called begin.
 *
 * The frame that called begin may have returned, where a wrapper called begin, or a constructor
 * that was not inlined; or it lies beyond the copy. Then no frame can witness for the pair, and the
 * function's whole code must: nothing in it but its prologue moves the stack pointer, so that the
 * pair can be at no other place.
 *
 * Frames that grew since their prologue (alloca, arguments that were pushed) are left alone. To
 * search the stack above for the pair was tried: calls that returned before leave pairs there that
 * look the same and lead on to the true frames above; of those in frames of alloca 3 in 100 were
 * false, 43 in 100 among functions that call each other. A wrong stack is worse than a signal. */
#include "probe/agent/unwind/frame_pointer.h"

#include "probe/agent/unwind/function_code.h"
#include "probe/agent/unwind/self_memory.h"

#include <string.h>

enum {
    CALL_SIZE_MAX = 7,     /* bytes of a call through a pointer, without its prefix */
    CALL_DIRECT_SIZE = 5,  /* e8, and a distance */
    CALL_SLOT_SIZE = 6,    /* ff 15, and a distance to where the address lies */
    STUB_SIZE = 16,        /* of the PLT */
    PAIR_SIZE = 16,        /* the caller's frame pointer, and the return address */
    CODE_SIZE_MAX = 65536, /* a function larger than that is not read */
    CODE_READ_SIZE = 1024,
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

/* Where a walk ended for want of the frame pointer. */
struct gap {
    uint64_t function; /* of its last frame */
    uint64_t pc;       /* in it */
    uint32_t count;    /* of frames */
    bool reached_begin;
    struct prologue prologue;
};

/* Is rbp - rsp the same at all of the function's calls, and what the prologue says? */
static bool frame_is_fixed(struct unwinder *unwinder, const struct gap *gap)
{
    uint64_t end = unwinder_function_end(unwinder, gap->pc);
    uint32_t moves = 0;

    if (!gap->prologue.is_certain || end <= gap->pc || end - gap->function > CODE_SIZE_MAX)
        return false;
    for (uint64_t at = gap->function; at < end; at += CODE_READ_SIZE) {
        unsigned char code[CODE_READ_SIZE + STACK_MOVE_SIZE - 1] = { 0 };
        uint64_t size = end - at < sizeof code ? end - at : sizeof code;

        if (!unwinder_read(unwinder, at, code, size)) return false;
        moves += stack_moves_count(code, sizeof code); /* zeros are none */
    }
    return moves == gap->prologue.reservations;
}

/* Did the walk go on, to where the copy of a deep stack ends? */
static bool is_at_copys_end(const struct stack_view *view, const struct gap *gap,
                            const struct walk *walk)
{
    return walk->ran_out && view->size == STACK_COPY_SIZE_MAX && walk->count > gap->count;
}

/* Walks with a candidate. It must explain all that was copied; where a frame testifies by itself
 * that the candidate is right, being the one that called begin, that is enough. */
static bool candidate_walks(struct unwinder *unwinder, struct stack_view *view,
                            const struct gap *gap, uint64_t candidate, struct walk *walk)
{
    view->registers[REGISTER_RBP] = candidate;
    view->known |= REGISTER_BIT(REGISTER_RBP);
    unwinder_walk(unwinder, view, walk);
    if (walk->reached_begin) return walk->is_complete || !gap->reached_begin;
    return (walk->is_complete || is_at_copys_end(view, gap, walk)) && frame_is_fixed(unwinder, gap);
}

bool frame_pointer_find(struct unwinder *unwinder, struct stack_view *view, struct walk *walk)
{
    struct gap gap = { .function = walk->frames[walk->count - 1].function,
                       .pc = walk->frames[walk->count - 1].pc,
                       .count = walk->count,
                       .reached_begin = walk->reached_begin };
    unsigned char code[PROLOGUE_SIZE];
    uint64_t at, return_address;

    if (gap.function == 0) return false;
    if (!unwinder_read(unwinder, gap.function, code, sizeof code)) return false;
    prologue_read(code, &gap.prologue);
    at = walk->end_sp + gap.prologue.size;
    if (at < view->base || at - view->base + PAIR_SIZE > view->size) return false;
    memcpy(&return_address, view->bytes + (at - view->base) + PAIR_SIZE / 2, sizeof return_address);
    if (!call_leads_to(unwinder, return_address, gap.function)) return false;
    if (candidate_walks(unwinder, view, &gap, at, walk)) return true;
    view->known &= ~REGISTER_BIT(REGISTER_RBP);
    unwinder_walk(unwinder, view, walk);
    return false;
}
