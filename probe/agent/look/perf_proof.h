/* SPDX-License-Identifier: Apache-2.0 */
/* perf_proof.h: do perf events tell the truth here, and what does one take from its thread?
 *
 *     rc = perf_prove(false, bytes, size, &pause_ns)
 *
 * Tried on the calling thread, which spins for about a millisecond meanwhile: some events of
 * its own must bring the very stack that it has. `bytes`: room for a stack, to work in. Returns 0
 * and the gap that one makes in its time; or -errno as perf_event_open(),
 * -ETIMEDOUT: none came, -EBADMSG: it was not this stack, -ERANGE: the kernel allows too few
 * (PERF_RATE_MIN). */
#ifndef STAKEOUT_PROBE_AGENT_LOOK_PERF_PROOF_H
#define STAKEOUT_PROBE_AGENT_LOOK_PERF_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int perf_prove(bool excludes_kernel, unsigned char *bytes, size_t size, uint64_t *ret_pause_ns);

#endif
