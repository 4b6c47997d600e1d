/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h: asks debuginfod servers for a build-id's debug information. In a process of its own
 * alone (intake_worker.c): it waits for the network. libcurl's door on this side. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_FETCH_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_FETCH_H

#include <stddef.h>
#include <stdint.h>

struct fetch {
    const char *build_id_hex;
    const char *const *urls; /* "http://host:8002": BASE/buildid/HEX/debuginfo is asked for */
    size_t url_count;
    uint64_t size_max, time_ms; /* of one file; of everything */
    int file_fd;                /* emptied before another server is asked */
    int (*take)(void *context, const void *data, size_t size); /* 0 or -errno: stop */
    void *context;
};

/* Opens libcurl, while the process still may do so at leisure. */
void fetch_prepare(void);

/* Asks one server after the other. 0; -ENOENT: none of them has it; -EFBIG, -ETIMEDOUT; -EAGAIN: at
 * least one could not be asked; -ENOSYS: there is no libcurl. */
int fetch_debug_file(const struct fetch *fetch);

#endif
