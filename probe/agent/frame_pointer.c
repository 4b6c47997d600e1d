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
#include "probe/agent/frame_pointer.h"

#include "probe/agent/self_memory.h"

#include <string.h>

enum {
    CALL_SIZE_MAX = 7,    /* bytes of a call through a pointer, without its prefix */
    CALL_DIRECT_SIZE = 5, /* e8, and a distance */
    CALL_SLOT_SIZE = 6,   /* ff 15, and a distance to where the address lies */
    STUB_SIZE = 16,       /* of the PLT */
    PAIR_SIZE = 16,       /* the caller's frame pointer, and the return address */
    PROLOGUE_SIZE = 64,   /* bytes of it that are read */
    INSTRUCTION_SIZE_MAX = 8,
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
static bool is_pointer_call(const unsigned char *code, uint32_t size)
{
    unsigned mode = code[1] >> 6, base = code[1] & 7;
    uint32_t length = 2;

    if (code[0] != 0xff || (code[1] >> 3 & 7) != 2) return false;
    if (mode != 3 && base == 4) length++; /* a second byte of addressing */
    if (mode == 1) length += 1;
    if (mode == 2 || (mode == 0 && base == 5)) length += 4;
    if (mode == 0 && base == 4 && size > 2 && (code[2] & 7) == 5) length += 4;
    return length == size;
}

/* May the call that returns to `pc` have called the function? */
static bool call_leads_to(struct unwinder *unwinder, uint64_t pc, uint64_t function)
{
    unsigned char code[CALL_SIZE_MAX];
    const unsigned char *end = code + sizeof code;

    if (!unwinder_read(unwinder, pc - sizeof code, code, sizeof code)) return false;
    if (end[-CALL_DIRECT_SIZE] == 0xe8) {
        uint64_t target = behind(pc, end - 4);

        if (target == function || stub_target(unwinder, target) == function) return true;
    }
    if (end[-CALL_SLOT_SIZE] == 0xff && end[1 - CALL_SLOT_SIZE] == 0x15)
        return slot_read(behind(pc, end - 4)) == function;
    for (uint32_t size = 2; size <= CALL_SIZE_MAX; size++) {
        if (is_pointer_call(end - size, size)) return true;
    }
    return false;
}

/* The bytes between the frame pointer and the stack pointer that a prologue reserves: the pushes
 * and the subtraction behind "push %rbp; mov %rsp,%rbp". Moves between registers may lie between;
 * at anything else the reading ends: what it missed shows in that no pair is at that place. */
static uint64_t prologue_size(const unsigned char *code)
{
    static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    static const unsigned char frame[] = { 0x55, 0x48, 0x89, 0xe5 };
    const unsigned char *at = code, *end = code + PROLOGUE_SIZE - INSTRUCTION_SIZE_MAX;
    uint64_t size = 0;

    if (memcmp(at, landing, sizeof landing) == 0) at += sizeof landing;
    if (memcmp(at, frame, sizeof frame) != 0) return 0;
    for (at += sizeof frame; at < end;) {
        const unsigned char *plain = at + ((at[0] & 0xf0) == 0x40); /* behind its REX prefix */

        if ((plain[0] & 0xf8) == 0x50) { /* push */
            size += 8;
            at = plain + 1;
        } else if (plain[0] == 0x83 && plain[1] == 0xec) { /* sub $byte, %rsp */
            return size + plain[2];
        } else if (plain[0] == 0x81 && plain[1] == 0xec) { /* sub $word, %rsp */
            return size + behind(0, plain + 2);
        } else if ((plain[0] == 0x89 || plain[0] == 0x31) && plain[1] >= 0xc0) {
            at = plain + 2; /* between registers */
        } else {
            break;
        }
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
