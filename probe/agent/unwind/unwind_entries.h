/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_entries.h: the records of .eh_frame: for which code there is a program that says how to
 * unwind it.
 *
 *     for (size_t at = 0; unwind_entry_at(&section, at, &entry) != ENTRY_END; at = entry.next) {
 *         if (entry.kind == ENTRY_FDE && unwind_fde_read(&section, &entry, &fde) == 0) ...
 *     }
 *
 * An FDE describes one range of code, and begins where its CIE, which many share, ends. The bytes
 * are those of a module that we do not trust: all reads are within the section.
 *
 * Threads: any. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_ENTRIES_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_ENTRIES_H

#include "probe/agent/unwind/unwind_reader.h"

struct unwind_section {
    const unsigned char *bytes;
    size_t size;
    uint64_t address; /* of bytes[0] in the process */
};

enum unwind_entry_kind {
    ENTRY_END,    /* the terminator, or the end of the bytes */
    ENTRY_BROKEN, /* its size cannot be right: what follows is out of reach */
    ENTRY_CIE,
    ENTRY_FDE,
};

struct unwind_entry {
    enum unwind_entry_kind kind;
    size_t body, next; /* offsets: behind its head; of the next entry */
    size_t cie;        /* of an FDE: the offset of its CIE */
};

struct unwind_cie {
    uint64_t code_unit;
    int64_t data_unit;
    uint8_t pointers; /* the encoding of an FDE's addresses */
    bool has_sizes;   /* 'z': FDEs say how long their augmentation is */
    bool is_signal;   /* 'S': frames above were interrupted, they did not call */
    struct unwind_reader program;
};

struct unwind_fde {
    uint64_t begin, end; /* the code */
    struct unwind_reader program;
};

enum unwind_entry_kind unwind_entry_at(const struct unwind_section *section, size_t offset,
                                       struct unwind_entry *ret);

/* 0; -EINVAL: broken; -ENOTSUP: of another kind than compilers for this processor write. */
int unwind_cie_read(const struct unwind_section *section, size_t offset, struct unwind_cie *ret);
int unwind_fde_read(const struct unwind_section *section, const struct unwind_entry *entry,
                    const struct unwind_cie *cie, struct unwind_fde *ret);

#endif
