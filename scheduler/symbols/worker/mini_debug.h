/* SPDX-License-Identifier: Apache-2.0 */
/* mini_debug.h: .gnu_debugdata, the symbol table that some distributions pack into their stripped
 * files with xz. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_MINI_DEBUG_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_MINI_DEBUG_H

#include "scheduler/symbols/worker/elf_module.h"

enum {
    MINI_DEBUG_SIZE_MAX = 32 << 20,   /* unpacked; real ones have some hundred KB */
    MINI_DEBUG_MEMORY_MAX = 64 << 20, /* of the unpacker: xz -9 takes 65 MB, nobody packs so */
};

/* Fills module->mini from module->main, if there is such a section and it can be unpacked. */
void mini_debug_open(struct elf_module *module);

#endif
