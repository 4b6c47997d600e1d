/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_table.c: two passes over the entries: which code they are about, then their programs.
 *
 *     page-aligned memory:  struct unwind_table | blocks: 4 bytes per 4 KB of code | rows: 8 bytes
 *
 * Linkers put entries in the order of object files, which is not that of the code (hot, cold and
 * unlikely parts lie apart). So they are sorted first; rows then come in order and need no sorting.
 * Where entries overlap, the one that begins later wins, as in a search for the last begin.
 *
 * Memory comes from mmap, also for what is needed only meanwhile: a few large blocks through
 * malloc would move the host's threshold for its own large blocks. And the entries are sorted in
 * place, because qsort takes as much again, from malloc. */
#include "probe/agent/unwind/unwind_table.h"

#include "probe/agent/unwind/unwind_program.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    ENTRY_SIZE_MIN = 10, /* bytes of an FDE: size, link, and a byte each for begin and length */
    STEPS_PER_BYTE = 8,  /* a CIE's program runs again for many FDEs */
    STATES_KEPT = 8,     /* CIEs whose programs were run; a module has a handful */
    ASK_EVERY = 64,      /* entries, whether the table is still wanted */
    BLOCK_SIZE = 1 << UNWIND_BLOCK_SHIFT,
};

#define SPAN_MAX (UINT64_C(0xffffffff) - BLOCK_SIZE) /* of code; rows count in four bytes */

/* An FDE, and the code that it is about, from `low` on. */
struct entry_place {
    uint32_t begin, end;
    uint32_t at; /* offset in the section */
};

struct known_cie {
    size_t at;
    bool is_known, is_usable; /* not usable: its entries have ROW_OTHER */
    struct unwind_cie cie;
    struct unwind_state state;
};

struct builder {
    const struct unwind_build *build;
    struct known_cie cies[STATES_KEPT]; /* by offset, modulo */
    struct entry_place *places;
    size_t places_size; /* bytes mapped */
    uint32_t count;
    bool is_whole;
    uint64_t steps;
    struct unwind_table *table;
    struct unwind_row *rows;
    uint32_t row_max;
    bool begins; /* the next row is an entry's first */
};

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

/* Zeroed pages, which cost nothing until they are touched; so they must not be huge ones. NULL
 * without memory. */
static void *pages_new(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (pages == MAP_FAILED) return NULL;
    madvise(pages, size, MADV_NOHUGEPAGE);
    return pages;
}

struct unwind_table *unwind_table_free(struct unwind_table *table)
{
    if (table) munmap(table, table->size);
    return NULL;
}

static bool is_unwanted(const struct builder *builder)
{
    const _Atomic bool *asked = builder->build->is_unwanted;

    return asked && atomic_load_explicit(asked, memory_order_relaxed);
}

/* ---- which code ---- */

/* The CIE at an offset, its program run. -EINVAL if it cannot even say where its FDEs' code is;
 * -E2BIG. */
static int cie_get(struct builder *builder, size_t at, const struct known_cie **ret)
{
    struct known_cie *known = &builder->cies[at / 4 % STATES_KEPT];
    int rc;

    *ret = known;
    if (known->is_known && known->at == at) return 0;
    *known = (struct known_cie){ .at = at };
    if (unwind_cie_read(&builder->build->section, at, &known->cie) < 0) return -EINVAL;
    rc = unwind_program_init(&known->cie, &known->state, &builder->steps);
    if (rc == -E2BIG) return rc;
    known->is_known = true;
    known->is_usable = rc == 0;
    return 0;
}

static int fde_get(struct builder *builder, const struct unwind_entry *entry,
                   const struct known_cie **ret_cie, struct unwind_fde *ret)
{
    int rc = cie_get(builder, entry->cie, ret_cie);

    return rc < 0 ? rc : unwind_fde_read(&builder->build->section, entry, &(*ret_cie)->cie, ret);
}

/* Notes an FDE's code, if it is of this module. Linkers leave entries of functions that they threw
 * away: of no size, or about address 0. */
static void place_add(struct builder *builder, const struct unwind_fde *fde, size_t at)
{
    const struct unwind_build *build = builder->build;
    uint64_t span = build->high - build->low;

    if (fde->begin < build->low || fde->begin - build->low >= span || fde->end == fde->begin)
        return;
    if (fde->end - build->low > span) return;
    builder->places[builder->count++] = (struct entry_place){
        .begin = (uint32_t)(fde->begin - build->low),
        .end = (uint32_t)(fde->end - build->low),
        .at = (uint32_t)at,
    };
}

static int places_collect(struct builder *builder)
{
    const struct unwind_section *section = &builder->build->section;
    struct unwind_entry entry;
    size_t at = 0;

    for (uint32_t i = 1; unwind_entry_at(section, at, &entry) > ENTRY_BROKEN; i++) {
        const struct known_cie *cie;
        struct unwind_fde fde;
        int rc = 0;

        if (i % ASK_EVERY == 0 && is_unwanted(builder)) return -ECANCELED;
        if (entry.kind == ENTRY_FDE) rc = fde_get(builder, &entry, &cie, &fde);
        if (rc == -E2BIG) return rc;
        if (rc < 0) builder->is_whole = false;
        if (rc == 0 && entry.kind == ENTRY_FDE) place_add(builder, &fde, at);
        at = entry.next;
    }
    if (entry.kind == ENTRY_BROKEN) builder->is_whole = false;
    return builder->count > 0 ? 0 : -ENOENT;
}

static bool is_before(const struct entry_place *left, const struct entry_place *right)
{
    return left->begin != right->begin ? left->begin < right->begin : left->at < right->at;
}

/* Lets the entry at `at` sink to its place in a heap of `count`. */
static void place_sink(struct entry_place *places, uint32_t at, uint32_t count)
{
    struct entry_place sinking = places[at];

    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_before(&places[child], &places[child + 1])) child++;
        if (!is_before(&sinking, &places[child])) break;
        places[at] = places[child];
        at = child;
    }
    places[at] = sinking;
}

static void places_sort(struct entry_place *places, uint32_t count)
{
    uint32_t sorted = 1;

    while (sorted < count && is_before(&places[sorted - 1], &places[sorted])) {
        sorted++;
    }
    if (sorted >= count) return;
    for (uint32_t i = count / 2; i-- > 0;) {
        place_sink(places, i, count);
    }
    for (uint32_t i = count; i-- > 1;) {
        struct entry_place last = places[i];

        places[i] = places[0];
        places[0] = last;
        place_sink(places, 0, i);
    }
}

/* ---- rows ---- */

static bool on_row(void *context, uint64_t pc, uint32_t rule)
{
    struct builder *builder = context;
    struct unwind_table *table = builder->table;
    struct unwind_row row = { (uint32_t)(pc - table->base), rule };
    struct unwind_row *last = table->row_count > 0 ? &builder->rows[table->row_count - 1] : NULL;

    if (builder->begins) {
        row.rule |= ROW_BEGINS;
    } else if (last && last->pc == row.pc) { /* the program changed its mind before any code */
        last->rule = row.rule | (last->rule & ROW_BEGINS);
        return true;
    } else if (last && (last->rule & ~ROW_BEGINS) == rule) {
        return true;
    }
    if (table->row_count == builder->row_max) return false;
    builder->begins = false;
    builder->rows[table->row_count++] = row;
    return true;
}

/* The rows of one entry, up to `end`. */
static int entry_rows(struct builder *builder, const struct entry_place *place, uint64_t end)
{
    const struct known_cie *cie;
    struct unwind_entry entry;
    struct unwind_fde fde;
    int rc;

    unwind_entry_at(&builder->build->section, place->at, &entry);
    rc = fde_get(builder, &entry, &cie, &fde);
    if (rc < 0) return rc;
    builder->begins = true;
    if (!cie->is_usable) return on_row(builder, fde.begin, row_rule(ROW_OTHER, 0, 0)) ? 0 : -E2BIG;
    rc = unwind_program_run(&(struct unwind_run){ .cie = &cie->cie,
                                                  .fde = &fde,
                                                  .initial = &cie->state,
                                                  .end = end,
                                                  .context = builder,
                                                  .emit = on_row },
                            &builder->steps);
    return rc == -ENOBUFS ? -E2BIG : rc;
}

static int rows_make(struct builder *builder)
{
    uint64_t low = builder->build->low;
    uint32_t gap = row_rule(builder->is_whole ? ROW_NONE : ROW_OTHER, 0, 0);
    int rc = 0;

    for (uint32_t i = 0; i < builder->count && rc == 0; i++) {
        const struct entry_place *place = &builder->places[i];
        uint32_t next = i + 1 < builder->count ? place[1].begin : UINT32_MAX;
        uint32_t end = place->end < next ? place->end : next;

        if (place->begin == next) continue; /* two begin here: the later one holds */
        if (i % ASK_EVERY == 0 && is_unwanted(builder)) return -ECANCELED;
        rc = entry_rows(builder, place, low + end);
        builder->begins = false;
        if (rc == 0 && end < next && !on_row(builder, low + end, gap)) rc = -E2BIG;
    }
    return rc;
}

static void rows_count_others(struct unwind_table *table)
{
    for (uint32_t i = 0; i < table->row_count; i++) {
        const struct unwind_row *row = &table->rows[i];
        bool is_gap = !table->is_whole && !(row->rule & ROW_BEGINS);

        table->entry_count += (row->rule & ROW_BEGINS) != 0;
        table->other_count += row_kind(row->rule) == ROW_OTHER && !is_gap;
    }
}

static void blocks_make(struct unwind_table *table, uint32_t *blocks)
{
    uint32_t row = 0;

    for (uint32_t i = 0; i < table->block_count; i++) {
        while (row < table->row_count && table->rows[row].pc >> UNWIND_BLOCK_SHIFT < i) {
            row++;
        }
        blocks[i] = row;
    }
}

/* ---- the table ---- */

/* Room for blocks, and for as many rows as there may be: an instruction each, and two per entry. */
static int table_reserve(struct builder *builder)
{
    const struct unwind_build *build = builder->build;
    uint64_t base = build->low + builder->places[0].begin, end = 0, blocks;
    size_t head, size;
    struct unwind_table *table;

    for (uint32_t i = 0; i < builder->count; i++) {
        uint64_t other = build->low + builder->places[i].end;

        if (other > end) end = other;
    }
    blocks = ((end - base) >> UNWIND_BLOCK_SHIFT) + 2;
    head = sizeof *table + (blocks * sizeof *table->blocks + 7) / 8 * 8;
    size = head + sizeof *table->rows * (build->section.size + 2 * (size_t)builder->count);
    if (size > build->size_max) size = build->size_max;
    if (size < head) return -E2BIG;
    size = whole_pages(size);
    table = pages_new(size);
    if (!table) return -ENOMEM;
    *table = (struct unwind_table){ .size = size,
                                    .base = base,
                                    .end = end,
                                    .block_count = (uint32_t)blocks,
                                    .is_whole = builder->is_whole };
    builder->table = table;
    builder->rows = (struct unwind_row *)(void *)((unsigned char *)table + head);
    builder->row_max = (uint32_t)((size - head) / sizeof *table->rows);
    table->blocks = (const uint32_t *)(table + 1);
    table->rows = builder->rows;
    return 0;
}

/* Gives back what was reserved and not needed. */
static void table_fit(struct builder *builder)
{
    struct unwind_table *table = builder->table;
    const unsigned char *end = (const unsigned char *)(table->rows + table->row_count);
    size_t size = whole_pages((size_t)(end - (const unsigned char *)table));

    if (size < table->size) munmap((unsigned char *)table + size, table->size - size);
    table->size = size;
}

static int table_make(struct builder *builder)
{
    int rc = places_collect(builder);

    if (rc < 0) return rc;
    places_sort(builder->places, builder->count);
    rc = table_reserve(builder);
    if (rc == 0) rc = rows_make(builder);
    if (rc < 0) return rc;
    rows_count_others(builder->table);
    blocks_make(builder->table, (uint32_t *)(void *)(builder->table + 1));
    table_fit(builder);
    return 0;
}

int unwind_table_build(const struct unwind_build *build, struct unwind_table **ret)
{
    size_t size = build->section.size;
    struct builder builder = {
        .build = build,
        .is_whole = true,
        .steps = (uint64_t)STEPS_PER_BYTE * size + BLOCK_SIZE,
        .places_size = whole_pages((size / ENTRY_SIZE_MIN + 1) * sizeof(struct entry_place)),
    };
    int rc;

    if (build->high <= build->low || build->high - build->low > SPAN_MAX || size > UINT32_MAX)
        return -E2BIG;
    builder.places = pages_new(builder.places_size);
    if (!builder.places) return -ENOMEM;
    rc = table_make(&builder);
    munmap(builder.places, builder.places_size);
    if (rc < 0) {
        unwind_table_free(builder.table);
        return rc;
    }
    *ret = builder.table;
    return 0;
}

/* How many rows begin at or before a place. Those of its block are in [low, high]. */
static uint32_t rows_until(const struct unwind_table *table, uint32_t pc)
{
    uint32_t block = pc >> UNWIND_BLOCK_SHIFT;
    uint32_t low = table->blocks[block], high = table->blocks[block + 1];

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (table->rows[middle].pc <= pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void unwind_table_find(const struct unwind_table *table, uint64_t pc, struct unwind_found *ret)
{
    uint32_t at;

    ret->rule = row_rule(table->is_whole ? ROW_NONE : ROW_OTHER, 0, 0);
    ret->function = 0;
    if (pc < table->base || pc >= table->end) return;
    at = rows_until(table, (uint32_t)(pc - table->base));
    if (at == 0) return;
    ret->rule = table->rows[at - 1].rule & ~ROW_BEGINS;
    if (row_kind(ret->rule) == ROW_NONE) return;
    if (row_kind(ret->rule) == ROW_OTHER && !table->is_whole) return; /* it may be a gap */
    while (at > 1 && !(table->rows[at - 1].rule & ROW_BEGINS)) {
        at--;
    }
    ret->function = table->base + table->rows[at - 1].pc;
}

uint64_t unwind_table_next(const struct unwind_table *table, uint64_t pc)
{
    uint32_t at;

    if (pc < table->base || pc >= table->end) return table->end;
    at = rows_until(table, (uint32_t)(pc - table->base));
    while (at < table->row_count && !(table->rows[at].rule & ROW_BEGINS) &&
           row_kind(table->rows[at].rule) != ROW_NONE) {
        at++;
    }
    return at < table->row_count ? table->base + table->rows[at].pc : table->end;
}
