/* SPDX-License-Identifier: Apache-2.0 */
/* split_unit.h: split DWARF: the part of a compilation unit that the linker never saw.
 *
 *     rc = split_unit_open(&from, &skeleton, &split);
 *     ... functions are below split.die; its files may be, too ...
 *     split_unit_close(&split);
 *
 * It is in a .dwo file of its own (-gsplit-dwarf), whose name the skeleton has, or packed with
 * others into MODULE.dwp (dwp). In the worker alone. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SPLIT_UNIT_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SPLIT_UNIT_H

#include "common/base/text.h"

#include <elfutils/libdw.h>
#include <libelf.h>

struct split_unit {
    Dwarf_Die die; /* the whole unit's entry */
    Dwarf *dwarf;  /* NULL: it is not open; so are */
    Elf *elf;
    char *image; /* owned */
};

struct split_source {
    Dwarf *dwarf;          /* has the skeleton */
    struct text path;      /* of the module, as it was named: its folder is looked at */
    const char *beside[2]; /* files that may have a .dwp beside them; NULL: none */
};

/* 0, or -ENOENT if it is nowhere, -EBADMSG if what is there cannot be used. */
int split_unit_open(const struct split_source *from, Dwarf_Die *skeleton, struct split_unit *ret);
void split_unit_close(struct split_unit *split); /* accepts a zeroed struct */

#endif
