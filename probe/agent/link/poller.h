/* SPDX-License-Identifier: Apache-2.0 */
/* poller.h: the long poll: what the scheduler wants watched, handed to the sampler at once.
 *
 *     rc = poller_start(&poller, &(struct poller_options){ ... });
 *     poller_stop(&poller);                           at once, also out of a parked poll
 *
 * The thread, "stakeout-poll", asks with the version of the tasks that it has; the scheduler
 * answers when that is not the version any more, or after POLL_PARK_MS. While there is no scheduler
 * the tasks that were ordered hold until their own end, and no longer.
 *
 * Threads: start and stop: one at a time. The two readings: any. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_POLLER_H
#define STAKEOUT_PROBE_AGENT_LINK_POLLER_H

#include "common/model/id.h"
#include "probe/agent/link/uplink.h"

#include <pthread.h>

enum { POLL_VERSION_SIZE_MAX = 64 };

struct poller_settings {
    bool is_off;
    uint32_t budget_core_ppm, budget_thread_ppm; /* 0: nothing; UINT32_MAX: no bound */
};

struct poller_options {
    const struct settings *settings; /* borrowed as long as the poller runs */
    uint64_t incarnation;
    void *context;
    void (*on_answer)(void *context); /* on its thread, like the next: the scheduler is there */
    void (*on_refusal)(void *context, const struct task_id *task, const char *why);
    /* What an operator set for the application; with each answer. */
    void (*on_settings)(void *context, const struct poller_settings *settings);
};

struct poller {
    struct poller_options options;
    struct uplink uplink;
    struct uplink_lane lane;
    struct buf body; /* of the request under way; here, so that it is no leak in a forked child */
    char version[POLL_VERSION_SIZE_MAX + 1];
    int wake_fd; /* ends a parked poll; -1 in a table that the host may close */
    pthread_t thread;
    bool is_running;
    _Atomic uint64_t cut_ns; /* 0: end; looked at every 20 ms where there is no wake_fd */
    _Atomic uint64_t cpu_ns;
    _Atomic bool has_active_task;
};

/* Returns 0, or -EAGAIN. The caller has made the descriptor table its own, or not. */
int poller_start(struct poller *poller, const struct poller_options *options);
void poller_stop(struct poller *poller); /* accepts a zeroed struct */

bool poller_has_active_task(const struct poller *poller);
uint64_t poller_cpu_ns(const struct poller *poller); /* of its thread, as of its last answer */

#endif
