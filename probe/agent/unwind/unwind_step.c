/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/unwind/unwind_step.h"

#include "probe/agent/unwind/unwind_row.h"
#include "probe/agent/unwind/unwinder.h"

#include <string.h>

enum { STUB_SIZE = 16 }; /* of the PLT */

static bool stack_read(const struct stack_view *view, uint64_t address, uint64_t *ret)
{
    uint64_t into = address - view->base;

    if (into > view->size || view->size - into < sizeof *ret) return false;
    memcpy(ret, view->bytes + into, sizeof *ret);
    return true;
}

/* The signal's frame has all registers of the moment when it struck. */
static enum step_result step_signal(const struct stack_view *view, struct frame_state *frame)
{
    struct frame_state struck = { .has_rbp = true, .is_struck = true };

    if (!stack_read(view, frame->sp + SIGNAL_RBP_AT, &struck.rbp) ||
        !stack_read(view, frame->sp + SIGNAL_RSP_AT, &struck.sp) ||
        !stack_read(view, frame->sp + SIGNAL_RIP_AT, &struck.pc))
        return STEP_NO_STACK;
    *frame = struck;
    return STEP_DONE;
}

static enum step_result find_deref(const struct stack_view *view, uint32_t rule,
                                   const struct frame_state *frame, uint64_t *ret_cfa)
{
    uint64_t from = rule & ROW_DEREF_BY_RBP ? frame->rbp : frame->sp;

    if ((rule & ROW_DEREF_BY_RBP) && !frame->has_rbp) return STEP_LACKS_RBP;
    if (!stack_read(view, from + (uint64_t)row_deref_offset(rule), ret_cfa)) return STEP_NO_STACK;
    *ret_cfa += row_deref_addend(rule);
    return STEP_DONE;
}

static enum step_result find_cfa(const struct stack_view *view, uint32_t rule,
                                 const struct frame_state *frame, uint64_t *ret_cfa)
{
    switch (row_kind(rule)) {
    case ROW_RSP:
        *ret_cfa = frame->sp + 8 * (uint64_t)row_cfa(rule);
        return STEP_DONE;
    case ROW_RBP:
        *ret_cfa = frame->rbp + 8 * (uint64_t)row_cfa(rule);
        return frame->has_rbp ? STEP_DONE : STEP_LACKS_RBP;
    case ROW_PLT:
        *ret_cfa = frame->sp + (frame->pc % STUB_SIZE >= row_cfa(rule) ? 16 : 8);
        return STEP_DONE;
    case ROW_DEREF:
        return find_deref(view, rule, frame, ret_cfa);
    default:
        return STEP_OTHER;
    }
}

static enum step_result find_rbp(const struct stack_view *view, uint32_t rule, uint64_t cfa,
                                 struct frame_state *frame)
{
    uint32_t field = row_rbp(rule);
    uint64_t at = field == ROW_RBP_AT_RBP ? frame->rbp : cfa - 8 * (uint64_t)field;

    if (field == ROW_RBP_SAME) return STEP_DONE;
    if (field == ROW_RBP_LOST) {
        frame->has_rbp = false;
        return STEP_DONE;
    }
    if (field == ROW_RBP_AT_RBP && !frame->has_rbp) return STEP_LACKS_RBP;
    if (!stack_read(view, at, &frame->rbp)) return STEP_NO_STACK;
    frame->has_rbp = true;
    return STEP_DONE;
}

enum step_result unwind_step(const struct stack_view *view, uint32_t rule,
                             struct frame_state *frame)
{
    struct frame_state caller = *frame;
    enum step_result result;

    if (row_kind(rule) == ROW_OUTERMOST) return STEP_OUTERMOST;
    if (row_kind(rule) == ROW_SIGNAL) return step_signal(view, frame);
    result = find_cfa(view, rule, frame, &caller.sp);
    if (result == STEP_DONE) result = find_rbp(view, rule, caller.sp, &caller);
    if (result != STEP_DONE) return result;
    if (!stack_read(view, caller.sp - 8, &caller.pc)) return STEP_NO_STACK;
    caller.is_struck = false;
    *frame = caller;
    return STEP_DONE;
}
