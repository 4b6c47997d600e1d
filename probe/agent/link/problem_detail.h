/* SPDX-License-Identifier: Apache-2.0 */
/* problem_detail.h: the sentence of a refusal, for the log.
 *
 *     size = problem_detail(body, sentence, sizeof sentence - 1);
 *
 * A scheduler refuses with a problem object (RFC 9457), whose member `detail` is for people; the
 * rest says what the status said. What is no such object, a proxy's page, is shown as it begins.
 * Total: any bytes give printable UTF-8. Allocates nothing. Threads: any. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_PROBLEM_DETAIL_H
#define STAKEOUT_PROBE_AGENT_LINK_PROBLEM_DETAIL_H

#include "common/base/text.h"

/* Writes at most `size_max` bytes, cut at a character, and no zero; returns how many. */
size_t problem_detail(struct text body, char *ret, size_t size_max);

#endif
