/* SPDX-License-Identifier: Apache-2.0 */
/* uplink.h: one connection to the scheduler with its manners: what an answer means, when to try
 * again, and what the log says of it.
 *
 *     rc = uplink_post(&uplink, &lane, &request, &answer);
 *     0         taken; `answer` is the body, until the next post
 *     -EBADMSG  refused for good (4xx): sending it again would change nothing
 *     -EAGAIN   not now: no connection, "try later" (408, 429, 5xx), no answer in time; the
 *               lane rests until retry_at_ns
 *     -ECANCELED  woken
 *
 * The log hears of changes only: connected, unreachable and why, refused and why.
 * Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_UPLINK_H
#define STAKEOUT_PROBE_AGENT_LINK_UPLINK_H

#include "probe/agent/link/backoff.h"
#include "probe/agent/link/http_client.h"

struct settings;

enum {
    UPLINK_REASON_SIZE = 320,
    UPLINK_ANSWER_SIZE_MAX = 512 * 1024, /* 256 tasks with the longest names, and a problem */
};

struct uplink {
    const struct settings *settings;
    const char *purpose; /* for the log: "tasks", "reports" */
    struct tls_identity identity;
    struct http_client client;
    struct http_answer answer;
    char reason[UPLINK_REASON_SIZE]; /* why it rests; "": it does not */
    bool is_connected;               /* the latest post was answered */
};

/* Kinds of requests that rest each for themselves: one report that a scheduler cannot digest must
 * not keep it from hearing that we are alive. */
struct uplink_lane {
    struct backoff backoff;
    uint64_t retry_at_ns; /* 0: now */
    bool is_ordered;      /* by a Retry-After */
};

struct uplink_options {
    const struct settings *settings; /* borrowed as long as the uplink */
    const char *purpose;
    const _Atomic uint64_t *cut_ns; /* see http_client.h; may be NULL */
    int wake_fd;                    /* -1: none */
};

void uplink_init(struct uplink *uplink, const struct uplink_options *options);
void uplink_done(struct uplink *uplink);

int uplink_post(struct uplink *uplink, struct uplink_lane *lane, const struct http_request *request,
                struct text *ret);

/* What was answered cannot be read: rest as after a failure. Returns -EAGAIN. */
int uplink_distrust(struct uplink *uplink, struct uplink_lane *lane, const char *why);

/* Is it time to try? uplink_hurry(): a scheduler that was seen alive elsewhere ends a rest that it
 * did not ask for. */
bool uplink_is_ready(const struct uplink_lane *lane, uint64_t now_ns);
void uplink_hurry(struct uplink_lane *lane);

#endif
