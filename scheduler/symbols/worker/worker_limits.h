/* SPDX-License-Identifier: Apache-2.0 */
/* worker_limits.h: what a process that reads strangers' files may not do, set by itself before it
 * reads anything. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_WORKER_LIMITS_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_WORKER_LIMITS_H

#include <stdint.h>

enum worker_kind {
    WORKER_READS,    /* the symbol worker: reads files, talks over its socket */
    WORKER_RECEIVES, /* takes an upload: writes the one file that it was given */
    WORKER_FETCHES,  /* asks a debuginfod: the network as well, and libcurl, which is opened late */
};

enum {
    WORKER_MEMORY_MAX = 256 << 20, /* bytes of its own; files that it maps are not among them */
    WORKER_FILES_MAX = 64,         /* descriptors: four for each of the modules that are kept */
};

/* Bounds memory, files and core dumps, gives up every privilege that could be gained, and leaves
 * the system calls that its work takes; a file may become `file_size_max` bytes long. 0, or -errno:
 * then the process must not go on. */
int worker_limits_set(enum worker_kind kind, uint64_t file_size_max);

#endif
