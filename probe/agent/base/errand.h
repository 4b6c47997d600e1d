/* SPDX-License-Identifier: Apache-2.0 */
/* errand.h: what may wait for a lock of the loader is done once, by a short-lived thread.
 *
 *     static struct errand errand;
 *     errand_run(&errand, open_library, PATIENCE_NS);
 *     if (errand_is_done(&errand)) ...          what open_library() wrote can be read
 *
 * A host that opens a library holds the loader's lock while the library's constructor runs, and
 * that may start the probe, or be the slow call: whoever called dlopen() or dlsym() for us there
 * would wait for the host, which waits for us. An errand only keeps its own thread waiting.
 *
 * Lifetime: errands are static, zero at first, and done once per process: what was done before a
 * fork is done in the child, what was under way is begun again there.
 * Threads: any; one at a time may call errand_run() for the same errand. */
#ifndef STAKEOUT_PROBE_AGENT_BASE_ERRAND_H
#define STAKEOUT_PROBE_AGENT_BASE_ERRAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ERRAND_PATIENCE_NS UINT64_C(50000000) /* usually it takes one or two milliseconds */

struct errand {
    _Atomic uint32_t state; /* also what its thread is waited for by */
    _Atomic pid_t pid;      /* of the process whose thread runs it */
    void (*run)(void);
};

/* Starts it, unless it runs or is done, and waits for it so long. Without a thread to be had it is
 * not begun, and may be another time. Within run(), the fork gate is entered. */
void errand_run(struct errand *errand, void (*run)(void), uint64_t patience_ns);

bool errand_is_done(const struct errand *errand);
bool errand_is_under_way(const struct errand *errand);

#endif
