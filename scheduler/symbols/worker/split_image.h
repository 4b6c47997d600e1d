/* SPDX-License-Identifier: Apache-2.0 */
/* split_image.h: a split unit made into an ELF file in memory, of one unit, that libdw reads as any
 * other. In the worker alone. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SPLIT_IMAGE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SPLIT_IMAGE_H

#include "scheduler/symbols/worker/split_file.h"

#include <elfutils/libdw.h>

/* What the module's own part of the unit says of the rest. */
struct skeleton {
    uint64_t id;
    Dwarf_Half version;
    const char *name, *folder; /* of the .dwo; may be NULL */
    Dwarf_Word address_base, ranges_base;
};

/* The bytes of the image, owned by the caller; NULL if it would be too large. `module` has the
 * skeleton, and with it the addresses. */
char *split_image_make(Elf *module, const struct skeleton *skeleton, const struct split_file *file,
                       size_t *ret_size);

#endif
