/* SPDX-License-Identifier: Apache-2.0 */
/* groups.c: whose time it was: costs by kind and by the function that stands for them.
 *
 * A stack that waits ends in the C library, one that compresses in a library of the system. The
 * function to name is the application's own that led there, which is found from inside out:
 *
 *     (1) the first frame that is not of a runtime (C and C++ libraries, loader, vdso), by
 *         module, nor of a library's header compiled into the application, by file or name;
 *     (2) among those, the first whose module is not below the system's library folders;
 *     (3) where no frame passes (2), the one of (1); where none passes (1), the innermost, if it
 *         is a function and no marker.
 *
 * What (2) chose is the group's function; what (1) chose is said as "mostly in", so that both
 * the caller and the place are named. */
#include "common/base/check.h"
#include "scheduler/analysis/private.h"

#include <stdlib.h>
#include <string.h>

/* Beginnings of the file names of modules whose functions are nobody's own. */
static const char *const runtime_modules[] = {
    "libc.so",   "libc-2",      "ld-linux",    "ld-2",        "ld.so",       "libpthread",
    "libm.so",   "libm-2",      "librt",       "libdl",       "[vdso]",      "linux-vdso",
    "libstdc++", "libgcc_s",    "libc++",      "libasan",     "libtsan",     "libubsan",
    "liblsan",   "libjemalloc", "libtcmalloc", "libmimalloc", "libstakeout", "[vsyscall]",
};

/* Beginnings of functions of such libraries that are compiled into other modules. Names that
 * begin with two underscores are the implementation's by the C standard. */
static const char *const runtime_functions[] = { "__", "std::", "pthread_", "(unknown)" };

static const char *const system_folders[] = { "/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/" };

static bool starts_with_any(struct text text, const char *const *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_starts_with(text, text_of(prefixes[i]))) return true;
    return false;
}

/* Templates come with their return type: "void std::sort<...>(...)"; its first word is skipped. */
static bool is_runtime_function(struct text name)
{
    const char *space = memchr(name.data, ' ', name.size);
    size_t skip = space ? (size_t)(space - name.data) + 1 : 0;
    struct text rest = { name.data + skip, name.size - skip };

    return starts_with_any(name, runtime_functions, ARRAY_COUNT(runtime_functions)) ||
           (skip > 0 && text_starts_with(rest, TEXT("std::")));
}

/* Templates and inline functions of the compiler's and the system's headers. */
static bool is_header_of_system(struct text file)
{
    return text_starts_with(file, TEXT("/usr/include/")) ||
           text_starts_with(file, TEXT("/usr/lib/gcc/")) ||
           (file.size > 0 && memmem(file.data, file.size, "/include/c++/", 13) != NULL);
}

static bool is_runtime(const struct frame_table *table, const struct shown_frame *frame)
{
    struct text module = text_base_name(frame_table_text(table, frame->module));

    if (frame->kind == FRAME_MARKER) return true;
    if (frame->kind != FRAME_NATIVE) return false;
    return starts_with_any(module, runtime_modules, ARRAY_COUNT(runtime_modules)) ||
           is_header_of_system(frame_table_text(table, frame->file)) ||
           is_runtime_function(frame_table_text(table, frame->function));
}

static bool is_system(const struct frame_table *table, const struct shown_frame *frame)
{
    return starts_with_any(frame_table_text(table, frame->module), system_folders,
                           ARRAY_COUNT(system_folders));
}

/* Is it a name by which people call a function? Those of the implementation are not. */
static bool has_plain_name(const struct frame_table *table, const struct shown_frame *frame)
{
    static const char *const hidden[] = { "__", "std::", "(unknown)" };
    struct text name = frame_table_text(table, frame->function);

    return frame->kind != FRAME_MARKER && name.size > 0 &&
           !starts_with_any(name, hidden, ARRAY_COUNT(hidden));
}

struct guilt guilt_find(const struct frame_table *table, const struct path_table *paths,
                        uint32_t path)
{
    struct guilt guilt = { true, FRAME_NONE, FRAME_NONE, FRAME_NONE };
    uint32_t called = FRAME_NONE;

    for (uint32_t at = path; at != 0; at = paths->rows[at].parent) {
        uint32_t index = paths->rows[at].frame;
        const struct shown_frame *frame = &table->frames[index];

        if (!is_runtime(table, frame)) {
            if (guilt.where == FRAME_NONE) guilt.where = index;
            if (!is_system(table, frame)) {
                guilt.own = index;
                guilt.called = called;
                break;
            }
        }
        if (has_plain_name(table, frame)) called = index;
    }
    if (guilt.where == FRAME_NONE && path != 0 &&
        table->frames[paths->rows[path].frame].kind != FRAME_MARKER)
        guilt.where = paths->rows[path].frame;
    if (guilt.own == FRAME_NONE) guilt.own = guilt.where;
    return guilt;
}

/* What is summed while moments are walked; groups are numbered by rows of `groups`. */
struct grouping {
    const struct analysis *analysis;
    struct guilt *guilts; /* by path */
    struct tally groups;  /* (part, symbol) */
    struct tally places;  /* (group, place) */
    struct tally callees; /* (group, symbol) */
    struct tally waits;   /* (group, text) */
    struct tally locks;   /* (group, lock), of those whose owner is known */
    struct tally heads;   /* (group, 0): the part of calls' first moments */
};

static void group_moment(struct grouping *grouping, const struct moment *moment, bool is_head)
{
    const struct frame_table *table = &grouping->analysis->frames;
    struct guilt *guilt = &grouping->guilts[moment->path];

    if (!guilt->is_known) *guilt = guilt_find(table, &grouping->analysis->paths, moment->path);
    for (int part = 0; part < COST_PART_COUNT; part++) {
        uint64_t ns = moment->cost.ns[part];
        bool is_placed = part != COST_QUEUE && guilt->own != FRAME_NONE;
        uint32_t symbol = is_placed ? frame_symbol(table, guilt->own) : FRAME_NONE, group;

        if (ns == 0) continue;
        group = tally_add(&grouping->groups, (uint32_t)part, symbol, ns);
        if (is_head) tally_add(&grouping->heads, group, 0, ns);
        if (part >= COST_WAIT) tally_add(&grouping->waits, group, moment->waiting_for, ns);
        if (part == COST_LOCK && moment->holder > 0)
            tally_add(&grouping->locks, group, moment->lock - 1, ns);
        if (!is_placed) continue;
        tally_add(&grouping->places, group, table->frames[guilt->own].place, ns);
        tally_add(&grouping->callees, group, frame_symbol(table, guilt->where), ns);
    }
}

static void group_call(struct grouping *grouping, const struct call *call)
{
    const struct moment *moments = &grouping->analysis->moments[call->first_moment];
    bool has_head = call->elapsed_ns > call->listened_ns;

    for (uint32_t i = 0; i < call->moment_count; i++)
        group_moment(grouping, &moments[i], has_head && i == 0);
}

static int group_compare(const void *left_item, const void *right_item)
{
    const struct group *left = left_item, *right = right_item;

    if (left->ns != right->ns) return left->ns > right->ns ? -1 : 1;
    if (left->part != right->part) return left->part < right->part ? -1 : 1;
    return left->symbol < right->symbol ? -1 : left->symbol > right->symbol;
}

/* The heaviest part of each group, or `none`. Owned by the caller. */
static uint32_t *heaviest_parts(const struct tally *tally, uint32_t count, uint32_t none)
{
    uint32_t *heaviest = mem_zalloc(count + 1, sizeof *heaviest);

    tally_heaviest(tally, heaviest, count);
    for (uint32_t i = 0; i < count; i++)
        heaviest[i] = heaviest[i] == HASH_NONE ? none : tally->rows[heaviest[i]].part;
    return heaviest;
}

static void grouping_locks(const struct grouping *grouping, struct group_list *list)
{
    OWN(mem_freep) uint32_t *heaviest = mem_zalloc(list->count + 1, sizeof *heaviest);

    tally_heaviest(&grouping->locks, heaviest, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        if (heaviest[i] == HASH_NONE) continue;
        list->rows[i].lock = 1 + grouping->locks.rows[heaviest[i]].part;
        list->rows[i].lock_ns = grouping->locks.rows[heaviest[i]].ns;
    }
}

static struct group_list grouping_list(const struct grouping *grouping)
{
    struct group_list list = { .count = grouping->groups.count };
    OWN(mem_freep) uint32_t *places = heaviest_parts(&grouping->places, list.count, FRAME_NONE);
    OWN(mem_freep) uint32_t *callees = heaviest_parts(&grouping->callees, list.count, FRAME_NONE);
    OWN(mem_freep) uint32_t *waits = heaviest_parts(&grouping->waits, list.count, 0);
    OWN(mem_freep) uint32_t *heads = heaviest_parts(&grouping->heads, list.count, FRAME_NONE);

    list.rows = mem_zalloc(list.count + 1, sizeof *list.rows);
    for (uint32_t i = 0; i < list.count; i++) {
        const struct tally_row *row = &grouping->groups.rows[i];
        bool is_placed = places[i] != FRAME_NONE;

        list.rows[i] = (struct group){
            .part = (enum cost_part)row->of,
            .symbol = row->part,
            .frame = is_placed ? grouping->analysis->frames.places[places[i]].frame : FRAME_NONE,
            .callee = callees[i] == row->part ? FRAME_NONE : callees[i],
            .waiting_for = waits[i],
            .is_at_least = heads[i] != FRAME_NONE,
            .ns = row->ns,
        };
    }
    grouping_locks(grouping, &list);
    for (uint32_t i = 0; i < grouping->waits.count; i++) {
        const struct tally_row *row = &grouping->waits.rows[i];

        if (row->part != list.rows[row->of].waiting_for) list.rows[row->of].waiting_others++;
    }
    return list;
}

struct group_list group_list_make(const struct analysis *analysis)
{
    struct grouping grouping = { .analysis = analysis };
    struct group_list list;

    grouping.guilts = mem_zalloc(analysis->paths.count, sizeof *grouping.guilts);
    for (uint32_t i = 0; i < analysis->call_count; i++)
        group_call(&grouping, &analysis->calls[i]);
    list = grouping_list(&grouping);
    qsort(list.rows, list.count, sizeof *list.rows, group_compare);
    free(grouping.guilts);
    tally_done(&grouping.groups);
    tally_done(&grouping.places);
    tally_done(&grouping.callees);
    tally_done(&grouping.waits);
    tally_done(&grouping.locks);
    tally_done(&grouping.heads);
    return list;
}
