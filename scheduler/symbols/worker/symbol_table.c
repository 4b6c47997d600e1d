/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_table.c: functions alone, defined here; a symbol without a size has its first byte. */
#include "scheduler/symbols/worker/symbol_table.h"

#include "common/base/check.h"

#include <stdlib.h>

static void symbol_add(struct symbol_table *table, const GElf_Sym *symbol, const char *name)
{
    int type = GELF_ST_TYPE(symbol->st_info);

    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_shndx == SHN_UNDEF) return;
    if (!name || name[0] == '\0' || symbol->st_value == 0) return;
    range_list_add(&table->ranges,
                   (struct range){
                       .low = symbol->st_value,
                       .high = symbol->st_value + (symbol->st_size ? symbol->st_size : 1),
                       .row = table->count,
                   });
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->names = mem_grow(table->names, table->capacity * sizeof *table->names);
    }
    table->names[table->count++] = name;
}

bool symbol_table_read(struct symbol_table *table, Elf *elf, GElf_Word table_type)
{
    Elf_Scn *section = NULL;
    uint32_t before = table->count;

    while (elf && (section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        Elf_Data *data;
        GElf_Sym symbol;

        if (!gelf_getshdr(section, &header) || header.sh_type != table_type) continue;
        data = elf_getdata(section, NULL);
        for (int i = 0; data && gelf_getsym(data, i, &symbol); i++)
            symbol_add(table, &symbol, elf_strptr(elf, header.sh_link, symbol.st_name));
    }
    return table->count > before;
}

const char *symbol_table_find(const struct symbol_table *table, uint64_t address)
{
    const struct range *range = range_list_find(&table->ranges, address);

    return range ? table->names[range->row] : NULL;
}

void symbol_table_sort(struct symbol_table *table)
{
    range_list_sort(&table->ranges);
}

void symbol_table_done(struct symbol_table *table)
{
    range_list_done(&table->ranges);
    free(table->names);
    *table = (struct symbol_table){ .names = NULL };
}
