/* SPDX-License-Identifier: Apache-2.0 */
/* link.c: two threads and what passes between them, the sampler and the host.
 *
 *     host                stakeout-link                    stakeout-poll        stakeout-sample
 *     start ----starts--> separate descriptors
 *           <---started-- sampler_start() ----------------------------------------> runs
 *                         poll thread -------------------> long poll
 *                              <-- tasks changed ----------- set_tasks ---------->
 *                              <-- sample, event ---------------------------------
 *     stop -----cut_ns---> eventfd ----------------------> ends
 *                         sampler_stop() ----------------------------------------> ends
 *                         flush until the cut
 *           <---joined---
 *
 * The host's threads have another descriptor table than ours, so that they cannot wake a poll(2)
 * of ours by a descriptor: they set cut_ns and signal a condition variable. stakeout-link waits on
 * that, and where it is in poll(2) instead it looks at cut_ns every 20 ms (http_client.c).
 * stakeout-poll, which may be parked for 30 s, is woken by stakeout-link (poller.c).
 *
 * INVARIANTS
 *
 * (1) Nobody waits on the network with the lock held, nor calls the sampler with it.
 * (2) Everything that stakeout-link waits for ends at cut_ns at the latest.
 * (3) A task ends by itself at ends_monotonic_ns: what the scheduler said last holds while it is
 *     away, and not longer. */
#include "probe/agent/link/link.h"

#include "common/base/log.h"
#include "common/model/task_event.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/base/invariant.h"
#include "probe/agent/base/thread.h"
#include "probe/agent/engine/sampler.h"
#include "probe/agent/link/host_threads.h"
#include "probe/agent/link/poller.h"
#include "probe/agent/link/reporter.h"
#include "probe/agent/link/sender.h"
#include "probe/agent/names/data_namer.h"
#include "probe/agent/names/descriptors.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { STOP_GRACE_MS = 300 }; /* for the threads to end behind the deadline, on a busy machine */

#define HOST_LOOK_NS NS_PER_S /* how often it is asked whether the host is still there */
#define LEAVE_NS     NS_PER_S /* to report, once it is not */

/* More than a link that cannot be asked any more may still have used. */
#define SEQUENCE_LEAP (UINT64_C(1) << 32)

enum link_state { LINK_STARTING, LINK_RUNS, LINK_FAILED, LINK_OVER };

struct link {
    struct settings settings;
    struct link_identity *identity; /* the agent's; written when the threads have ended */
    _Atomic uint64_t cut_ns;        /* UINT64_MAX; or, once stopping, when all must be over */
    _Atomic bool is_over;           /* both threads have ended */
    _Atomic bool is_off;            /* as the scheduler said last */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* with the lock: any of the next */
    enum link_state state;
    int start_rc;
    bool has_work;           /* a sample, an event, new tasks */
    bool has_seen_scheduler; /* a poll was answered: do not rest any longer */

    struct poller poller;          /* stakeout-link starts and stops it */
    struct sender sender;          /* stakeout-link's, but for what it lets others add */
    struct data_namer *data_namer; /* the sampler's thread */
    int host_nice;                 /* stakeout-link's */
};

static bool is_stopping(const struct link *link)
{
    return atomic_load_explicit(&link->cut_ns, memory_order_relaxed) != UINT64_MAX;
}

static void wake(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    link->has_work = true;
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

/* ---- what the other threads say ---- */

static void on_sample(void *context, struct sample *take_sample)
{
    struct link *link = context;

    if (reporter_add(link->sender.reporter, take_sample)) wake(link);
}

static void on_event(void *context, const struct task_id *task, uint32_t event, const char *detail,
                     uint64_t count)
{
    struct event line = { .task = *task, .event = event, .count = count };
    struct link *link = context;

    snprintf(line.detail, sizeof line.detail, "%s", detail ? detail : "");
    task_log_add(&link->sender.log, &line);
    if (event == TASK_EVENT_DISARMED) pulser_hasten(&link->sender.pulser);
    wake(link);
}

/* On the poll's thread, like the next. */
static void on_refusal(void *context, const struct task_id *task, const char *why)
{
    on_event(context, task, TASK_EVENT_REFUSED, why, 1);
}

/* What an operator said goes before what the process was started with. */
static void on_settings(void *context, const struct poller_settings *settings)
{
    struct link *link = context;
    const struct settings *own = &link->settings;

    sampler_set_budget(
        settings->budget_core_ppm != 0 ? settings->budget_core_ppm : own->budget_core_ppm,
        settings->budget_thread_ppm != 0 ? settings->budget_thread_ppm : own->budget_thread_ppm);
    if (atomic_exchange_explicit(&link->is_off, settings->is_off, memory_order_relaxed) ==
        settings->is_off)
        return;
    log_event(LOG_INFO, "probe: switched by the scheduler",
              LOG_STRING("to", settings->is_off ? "off" : "on"));
    sampler_switch(!settings->is_off);
    pulser_hasten(&link->sender.pulser);
}

static void on_poll_answer(void *context)
{
    struct link *link = context;

    pthread_mutex_lock(&link->lock);
    link->has_seen_scheduler = link->has_work = true;
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

static size_t name_data(void *context, uint64_t address, char *ret, size_t ret_size)
{
    struct link *link = context;

    return data_namer_find(link->data_namer, address, ret, ret_size);
}

/* ---- stakeout-link ---- */

/* Waits for work, for the next moment, for one to look around, or for the end. */
static void await_work(struct link *link)
{
    uint64_t next_ns = sender_next_ns(&link->sender), look_ns = clock_monotonic_ns() + HOST_LOOK_NS;
    struct timespec until = ns_to_timespec(next_ns < look_ns ? next_ns : look_ns);
    int rc = 0;

    pthread_mutex_lock(&link->lock);
    while (!link->has_work && rc == 0 && !is_stopping(link)) {
        rc = pthread_cond_timedwait(&link->changed, &link->lock, &until);
    }
    link->has_work = false;
    if (link->has_seen_scheduler) sender_hurry(&link->sender);
    link->has_seen_scheduler = false;
    pthread_mutex_unlock(&link->lock);
}

/* The host's threads have all ended, and wait for ours: they end as stakeout_stop() would have it,
 * the last of them ends the process, as the last thread of any does. */
static void leave(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    if (!is_stopping(link))
        atomic_store_explicit(&link->cut_ns, clock_monotonic_ns() + LEAVE_NS, memory_order_relaxed);
    pthread_mutex_unlock(&link->lock);
}

static void serve(struct link *link)
{
    while (!is_stopping(link) && !invariant_broken()) {
        await_work(link);
        filters_heed(0);
        if (host_threads_have_ended()) leave(link);
        sender_encode(&link->sender);
        sender_send(&link->sender);
    }
}

/* An invariant broke: says so, and waits for stakeout_stop() without doing anything. */
static void stand_still(struct link *link)
{
    log_event(LOG_ERROR, "probe: switched off, because this does not hold",
              LOG_STRING("invariant", invariant_broken()));
    pthread_mutex_lock(&link->lock);
    while (!is_stopping(link)) {
        pthread_cond_wait(&link->changed, &link->lock);
    }
    pthread_mutex_unlock(&link->lock);
}

static int open_link(struct link *link)
{
    struct sampler_options options = { .context = link,
                                       .on_sample = on_sample,
                                       .on_event = on_event,
                                       .name_data = name_data,
                                       .signal_number = link->settings.signal_number,
                                       .leaves_short_writes = link->settings.leaves_short_writes,
                                       .engine = link->settings.engine };
    struct poller_options poller = { .settings = &link->settings,
                                     .incarnation = link->sender.options.incarnation,
                                     .context = link,
                                     .on_answer = on_poll_answer,
                                     .on_settings = on_settings,
                                     .on_refusal = on_refusal };
    int rc;

    if (descriptors_separate(link->settings.log)) options.thread_files_max = THREAD_FILES_HELD;
    filters_keep_open(descriptors_are_separate());
    sender_open(&link->sender);
    sampler_set_budget(link->settings.budget_core_ppm, link->settings.budget_thread_ppm);
    rc = sampler_start(&options, link->settings.is_statistics_off);
    if (rc < 0) return rc;
    link->host_nice = thread_yield_to_host(); /* the sampler was started before */
    rc = poller_start(&link->poller, &poller);
    descriptors_release_low();
    if (rc < 0) sampler_stop();
    return rc;
}

static void tell_host(struct link *link, enum link_state state, int rc)
{
    pthread_mutex_lock(&link->lock);
    link->state = state;
    link->start_rc = rc;
    pthread_cond_broadcast(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

static void *run_link(void *argument)
{
    struct link *link = argument;
    int rc;

    thread_name("stakeout-link");
    rc = open_link(link);
    tell_host(link, rc == 0 ? LINK_RUNS : LINK_FAILED, rc);
    if (rc == 0) {
        log_event(LOG_INFO, "probe: started", LOG_STRING("application", link->settings.application),
                  LOG_STRING("instance", link->settings.instance),
                  LOG_STRING("server", link->settings.server));
        serve(link);
        thread_catch_up(link->host_nice);
        poller_stop(&link->poller);
        sampler_stop();
        sender_flush(&link->sender);
        if (!is_stopping(link)) stand_still(link);
    }
    sender_close(&link->sender);
    if (rc == 0) tell_host(link, LINK_OVER, 0);
    atomic_store_explicit(&link->is_over, true, memory_order_release); /* touches it no more */
    return NULL;
}

/* ---- for the host's threads ---- */

static void locks_init(struct link *link)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&link->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&link->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct link *link_new(const struct settings *settings, struct link_identity *identity)
{
    struct link *link = calloc(1, sizeof *link);
    struct sender_options sender = { .incarnation = identity->incarnation,
                                     .pulse_sequence = identity->pulse_sequence,
                                     .event_sequence = identity->event_sequence,
                                     .own_size = sizeof *link };

    if (!link) return NULL;
    link->settings = *settings;
    link->identity = identity;
    atomic_init(&link->cut_ns, UINT64_MAX);
    locks_init(link);
    sender.settings = &link->settings;
    sender.poller = &link->poller;
    sender.cut_ns = &link->cut_ns;
    link->data_namer = data_namer_new();
    if (sender_init(&link->sender, &sender) < 0 || !link->data_namer) return link_free(link);
    return link;
}

struct link *link_free(struct link *link)
{
    if (!link) return NULL;
    sender_done(&link->sender);
    data_namer_free(link->data_namer);
    pthread_mutex_destroy(&link->lock);
    pthread_cond_destroy(&link->changed);
    free(link);
    return NULL;
}

static int await_start(struct link *link)
{
    int rc;

    pthread_mutex_lock(&link->lock);
    while (link->state == LINK_STARTING) {
        pthread_cond_wait(&link->changed, &link->lock);
    }
    rc = link->start_rc;
    pthread_mutex_unlock(&link->lock);
    return rc;
}

int link_start(const struct settings *settings, struct link_identity *identity, struct link **ret)
{
    struct link *link = link_new(settings, identity);
    int rc;

    if (!link) return -ENOMEM;
    rc = thread_start(&link->thread, run_link, link);
    if (rc == 0) {
        rc = await_start(link);
        if (rc < 0) pthread_join(link->thread, NULL);
    }
    if (rc < 0) {
        link_free(link);
        return rc;
    }
    *ret = link;
    return 0;
}

/* Until both threads have ended, or are about to. */
static bool await_over(struct link *link, uint64_t last_ns)
{
    struct timespec last = ns_to_timespec(last_ns);
    bool is_over;
    int rc = 0;

    pthread_mutex_lock(&link->lock);
    while (link->state != LINK_OVER && rc == 0 && !filters_have_ended_us()) {
        rc = pthread_cond_timedwait(&link->changed, &link->lock, &last);
    }
    is_over = link->state == LINK_OVER;
    pthread_mutex_unlock(&link->lock);
    return is_over;
}

int link_stop(struct link *link, uint64_t deadline_ns)
{
    pthread_mutex_lock(&link->lock);
    atomic_store_explicit(&link->cut_ns, deadline_ns, memory_order_relaxed);
    pthread_cond_broadcast(&link->changed);
    pthread_mutex_unlock(&link->lock);
    if (!await_over(link, deadline_ns + STOP_GRACE_MS * NS_PER_MS)) {
        pthread_detach(link->thread);
        link->identity->pulse_sequence += SEQUENCE_LEAP;
        link->identity->event_sequence += SEQUENCE_LEAP;
        return -ETIMEDOUT;
    }
    pthread_join(link->thread, NULL);
    link->identity->pulse_sequence = pulse_sequence(link->sender.pulser.pulse);
    link->identity->event_sequence = task_log_sequence(&link->sender.log);
    return 0;
}

/* Descriptors in a table that is shared with the host are copied by fork(). */
void link_forget(struct link *link)
{
    if (descriptors_are_separate()) return;
    http_client_done(&link->sender.uplink.client);
    http_client_done(&link->poller.uplink.client);
}

bool link_is_over(const struct link *link)
{
    return atomic_load_explicit(&link->is_over, memory_order_acquire);
}
