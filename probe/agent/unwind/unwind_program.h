/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_program.h: runs the programs of unwind entries, and says what rows they amount to.
 *
 *     uint64_t steps = ...;                        how much work all programs may be
 *     rc = unwind_program_init(&cie, &initial, &steps);
 *     rc = unwind_program_run(&run, &steps);       calls run.emit(context, pc, rule) for each row
 *
 * A program (DWARF's "call frame instructions") goes through a function's code, and changes the
 * rule as it goes. Only what a row can say is kept (unwind_row.h): CFA, frame pointer, return
 * address. The few expressions that compilers and libraries write are recognized by their bytes;
 * all others, and whatever is not understood, become ROW_OTHER, never a wrong row.
 *
 * Threads: any. Limits: PROGRAM_DEPTH_MAX states remembered; the steps. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_PROGRAM_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_PROGRAM_H

#include "probe/agent/unwind/unwind_entries.h"

enum { PROGRAM_DEPTH_MAX = 8 }; /* compilers remember one */

enum register_rule_kind {
    REGISTER_SAME,
    REGISTER_AT_CFA, /* at CFA + offset */
    REGISTER_UNDEFINED,
    REGISTER_EXPRESSION, /* at the address that it yields */
    REGISTER_OTHERWISE,
};

struct register_rule {
    enum register_rule_kind kind;
    int64_t offset;
    struct unwind_reader expression;
};

enum cfa_rule_kind { CFA_UNKNOWN, CFA_REGISTER, CFA_EXPRESSION };

struct cfa_rule {
    enum cfa_rule_kind kind;
    uint64_t number; /* of the register */
    int64_t offset;
    struct unwind_reader expression;
};

/* What holds at one place of the code. */
struct unwind_state {
    struct cfa_rule cfa;
    struct register_rule rbp, rsp, rip;
};

struct unwind_run {
    const struct unwind_cie *cie;
    const struct unwind_fde *fde;
    const struct unwind_state *initial; /* after the CIE's program */
    uint64_t end;                       /* rows from here on are not wanted */
    void *context;
    /* From `pc` on, up to the next call's. False: no more. */
    bool (*emit)(void *context, uint64_t pc, uint32_t rule);
};

/* Runs a CIE's program. 0; -EINVAL: it is broken or not understood; -E2BIG: no steps are left. */
int unwind_program_init(const struct unwind_cie *cie, struct unwind_state *ret, uint64_t *steps);

/* Runs an FDE's. 0, also of a broken one: the rest of its code is ROW_OTHER then; -E2BIG; -ENOBUFS:
 * `emit` returned false. */
int unwind_program_run(const struct unwind_run *run, uint64_t *steps);

#endif
