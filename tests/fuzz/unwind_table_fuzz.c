/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as .eh_frame: rows in order, found where they are, within the bound; or no table. */
#include "tests/fuzz/fuzz.h"

#include "probe/agent/unwind/unwind_table.h"

enum { ADDRESS = 0x500000, LOW = 0x400000, HIGH = 0x600000, TABLE_SIZE_MAX = 64 * 1024 };

static void check_rows(const struct unwind_table *table)
{
    struct unwind_found found;

    for (uint32_t i = 0; i < table->row_count; i++) {
        uint64_t pc = table->base + table->rows[i].pc;

        CHECK(i == 0 || table->rows[i].pc > table->rows[i - 1].pc);
        unwind_table_find(table, pc, &found);
        CHECK(found.function <= pc && (pc < table->end || row_kind(found.rule) != ROW_RSP));
        if (pc < table->end) CHECK(found.rule == (table->rows[i].rule & ~ROW_BEGINS));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unwind_build build = {
        .section = { data, size, ADDRESS }, .low = LOW, .high = HIGH, .size_max = TABLE_SIZE_MAX
    };
    struct unwind_table *table = NULL;

    if (unwind_table_build(&build, &table) < 0) return 0;
    CHECK(table->base >= LOW && table->end <= HIGH && table->size <= TABLE_SIZE_MAX);
    CHECK(table->row_count > 0 && table->entry_count <= table->row_count);
    check_rows(table);
    unwind_table_free(table);
    return 0;
}
