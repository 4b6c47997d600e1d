/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_program.c: an interpreter with three registers, and a judge of expressions.
 *
 * The rules of all other registers are read and dropped. They matter only where a frame is found by
 * one of them, and such a frame is ROW_OTHER already by its CFA; libunwind then follows all of them
 * from the innermost frame on (unwinder.c). */
#include "probe/agent/unwind/unwind_program.h"

#include "probe/agent/unwind/unwind_row.h"
#include "probe/hot/stack_copy.h"

#include <errno.h>

enum instruction {
    /* In the two high bits, with an operand in the others: */
    ADVANCE = 0x40,
    OFFSET = 0x80,
    RESTORE = 0xc0,
    HIGH = 0xc0,
    LOW = 0x3f,
    /* In the whole byte: */
    NOP = 0x00,
    SET_PC = 0x01,
    ADVANCE_1 = 0x02,
    ADVANCE_2 = 0x03,
    ADVANCE_4 = 0x04,
    OFFSET_LONG = 0x05,
    RESTORE_LONG = 0x06,
    UNDEFINED = 0x07,
    SAME_VALUE = 0x08,
    IN_REGISTER = 0x09,
    REMEMBER = 0x0a,
    RECALL = 0x0b,
    CFA_IS = 0x0c,
    CFA_BY_REGISTER = 0x0d,
    CFA_BY_OFFSET = 0x0e,
    CFA_BY_EXPRESSION = 0x0f,
    AT_EXPRESSION = 0x10,
    OFFSET_SIGNED = 0x11,
    CFA_IS_SIGNED = 0x12,
    CFA_BY_OFFSET_SIGNED = 0x13,
    VALUE_OFFSET = 0x14,
    VALUE_OFFSET_SIGNED = 0x15,
    VALUE_EXPRESSION = 0x16,
    ARGUMENTS_SIZE = 0x2e,
    OFFSET_NEGATIVE = 0x2f,
};

/* Operations of expressions. */
enum {
    OP_DEREF = 0x06,
    OP_AND = 0x1a,
    OP_PLUS = 0x22,
    OP_PLUS_CONSTANT = 0x23,
    OP_SHIFT_LEFT = 0x24,
    OP_GREATER_EQUAL = 0x2a,
    OP_LITERAL_0 = 0x30,
    OP_LITERAL_31 = 0x4f,
    OP_REGISTER_0 = 0x70, /* its content, plus an offset */
};

struct machine {
    struct unwind_reader reader;
    const struct unwind_cie *cie;
    const struct unwind_state *initial; /* NULL while the CIE's own program runs */
    struct unwind_state state, remembered[PROGRAM_DEPTH_MAX];
    uint32_t depth;
    uint64_t pc;
    bool is_lost; /* an instruction was not understood */
};

/* ---- expressions ---- */

/* Is the next operation "register plus offset"? */
static bool read_based(struct unwind_reader *reader, uint64_t number, int64_t *ret_offset)
{
    if (unwind_read_unsigned(reader, 1) != OP_REGISTER_0 + number) return false;
    *ret_offset = unwind_read_sleb(reader);
    return !reader->is_broken;
}

static bool is_over(const struct unwind_reader *reader)
{
    return !reader->is_broken && reader->at == reader->end;
}

/* Is the expression no more than the address register + offset? */
static bool is_based(struct unwind_reader expression, uint64_t number, int64_t offset)
{
    int64_t found = 0;

    return read_based(&expression, number, &found) && found == offset && is_over(&expression);
}

static bool is_register_at(const struct register_rule *rule, uint64_t number, int64_t offset)
{
    return rule->kind == REGISTER_EXPRESSION && is_based(rule->expression, number, offset);
}

/* *(register + offset) + addend. Returns the CFA's field, or -1. */
static int64_t deref_field(struct unwind_reader expression)
{
    uint64_t operation = unwind_read_unsigned(&expression, 1), addend = 0;
    int64_t offset = unwind_read_sleb(&expression);

    if (operation != OP_REGISTER_0 + REGISTER_RSP && operation != OP_REGISTER_0 + REGISTER_RBP)
        return -1;
    if (unwind_read_unsigned(&expression, 1) != OP_DEREF) return -1;
    if (!is_over(&expression)) {
        if (unwind_read_unsigned(&expression, 1) != OP_PLUS_CONSTANT) return -1;
        addend = unwind_read_uleb(&expression);
    }
    if (!is_over(&expression) || offset % 8 != 0 || addend % 8 != 0) return -1;
    if (offset / 8 < ROW_DEREF_OFFSET_MIN || offset / 8 > ROW_DEREF_OFFSET_MAX) return -1;
    if (addend / 8 > ROW_DEREF_ADDEND_MAX) return -1;
    return row_deref(operation == OP_REGISTER_0 + REGISTER_RBP, (int32_t)(offset / 8),
                     (uint32_t)(addend / 8));
}

/* rsp + 8 + ((rip & 15) >= n) * 8, as linkers write for the PLT: a stub pushes a number and jumps.
 * Returns n, or -1. */
static int64_t plt_field(struct unwind_reader expression)
{
    static const uint8_t rest[] = { OP_GREATER_EQUAL, OP_LITERAL_0 + 3, OP_SHIFT_LEFT, OP_PLUS };
    int64_t offset = 0;
    uint64_t literal;

    if (!read_based(&expression, REGISTER_RSP, &offset) || offset != 8) return -1;
    if (!read_based(&expression, REGISTER_RIP, &offset) || offset != 0) return -1;
    if (unwind_read_unsigned(&expression, 1) != OP_LITERAL_0 + 15) return -1;
    if (unwind_read_unsigned(&expression, 1) != OP_AND) return -1;
    literal = unwind_read_unsigned(&expression, 1);
    if (literal < OP_LITERAL_0 || literal > OP_LITERAL_31) return -1;
    for (uint32_t i = 0; i < sizeof rest; i++) {
        if (unwind_read_unsigned(&expression, 1) != rest[i]) return -1;
    }
    return is_over(&expression) ? (int64_t)(literal - OP_LITERAL_0) : -1;
}

/* ---- from a state to a row ---- */

/* The frame pointer's field, or -1. */
static int64_t rbp_field(const struct register_rule *rule)
{
    switch (rule->kind) {
    case REGISTER_SAME:
        return ROW_RBP_SAME;
    case REGISTER_UNDEFINED:
        return ROW_RBP_LOST;
    case REGISTER_AT_CFA:
        if (rule->offset >= 0 || rule->offset % 8 != 0 || rule->offset / -8 > ROW_RBP_MAX)
            return -1;
        return rule->offset / -8;
    case REGISTER_EXPRESSION:
        return is_register_at(rule, REGISTER_RBP, 0) ? ROW_RBP_AT_RBP : -1;
    default:
        return -1;
    }
}

/* The CFA's field, or -1; *ret_kind is changed only where it is found. */
static int64_t cfa_field(const struct cfa_rule *cfa, enum row_kind *ret_kind)
{
    int64_t field = -1;

    if (cfa->kind == CFA_EXPRESSION) {
        field = deref_field(cfa->expression);
        *ret_kind = ROW_DEREF;
        if (field >= 0) return field;
        *ret_kind = ROW_PLT;
        return plt_field(cfa->expression);
    }
    if (cfa->kind != CFA_REGISTER || cfa->offset < 0 || cfa->offset % 8 != 0) return -1;
    if (cfa->offset / 8 > ROW_CFA_MAX) return -1;
    if (cfa->number != REGISTER_RSP && cfa->number != REGISTER_RBP) return -1;
    *ret_kind = cfa->number == REGISTER_RSP ? ROW_RSP : ROW_RBP;
    return cfa->offset / 8;
}

/* What the C library writes for its trampoline, to the byte. */
static bool is_signal_state(const struct unwind_state *state)
{
    return state->cfa.kind == CFA_EXPRESSION &&
           deref_field(state->cfa.expression) == row_deref(false, SIGNAL_RSP_AT / 8, 0) &&
           is_register_at(&state->rbp, REGISTER_RSP, SIGNAL_RBP_AT) &&
           is_register_at(&state->rsp, REGISTER_RSP, SIGNAL_RSP_AT) &&
           is_register_at(&state->rip, REGISTER_RSP, SIGNAL_RIP_AT);
}

static uint32_t rule_of(const struct unwind_state *state, bool is_signal)
{
    enum row_kind kind = ROW_OTHER;
    int64_t rbp, cfa;

    if (state->rip.kind == REGISTER_UNDEFINED) return row_rule(ROW_OUTERMOST, 0, 0);
    if (is_signal) return row_rule(is_signal_state(state) ? ROW_SIGNAL : ROW_OTHER, 0, 0);
    rbp = rbp_field(&state->rbp);
    cfa = cfa_field(&state->cfa, &kind);
    if (rbp < 0 || cfa < 0 || state->rip.kind != REGISTER_AT_CFA || state->rip.offset != -8 ||
        state->rsp.kind != REGISTER_SAME)
        return row_rule(ROW_OTHER, 0, 0);
    return row_rule(kind, (uint32_t)rbp, (uint32_t)cfa);
}

/* ---- instructions ---- */

static struct register_rule *rule_at(struct unwind_state *state, uint64_t number)
{
    switch (number) {
    case REGISTER_RBP:
        return &state->rbp;
    case REGISTER_RSP:
        return &state->rsp;
    case REGISTER_RIP:
        return &state->rip;
    default:
        return NULL;
    }
}

static void rule_set(struct machine *machine, uint64_t number, struct register_rule rule)
{
    struct register_rule *at = rule_at(&machine->state, number);

    if (at) *at = rule;
}

static void rule_set_kind(struct machine *machine, enum register_rule_kind kind)
{
    uint64_t number = unwind_read_uleb(&machine->reader);

    rule_set(machine, number, (struct register_rule){ .kind = kind });
}

static void rule_set_offset(struct machine *machine, uint64_t number, uint64_t count)
{
    uint64_t offset = count * (uint64_t)machine->cie->data_unit;

    rule_set(machine, number,
             (struct register_rule){ .kind = REGISTER_AT_CFA, .offset = (int64_t)offset });
}

/* Back to what the CIE said. */
static void rule_restore(struct machine *machine, uint64_t number)
{
    struct unwind_state initial;

    if (!machine->initial) {
        machine->is_lost = true;
        return;
    }
    initial = *machine->initial;
    if (rule_at(&initial, number)) rule_set(machine, number, *rule_at(&initial, number));
}

static struct unwind_reader read_block(struct unwind_reader *reader)
{
    uint64_t size = unwind_read_uleb(reader);

    return unwind_read_part(reader, size);
}

static void cfa_set(struct machine *machine, uint64_t number, uint64_t offset)
{
    machine->state.cfa =
        (struct cfa_rule){ .kind = CFA_REGISTER, .number = number, .offset = (int64_t)offset };
}

/* Changes one part of "register + offset". */
static struct cfa_rule *cfa_part(struct machine *machine)
{
    if (machine->state.cfa.kind != CFA_REGISTER) machine->is_lost = true;
    return &machine->state.cfa;
}

/* Instructions about the CFA. False: it is of another kind. */
static bool run_cfa(struct machine *machine, uint8_t instruction)
{
    struct unwind_reader *reader = &machine->reader;
    uint64_t unit = (uint64_t)machine->cie->data_unit, number;

    switch (instruction) {
    case CFA_IS:
        number = unwind_read_uleb(reader);
        cfa_set(machine, number, unwind_read_uleb(reader));
        return true;
    case CFA_IS_SIGNED:
        number = unwind_read_uleb(reader);
        cfa_set(machine, number, (uint64_t)unwind_read_sleb(reader) * unit);
        return true;
    case CFA_BY_REGISTER:
        cfa_part(machine)->number = unwind_read_uleb(reader);
        return true;
    case CFA_BY_OFFSET:
        cfa_part(machine)->offset = (int64_t)unwind_read_uleb(reader);
        return true;
    case CFA_BY_OFFSET_SIGNED:
        cfa_part(machine)->offset = (int64_t)((uint64_t)unwind_read_sleb(reader) * unit);
        return true;
    case CFA_BY_EXPRESSION:
        machine->state.cfa =
            (struct cfa_rule){ .kind = CFA_EXPRESSION, .expression = read_block(reader) };
        return true;
    default:
        return false;
    }
}

/* Instructions about where a register is. False: it is of another kind. */
static bool run_register(struct machine *machine, uint8_t instruction)
{
    struct unwind_reader *reader = &machine->reader;
    uint64_t number;

    switch (instruction) {
    case OFFSET_LONG:
        number = unwind_read_uleb(reader);
        rule_set_offset(machine, number, unwind_read_uleb(reader));
        return true;
    case OFFSET_SIGNED:
        number = unwind_read_uleb(reader);
        rule_set_offset(machine, number, (uint64_t)unwind_read_sleb(reader));
        return true;
    case OFFSET_NEGATIVE:
        number = unwind_read_uleb(reader);
        rule_set_offset(machine, number, 0 - unwind_read_uleb(reader));
        return true;
    case RESTORE_LONG:
        rule_restore(machine, unwind_read_uleb(reader));
        return true;
    case UNDEFINED:
        rule_set_kind(machine, REGISTER_UNDEFINED);
        return true;
    case SAME_VALUE:
        rule_set_kind(machine, REGISTER_SAME);
        return true;
    case IN_REGISTER:
    case VALUE_OFFSET:
    case VALUE_OFFSET_SIGNED: /* two numbers; both forms of LEB128 are as long */
        rule_set_kind(machine, REGISTER_OTHERWISE);
        unwind_read_uleb(reader);
        return true;
    case AT_EXPRESSION:
        number = unwind_read_uleb(reader);
        rule_set(machine, number,
                 (struct register_rule){ .kind = REGISTER_EXPRESSION,
                                         .expression = read_block(reader) });
        return true;
    case VALUE_EXPRESSION:
        rule_set_kind(machine, REGISTER_OTHERWISE);
        read_block(reader);
        return true;
    default:
        return false;
    }
}

static void remember(struct machine *machine)
{
    if (machine->depth == PROGRAM_DEPTH_MAX) {
        machine->is_lost = true;
    } else {
        machine->remembered[machine->depth++] = machine->state;
    }
}

static void recall(struct machine *machine)
{
    if (machine->depth == 0) {
        machine->is_lost = true;
    } else {
        machine->state = machine->remembered[--machine->depth];
    }
}

static void run_other(struct machine *machine, uint8_t instruction)
{
    switch (instruction) {
    case NOP:
        break;
    case REMEMBER:
        remember(machine);
        break;
    case RECALL:
        recall(machine);
        break;
    case ARGUMENTS_SIZE:
        unwind_read_uleb(&machine->reader);
        break;
    default:
        if (!run_cfa(machine, instruction) && !run_register(machine, instruction))
            machine->is_lost = true;
        break;
    }
}

/* If the instruction moves on in the code, passes it and returns true, with the place. */
static bool run_advance(struct machine *machine, uint8_t instruction, uint64_t *ret_pc)
{
    struct unwind_reader *reader = &machine->reader;
    uint64_t unit = machine->cie->code_unit;

    if ((instruction & HIGH) == ADVANCE) {
        *ret_pc = machine->pc + (instruction & LOW) * unit;
        return true;
    }
    switch (instruction) {
    case SET_PC:
        *ret_pc = unwind_read_pointer(reader, machine->cie->pointers);
        return true;
    case ADVANCE_1:
    case ADVANCE_2:
    case ADVANCE_4:
        *ret_pc = machine->pc +
                  unwind_read_unsigned(reader, (size_t)1 << (instruction - ADVANCE_1)) * unit;
        return true;
    default:
        return false;
    }
}

static void run_change(struct machine *machine, uint8_t instruction)
{
    switch (instruction & HIGH) {
    case OFFSET:
        rule_set_offset(machine, instruction & LOW, unwind_read_uleb(&machine->reader));
        break;
    case RESTORE:
        rule_restore(machine, instruction & LOW);
        break;
    default:
        run_other(machine, instruction);
        break;
    }
}

/* Runs until the code moves on (1, with *ret_pc), or the program ends (0); or -E2BIG. */
static int run_until_advance(struct machine *machine, uint64_t *ret_pc, uint64_t *steps)
{
    struct unwind_reader *reader = &machine->reader;

    while (reader->at < reader->end && !machine->is_lost) {
        uint8_t instruction = (uint8_t)unwind_read_unsigned(reader, 1);
        uint64_t pc;

        if ((*steps)-- == 0) {
            *steps = 0;
            return -E2BIG;
        }
        if (run_advance(machine, instruction, &pc)) {
            machine->is_lost |= reader->is_broken || pc < machine->pc;
            *ret_pc = pc;
            return 1;
        }
        run_change(machine, instruction);
    }
    machine->is_lost |= reader->is_broken;
    return 0;
}

int unwind_program_init(const struct unwind_cie *cie, struct unwind_state *ret, uint64_t *steps)
{
    struct machine machine = { .reader = cie->program, .cie = cie };
    uint64_t pc = 0;
    int rc = run_until_advance(&machine, &pc, steps);

    if (rc < 0) return rc;
    if (rc == 1 || machine.is_lost) return -EINVAL; /* a CIE is about no place */
    *ret = machine.state;
    return 0;
}

int unwind_program_run(const struct unwind_run *run, uint64_t *steps)
{
    struct machine machine = { .reader = run->fde->program,
                               .cie = run->cie,
                               .initial = run->initial,
                               .state = *run->initial,
                               .pc = run->fde->begin };
    uint64_t next = 0;
    int rc = 1;

    while (rc == 1 && machine.pc < run->end) {
        uint32_t rule;

        rc = run_until_advance(&machine, &next, steps);
        if (rc < 0) return rc;
        rule = machine.is_lost ? row_rule(ROW_OTHER, 0, 0)
                               : rule_of(&machine.state, run->cie->is_signal);
        if (!run->emit(run->context, machine.pc, rule)) return -ENOBUFS;
        if (machine.is_lost) return 0;
        machine.pc = next;
    }
    return 0;
}
