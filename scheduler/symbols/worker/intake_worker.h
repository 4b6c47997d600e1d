/* SPDX-License-Identifier: Apache-2.0 */
/* intake_worker.h: the process that takes one debug file in: from an upload, or from a debuginfod.
 *
 *     stakeoutd --symbol-intake SIZE_MAX                         receives
 *     stakeoutd --symbol-intake SIZE_MAX BUILD_ID TIME_MS URL... fetches BUILD_ID
 *
 *     descriptor 3    the socket to stakeoutd
 *     descriptor 4    the file that it fills, empty, still under a temporary name
 *     descriptor 5    the folder in which the store is
 *
 * What is said over the socket, with the machine's own numbers, for both ends are one program:
 *
 *     -> size u64, then so many bytes          (receiving)
 *     <- struct intake_verdict                 when the file is on disk and its headers were read
 *     -> INTAKE_KEPT                           it has its name now; or the end: it was refused
 *     <- INTAKE_KEPT                           the folders are on disk, too
 *
 * It ends when the socket does. The loop never waits for a disk or a network by this. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_INTAKE_WORKER_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_INTAKE_WORKER_H

#include "common/model/call_stack.h"

#define INTAKE_ARGUMENT "--symbol-intake"

enum {
    INTAKE_SOCKET_FD = 3,
    INTAKE_FILE_FD = 4,
    INTAKE_FOLDER_FD = 5,
    INTAKE_KEPT = 'k',
    INTAKE_URLS_MAX = 8, /* debuginfod servers, asked one after the other */
};

struct intake_verdict {
    int32_t
        rc; /* 0, or -errno as elf_file_identify() says; -EFBIG, -ENOSPC; -ENOENT: nobody has it */
    uint8_t build_id_size, has_lines, has_names, zero;
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    uint64_t size;
};

/* The process' main(): when argv[1] is INTAKE_ARGUMENT. */
int intake_worker_run(int argc, char **argv);

#endif
