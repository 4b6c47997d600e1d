/* SPDX-License-Identifier: Apache-2.0 */
/* reporter.h: the way of a sample from the sampler to the scheduler.
 *
 *     on the sampler's thread:   reporter_add(reporter, sample)
 *     on the link's thread:      reporter_encode(reporter, host_ip);
 *                                rc = reporter_send(reporter, uplink);      one report
 *
 * A sample waits as it is until the link's thread names its functions and encodes it; then as
 * bytes until the scheduler acknowledged it. Both together are bounded by
 * REPORTS_QUEUED_SIZE_MAX; what does not fit is settled as CALL_DROP_QUEUE_FULL.
 * Every sample that was added is settled with the sampler, once its fate is known. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_REPORTER_H
#define STAKEOUT_PROBE_AGENT_LINK_REPORTER_H

#include "common/model/sample.h"

struct reporter;
struct settings;
struct settlement;
struct uplink;
struct uplink_lane;

struct reporter_options {
    const struct settings *settings; /* borrowed as long as the reporter */
    uint64_t incarnation;
    void (*settle)(const struct settlement *settlement); /* sampler_settle */
};

struct reporter *reporter_new(const struct reporter_options *options); /* NULL without memory */
struct reporter *reporter_free(struct reporter *reporter);             /* what waits is forgotten */

/* Threads: any; does not block. Returns whether the sample waits now. */
bool reporter_add(struct reporter *reporter, struct sample *take_sample);

/* Names and encodes what waits. Returns how many samples had to be thinned to fit a report, with
 * the task of the latest of them. */
uint32_t reporter_encode(struct reporter *reporter, const char *host_ip,
                         struct task_id *ret_thinned);

/* Posts the first report. Returns 0 (acknowledged, or refused for good: settled either way),
 * -ENODATA when none waits, or what uplink_post() returns. */
int reporter_send(struct reporter *reporter, struct uplink *uplink);

/* When reports may be sent again. */
struct uplink_lane *reporter_lane(struct reporter *reporter);

size_t reporter_size(struct reporter *reporter); /* bytes held, the symbol index included */

#endif
