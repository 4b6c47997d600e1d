/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/names/data_namer.h"

#include "common/base/own.h"
#include "probe/agent/names/symbol_index.h"
#include "probe/agent/unwind/modules.h"

#include <stdio.h>

struct data_namer {
    struct modules modules;
    struct symbol_index *symbols;
};

struct data_namer *data_namer_new(void)
{
    struct data_namer *namer = calloc(1, sizeof *namer);

    if (!namer) return NULL;
    namer->symbols = symbol_index_new(SYMBOL_INDEX_SIZE_MAX / 4);
    return namer->symbols ? namer : data_namer_free(namer);
}

struct data_namer *data_namer_free(struct data_namer *namer)
{
    if (!namer) return NULL;
    modules_done(&namer->modules);
    symbol_index_free(namer->symbols);
    free(namer);
    return NULL;
}

size_t data_namer_find(struct data_namer *namer, uint64_t address, char *ret, size_t ret_size)
{
    const struct loaded_module *module;
    struct symbol_module where;
    struct symbol symbol;

    modules_refresh(&namer->modules);
    module = modules_find(&namer->modules, address);
    if (!module) return 0;
    where = (struct symbol_module){ text_of(module->path),
                                    { (const char *)module->build_id, module->build_id_size } };
    if (symbol_index_object(namer->symbols, &where, address - module->bias, &symbol) < 0) return 0;
    snprintf(ret, ret_size, "%s", symbol.name);
    return symbol.size;
}
