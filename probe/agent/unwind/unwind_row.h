/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_row.h: how to find a caller's frame, in eight bytes.
 *
 *     pc    where the rule begins to hold, relative to the table's base; until the next row's pc
 *     rule   31      29    28     27          18 17                           0
 *           +----------+--------+--------------+------------------------------+
 *           |   kind   | begins |  rbp         |  CFA                         |
 *           +----------+--------+--------------+------------------------------+
 *
 * `begins`: an unwind entry begins here, which is a function, or its cold part. The CFA is the
 * stack pointer that the caller had before the call; the return address lies right below it. `rbp`
 * says where the caller's frame pointer is, `CFA` how the CFA is found; both depend on the kind.
 *
 * Other registers are not in the rows: no frame is found by them but the few whose rule is
 * ROW_OTHER, and there libunwind is asked.
 *
 * Threads: any. Limits: distances in units of 8 bytes, as below; what exceeds them is OTHER. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_ROW_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_ROW_H

#include <stdbool.h>
#include <stdint.h>

enum row_kind {
    ROW_NONE,      /* no entry holds what is here */
    ROW_OUTERMOST, /* the return address is undefined: nobody called */
    ROW_RSP,       /* CFA = rsp + 8 * field */
    ROW_RBP,       /* CFA = rbp + 8 * field */
    ROW_DEREF,     /* CFA = *(rsp or rbp + 8 * offset) + 8 * addend: stacks that were realigned */
    ROW_PLT,       /* CFA = rsp + 8, and 8 more from byte `field` of a stub's 16 on */
    ROW_SIGNAL,    /* the kernel's frame of a signal, as its trampoline in the C library says */
    ROW_OTHER,     /* none of these */
};

enum {
    ROW_CFA_BITS = 18,
    ROW_CFA_MAX = (1 << ROW_CFA_BITS) - 1, /* 2 MB less 8 bytes */
    ROW_RBP_BITS = 10,

    /* rbp: the caller's frame pointer */
    ROW_RBP_SAME = 0,
    ROW_RBP_MAX = 1021,    /* 1 to this: at CFA - 8 * field */
    ROW_RBP_LOST = 1022,   /* it cannot be known */
    ROW_RBP_AT_RBP = 1023, /* where rbp points */

    /* ROW_DEREF's CFA: 1 bit for the register, 4 for the addend, 13 for the signed offset */
    ROW_DEREF_BY_RBP = 1 << 17,
    ROW_DEREF_ADDEND_MAX = 15,
    ROW_DEREF_ADDEND_SHIFT = 13,
    ROW_DEREF_OFFSET_MAX = (1 << 12) - 1,
    ROW_DEREF_OFFSET_MIN = -(1 << 12),

    /* ROW_SIGNAL: where the kernel's frame has them, from the stack pointer on */
    SIGNAL_RBP_AT = 120,
    SIGNAL_RSP_AT = 160,
    SIGNAL_RIP_AT = 168,
};

struct unwind_row {
    uint32_t pc;
    uint32_t rule;
};

#define ROW_BEGINS (UINT32_C(1) << 28)

static inline uint32_t row_rule(enum row_kind kind, uint32_t rbp, uint32_t cfa)
{
    return (uint32_t)kind << 29 | rbp << ROW_CFA_BITS | cfa;
}

static inline enum row_kind row_kind(uint32_t rule)
{
    return (enum row_kind)(rule >> 29);
}

static inline uint32_t row_rbp(uint32_t rule)
{
    return rule >> ROW_CFA_BITS & ((1u << ROW_RBP_BITS) - 1);
}

static inline uint32_t row_cfa(uint32_t rule)
{
    return rule & ROW_CFA_MAX;
}

/* The CFA field of ROW_DEREF. */
static inline uint32_t row_deref(bool by_rbp, int32_t offset, uint32_t addend)
{
    return (by_rbp ? (uint32_t)ROW_DEREF_BY_RBP : 0) | addend << ROW_DEREF_ADDEND_SHIFT |
           ((uint32_t)offset & ((1u << ROW_DEREF_ADDEND_SHIFT) - 1));
}

static inline int64_t row_deref_offset(uint32_t rule)
{
    int64_t offset = rule & ((1u << ROW_DEREF_ADDEND_SHIFT) - 1);

    return 8 * (offset > ROW_DEREF_OFFSET_MAX ? offset + 2 * ROW_DEREF_OFFSET_MIN : offset);
}

static inline uint64_t row_deref_addend(uint32_t rule)
{
    return 8 * (uint64_t)(rule >> ROW_DEREF_ADDEND_SHIFT & ROW_DEREF_ADDEND_MAX);
}

#endif
