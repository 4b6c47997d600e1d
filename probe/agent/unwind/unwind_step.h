/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_step.h: from one frame to its caller's, by a row.
 *
 *     struct frame_state frame = { pc, sp, rbp, has_rbp };
 *     result = unwind_step(view, rule, &frame);      frame is the caller's if it is STEP_DONE
 *
 * Nothing is read but the copy of the stack. Threads: any. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_STEP_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_STEP_H

#include <stdbool.h>
#include <stdint.h>

struct stack_view;

/* The registers by which frames are found. */
struct frame_state {
    uint64_t pc, sp, rbp;
    bool has_rbp;   /* rbp is known */
    bool is_struck; /* the thread was interrupted at pc; else it will return there */
};

enum step_result {
    STEP_DONE,
    STEP_OUTERMOST,
    STEP_NO_STACK,  /* what is needed is not in the copy */
    STEP_LACKS_RBP, /* the frame is found by rbp, which is not known */
    STEP_OTHER,     /* the rule is none that can be followed here */
};

/* On any other result than STEP_DONE the frame is as it was. */
enum step_result unwind_step(const struct stack_view *view, uint32_t rule,
                             struct frame_state *frame);

#endif
