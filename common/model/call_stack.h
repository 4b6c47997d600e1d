/* SPDX-License-Identifier: Apache-2.0 */
/* call_stack.h: stacks in tables, each string, module, frame and stack once.
 *
 *     struct stack_table table;
 *     stack_table_init(&table);
 *     stack_table_string(&table, TEXT("render"), &function);
 *     stack_table_frame(&table, &(struct frame){ ... }, &frame);
 *     stack_table_stack(&table, frames, count, &stack);        innermost first
 *     stack_table_done(&table);
 *
 * What is put in twice is found again: equal content has equal indices. A native frame is what
 * its module and offset say: put in again, named or not, it is the same frame, and keeps the first
 * name that it was given. Index 0 of the strings is the empty string, which means unknown. The
 * table owns copies of everything; a string's bytes stay where they are until stack_table_done(),
 * the arrays move as they grow.
 *
 * Threads: one at a time. Limits: REPORT_STRINGS_MAX, REPORT_MODULES_MAX, REPORT_FRAMES_MAX,
 * REPORT_STACKS_MAX; strings are cut at STRING_SIZE_MAX, at a character, and what is not printable
 * UTF-8 in them is a '?' (symbols and paths are any bytes). All adders return 0, -ENOMEM, -ENOBUFS
 * (a table is full) or -EINVAL (an index that is not in its table, a field that the kind does not
 * have, a stack without frames or of more than STACK_FRAMES_MAX + 1), and change nothing then.
 * What an adder is given must not lie in the table itself: it may move. */
#ifndef STAKEOUT_COMMON_MODEL_CALL_STACK_H
#define STAKEOUT_COMMON_MODEL_CALL_STACK_H

#include "common/base/text.h"
#include "common/model/limits.h"

/* Kinds have fields of their own; a field that a kind does not have is 0. */
enum frame_kind {
    FRAME_NATIVE = 1, /* module, offset, function, function_offset */
    FRAME_PYTHON = 2, /* function, class_name, file, line */
    FRAME_MARKER = 3, /* function: the text; count */
    FRAME_KIND_END
};

const char *frame_kind_name(enum frame_kind kind); /* "native", "python", "marker" */

/* The texts of markers: what stands where frames are missing. */
#define MARKER_CUT      "(stack cut here)"  /* it could not be unwound further */
#define MARKER_DROPPED  "(frames left out)" /* the middle of a deep stack; count says how many */
#define MARKER_DETACHED "(detached)"        /* on no thread; waiting_for says what for */

struct frame {
    enum frame_kind kind;
    uint32_t module;          /* index into modules; native only */
    uint64_t offset;          /* native: of the instruction, in the module's own ELF addresses (pc
                                 less load bias); of a caller's frame it is the call's, the return
                                 address less 1, so that it looks up the right line */
    uint64_t function_offset; /* native: where the function begins, likewise; 0: unknown */
    uint32_t function;        /* string: as the symbol table has it (mangled); 0: unknown */
    uint32_t class_name;      /* string */
    uint32_t file;            /* string */
    uint32_t line;            /* 1-based; 0: unknown */
    uint32_t count;           /* marker: how many frames it stands for; 0: unknown */
};

enum { BUILD_ID_SIZE_MAX = 32 };

struct module {
    uint32_t path; /* string; "[vdso]" for the vdso */
    uint8_t build_id_size;
    uint8_t build_id[BUILD_ID_SIZE_MAX]; /* size 0: the module has none */
};

struct stack {
    uint32_t first; /* into stack_frames */
    uint32_t count; /* at most STACK_FRAMES_MAX + 1 */
};

struct stack_table {
    struct text *strings; /* each zero-terminated behind its size */
    struct module *modules;
    struct frame *frames;
    struct stack *stacks;
    uint32_t *stack_frames; /* indices into frames, innermost first, one stack behind the other */
    uint32_t string_count, module_count, frame_count, stack_count, stack_frame_count;
    struct stack_table_private *p; /* pools and hash indices */
};

int stack_table_init(struct stack_table *table);
void stack_table_done(struct stack_table *table); /* accepts a zeroed struct */

int stack_table_string(struct stack_table *table, struct text text, uint32_t *ret);
int stack_table_module(struct stack_table *table, struct text path, struct text build_id,
                       uint32_t *ret);
int stack_table_frame(struct stack_table *table, const struct frame *frame, uint32_t *ret);
int stack_table_stack(struct stack_table *table, const uint32_t *frames, uint32_t count,
                      uint32_t *ret);

/* Names a native frame that was put in without a name; -EINVAL for any other. */
int stack_table_name_frame(struct stack_table *table, uint32_t frame, struct text function,
                           uint64_t function_offset);

/* The string at an index; empty for one that is not there. */
static inline struct text stack_table_text(const struct stack_table *table, uint32_t index)
{
    return index < table->string_count ? table->strings[index] : (struct text){ "", 0 };
}

#endif
