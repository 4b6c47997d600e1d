/* SPDX-License-Identifier: Apache-2.0 */
/* invariant.h: what stands for CHECK() in the probe, where nothing may abort the host.
 *
 *     if (!INVARIANT(loan->slot < SLOTS)) return;      the caller leaves; the probe switches off
 *
 * The first invariant that breaks is kept. The link sees it, says it in its last pulse and in the
 * log, and stops the probe; the host runs on. Async-signal-safe. Threads: any. */
#ifndef STAKEOUT_PROBE_AGENT_BASE_INVARIANT_H
#define STAKEOUT_PROBE_AGENT_BASE_INVARIANT_H

#include <stdbool.h>

#define INVARIANT_TEXT_(x) #x
#define INVARIANT_TEXT(x)  INVARIANT_TEXT_(x)
#define INVARIANT(x) \
    ((x) ? true : invariant_broke(__FILE_NAME__ ":" INVARIANT_TEXT(__LINE__) ": " #x))

bool invariant_broke(const char *what); /* keeps the first; returns false */

/* What broke; NULL: nothing did. */
const char *invariant_broken(void);

/* For a new start. */
void invariant_forget(void);

#endif
