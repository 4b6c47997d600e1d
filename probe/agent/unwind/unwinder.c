/* SPDX-License-Identifier: Apache-2.0 */
/* unwinder.c: chooses how each frame is stepped over.
 *
 * For an address there is a line: the rule of its row (unwind_row.h), and where its function
 * begins. It comes from the module's table, and is kept by address, because the stacks of a server
 * are made of few places: 2048 lines, one to a hash. A frame whose rule is in the row is stepped
 * over here (unwind_step.c), one that is ROW_OTHER by libunwind (remote_unwinder.c): a few frames
 * of assembly, and all of a module whose table is not built yet. All lines are forgotten when a
 * table or a module came or went.
 *
 * A frame that no entry describes ends the walk: libunwind would follow the frame pointer there,
 * which may be anything. */
#include "probe/agent/unwind/unwinder.h"

#include "common/base/clock.h"
#include "probe/agent/unwind/modules.h"
#include "probe/agent/unwind/remote_unwinder.h"
#include "probe/agent/unwind/unwind_step.h"
#include "probe/agent/unwind/unwind_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_SHIFT = 11, LINES = 1 << LINES_SHIFT };

struct line {
    uint64_t address; /* 0: empty */
    uint64_t function;
    uint32_t rule;
    uint32_t table; /* its number, or TABLE_NONE */
};

struct unwinder {
    struct modules modules;
    struct remote_unwinder *remote;
    bool has_tables;
    const struct stack_view *view; /* of the walk under way */
    struct line lines[LINES];      /* by hash of the address */
};

static const struct line *line_get(struct unwinder *unwinder, uint64_t address)
{
    struct line *line =
        &unwinder->lines[address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - LINES_SHIFT)];
    struct unwind_found found;

    if (line->address == address && address != 0) {
        if (line->table != TABLE_NONE) unwind_tables_meet(line->table);
        return line;
    }
    line->table = TABLE_NONE;
    found = (struct unwind_found){ .rule = row_rule(ROW_OTHER, 0, 0) };
    if (unwinder->has_tables) line->table = unwind_tables_find(&unwinder->modules, address, &found);
    if (found.function == 0 && row_kind(found.rule) == ROW_OTHER)
        found.function = remote_unwinder_function(unwinder->remote, address);
    line->address = address;
    line->function = found.function;
    line->rule = found.rule;
    return line;
}

static int unwinder_init(struct unwinder *unwinder)
{
    int rc;

    modules_refresh(&unwinder->modules);
    rc = remote_unwinder_open(&unwinder->modules, &unwinder->remote);
    if (rc < 0) return rc;
    unwinder->has_tables = unwind_tables_open(UNWIND_TABLES_SIZE_MAX) == 0;
    if (unwinder->has_tables) unwind_tables_refresh(&unwinder->modules, true, clock_monotonic_ns());
    return 0;
}

int unwinder_open(struct unwinder **ret)
{
    struct unwinder *unwinder = calloc(1, sizeof *unwinder);
    int rc;

    if (!unwinder) return -ENOMEM;
    rc = unwinder_init(unwinder);
    if (rc < 0) {
        unwinder_close(unwinder);
        return rc;
    }
    *ret = unwinder;
    return 0;
}

struct unwinder *unwinder_close(struct unwinder *unwinder)
{
    if (!unwinder) return NULL;
    if (unwinder->has_tables) unwind_tables_close();
    remote_unwinder_close(unwinder->remote);
    modules_done(&unwinder->modules);
    free(unwinder);
    return NULL;
}

void unwinder_forget(void)
{
    unwind_tables_forget();
}

void unwinder_refresh(struct unwinder *unwinder)
{
    bool has_changed = modules_refresh(&unwinder->modules);

    if (has_changed) remote_unwinder_flush(unwinder->remote);
    if (unwinder->has_tables)
        has_changed = unwind_tables_refresh(&unwinder->modules, has_changed, clock_monotonic_ns());
    if (has_changed) memset(unwinder->lines, 0, sizeof unwinder->lines);
}

uint64_t unwinder_unloads(const struct unwinder *unwinder)
{
    return unwinder->modules.unloads;
}

bool unwinder_stands(struct unwinder *unwinder, uint64_t unloads)
{
    unwinder_refresh(unwinder);
    return unwinder->modules.unloads == unloads;
}

bool unwinder_has_library(const struct unwinder *unwinder)
{
    return remote_unwinder_has_library(unwinder->remote);
}

const struct modules *unwinder_modules(const struct unwinder *unwinder)
{
    return &unwinder->modules;
}

uint64_t unwinder_function(struct unwinder *unwinder, uint64_t pc)
{
    return line_get(unwinder, pc)->function;
}

uint64_t unwinder_function_end(const struct unwinder *unwinder, uint64_t pc)
{
    const struct unwind_table *table = unwinder->has_tables ? unwind_tables_peek(pc) : NULL;

    return table ? unwind_table_next(table, pc)
                 : remote_unwinder_function_end(unwinder->remote, pc);
}

bool unwinder_read(struct unwinder *unwinder, uint64_t address, void *ret, size_t size)
{
    return remote_unwinder_read(unwinder->remote, address, ret, size);
}

/* Did the frame with these bounds call begin? Its part of the stack holds the anchor, and it is of
 * the function that begin returned to. */
static bool is_begin_frame(struct unwinder *unwinder, const struct walk *walk, uint64_t sp,
                           uint64_t caller_sp)
{
    const struct stack_view *view = unwinder->view;

    if (view->anchor_sp < sp || view->anchor_sp >= caller_sp) return false;
    return walk->frames[walk->count - 1].function == unwinder_function(unwinder, view->anchor_pc);
}

/* Notes a frame; the walk goes on from there by its line's rule. */
static uint32_t walk_add(struct unwinder *unwinder, struct walk *walk,
                         const struct frame_state *frame)
{
    uint64_t pc = frame->is_struck ? frame->pc : frame->pc - 1;
    const struct line *line = line_get(unwinder, pc);

    walk->frames[walk->count++] = (struct walk_frame){ pc, line->function };
    walk->end_sp = frame->sp;
    return line->rule;
}

static enum step_result walk_step(struct unwinder *unwinder, const struct walk *walk, uint32_t rule,
                                  struct frame_state *frame)
{
    if (row_kind(rule) == ROW_OTHER)
        return remote_unwinder_step(unwinder->remote, walk->count - 1, frame);
    return unwind_step(unwinder->view, rule, frame);
}

/* Does the caller's frame lie above this one, as it must? Only the innermost function may have
 * given up its frame already: libgcc's does, at the end of a throw, before it jumps to where the
 * exception is caught; it does not return there, so the place is to be taken as it is. */
static bool has_progress(const struct walk *walk, uint64_t sp, struct frame_state *caller)
{
    if (caller->sp > sp || caller->is_struck) return true;
    caller->is_struck = caller->sp == sp && walk->count == 1;
    return caller->is_struck;
}

/* Steps until the end. */
static void walk_steps(struct unwinder *unwinder, struct frame_state *frame, struct walk *walk)
{
    uint32_t rule = walk_add(unwinder, walk, frame);

    while (walk->count < WALK_FRAMES_MAX) {
        uint64_t sp = frame->sp;
        enum step_result result = walk_step(unwinder, walk, rule, frame);

        if (result == STEP_OUTERMOST || (result == STEP_DONE && frame->pc == 0)) {
            walk->is_complete = true;
            return;
        }
        if (result == STEP_LACKS_RBP) walk->lacks_register = true;
        if (result == STEP_NO_STACK) walk->ran_out = true;
        if (result != STEP_DONE) return;
        if (!has_progress(walk, sp, frame)) return; /* not a stack */
        walk->reached_begin |= is_begin_frame(unwinder, walk, sp, frame->sp);
        rule = walk_add(unwinder, walk, frame);
    }
}

void unwinder_walk(struct unwinder *unwinder, const struct stack_view *view, struct walk *ret)
{
    struct frame_state frame = {
        .pc = view->registers[REGISTER_RIP],
        .sp = view->registers[REGISTER_RSP],
        .rbp = view->registers[REGISTER_RBP],
        .has_rbp = (view->known & REGISTER_BIT(REGISTER_RBP)) != 0,
        .is_struck = true,
    };

    ret->count = 0;
    ret->is_complete = ret->reached_begin = ret->lacks_register = ret->ran_out = false;
    unwinder->view = view;
    remote_unwinder_begin(unwinder->remote, view);
    walk_steps(unwinder, &frame, ret);
    ret->lacks_register |= !ret->is_complete && remote_unwinder_lacked(unwinder->remote);
    unwinder->view = NULL;
}

uint64_t unwinder_size(const struct unwinder *unwinder)
{
    struct unwind_tables_counts counts = { 0 };

    if (unwinder->has_tables) unwind_tables_count(&counts);
    return sizeof *unwinder + remote_unwinder_size(unwinder->remote) +
           modules_size(&unwinder->modules) + counts.size;
}

uint64_t unwinder_cpu_ns(void)
{
    return unwind_tables_cpu_ns();
}
