/* SPDX-License-Identifier: Apache-2.0 */
/* wait_arguments.h: what the arguments of a system call point to: descriptors that are polled, the
 * length of a sleep, the address that is connected to.
 *
 *     if (wait_arguments_describe(&names, &wait, &account)) ...
 *
 * The memory of the host is read without faulting, and believed for the words alone.
 *
 * Threads: the sampler's. Limits: up to POLLED_NAMED_MAX descriptors are named; else counted. */
#ifndef STAKEOUT_PROBE_AGENT_LOOK_WAIT_ARGUMENTS_H
#define STAKEOUT_PROBE_AGENT_LOOK_WAIT_ARGUMENTS_H

#include "probe/agent/look/blocked.h"

enum { POLLED_NAMED_MAX = 3 };

/* Fills ret->kind and ret->waiting_for; false: it is none of these calls. */
bool wait_arguments_describe(const struct blocked_names *names, const struct wait_view *wait,
                             struct wait_account *ret);

#endif
