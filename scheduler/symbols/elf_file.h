/* SPDX-License-Identifier: Apache-2.0 */
/* elf_file.h: opens files that a stranger named, and only those that are what they should be. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_ELF_FILE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_ELF_FILE_H

#include "common/base/text.h"

/* Opens a regular file of at most 4 GB, a 64-bit ELF file of this byte order, whose build-id is
 * this one. Nothing is read before that but its ELF header, its program or section headers and its
 * notes, each bounded. Never blocks on a FIFO or a device. The descriptor, or -errno: -EINVAL if it
 * is no such file, -ENOKEY if it is another build. */
int elf_file_open(const char *path, struct text build_id);

#endif
