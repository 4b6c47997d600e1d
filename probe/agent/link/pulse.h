/* SPDX-License-Identifier: Apache-2.0 */
/* pulse.h: what a pulse carries, in bodies of bounded size that are resent unchanged.
 *
 *     pulse_begin(pulse);                          a new reading
 *     pulse_add_interface(pulse, &statistics);     those that changed stay
 *     pulse_add_books(pulse, &books);
 *     while (pulse_body(pulse, &head, &body) == 0) {
 *         ... post `body`, again and again until it is answered ...
 *         pulse_acknowledge(pulse, answer.epoch);
 *     }
 *
 * A reading that does not fit one body is sent in several, each with a sequence number of its own.
 * All counts are absolute, so that a body that arrives twice adds nothing; the scheduler ignores a
 * sequence that it has. Interfaces are sent if they changed since they were last acknowledged, and
 * all of them after the scheduler's epoch changed: it has forgotten.
 *
 * Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_PULSE_H
#define STAKEOUT_PROBE_AGENT_LINK_PULSE_H

#include "common/base/buf.h"
#include "common/wire/messages.h"
#include "probe/agent/engine/sampler.h"

struct pulse;

/* `sequence`: the latest that this process has used. NULL without memory. */
struct pulse *pulse_new(uint64_t sequence);
struct pulse *pulse_free(struct pulse *pulse);

uint64_t pulse_sequence(const struct pulse *pulse); /* the latest used */

void pulse_begin(struct pulse *pulse);
void pulse_add_interface(struct pulse *pulse, const struct interface_statistics *statistics);
void pulse_add_books(struct pulse *pulse, const struct task_books *books);

/* Did anything change that is worth a pulse before its time? Interfaces, or a task's counts. */
bool pulse_has_news(const struct pulse *pulse);

/* The body that is to be sent now: the one under way, else the next of the reading, for which
 * `head` gives all but sequence and lists of interfaces and ledgers. Points into the pulse.
 * Returns 0; -ENODATA when the reading is sent; -ENOMEM. */
int pulse_body(struct pulse *pulse, const struct wire_pulse *head, struct text *ret);

/* The body under way was answered with this epoch. Returns whether all must be sent anew. */
bool pulse_acknowledge(struct pulse *pulse, uint64_t epoch);

/* The body under way was refused for good, and is not sent again. */
void pulse_abandon(struct pulse *pulse);

/* After the reading was sent whole: tasks whose final figures have arrived. */
uint32_t pulse_final_tasks(const struct pulse *pulse, struct task_id *ret, uint32_t size);

#endif
