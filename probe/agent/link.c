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
#include "probe/agent/link.h"

#include "common/base/log.h"
#include "common/base/own.h"
#include "common/base/random.h"
#include "common/model/problem.h"
#include "common/model/task_event.h"
#include "common/wire/messages.h"
#include "probe/agent/data_namer.h"
#include "probe/agent/descriptors.h"
#include "probe/agent/event_queue.h"
#include "probe/agent/facts.h"
#include "probe/agent/host_address.h"
#include "probe/agent/invariant.h"
#include "probe/agent/poller.h"
#include "probe/agent/pulse.h"
#include "probe/agent/reporter.h"
#include "probe/agent/sampler.h"
#include "probe/agent/thread.h"
#include "probe/agent/uplink.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    SEND_TIMEOUT_S = 10,
    STOP_GRACE_MS = 300, /* for the threads to end behind the deadline, on a busy machine */
};

enum link_state { LINK_STARTING, LINK_RUNS, LINK_FAILED, LINK_OVER };

struct link {
    struct settings settings;
    struct link_identity *identity; /* the agent's; written when the threads have ended */
    uint64_t incarnation, started_ns;
    _Atomic uint64_t cut_ns; /* UINT64_MAX; or, once stopping, when all must be over */
    _Atomic bool is_over;    /* both threads have ended */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* with the lock: any of the next */
    enum link_state state;
    int start_rc;
    bool has_work;           /* a sample, an event, new tasks */
    bool has_seen_scheduler; /* a poll was answered: do not rest any longer */
    struct event_queue events;

    /* stakeout-link alone */
    struct poller poller;
    struct uplink sending;
    struct uplink_lane lane; /* of pulses and events; reports have their own */
    struct reporter *reporter;
    struct data_namer *data_namer; /* the sampler's thread */
    struct pulse *pulse;
    uint64_t pulse_at_ns;      /* when the next one is due */
    _Atomic bool is_pulse_due; /* before its time: a task ended; set by the sampler's thread too */
    bool is_reading_sent;      /* the pulse's reading was acknowledged whole */
    bool has_open_books;       /* of a task that is not final yet */
    bool reports_are_behind;   /* some could not be sent */
    bool words_are_behind;     /* neither could events or counts */
    bool is_last;
    int host_nice;
    char host_ip[HOST_IP_SIZE_MAX + 1];
};

static bool is_stopping(const struct link *link)
{
    return atomic_load_explicit(&link->cut_ns, memory_order_relaxed) != UINT64_MAX;
}

static void wake_link(struct link *link)
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

    if (reporter_add(link->reporter, take_sample)) wake_link(link);
}

static void add_event(struct link *link, const struct event *event)
{
    pthread_mutex_lock(&link->lock);
    event_queue_add(&link->events, event, clock_monotonic_ns());
    link->has_work = true;
    if (event->event == TASK_EVENT_DISARMED)
        atomic_store_explicit(&link->is_pulse_due, true, memory_order_relaxed);
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

static void on_event(void *context, const struct task_id *task, uint32_t event, const char *detail,
                     uint64_t count)
{
    struct event line = { .task = *task, .event = event, .count = count };

    snprintf(line.detail, sizeof line.detail, "%s", detail ? detail : "");
    add_event(context, &line);
}

/* On the poll's thread, like the next. */
static void on_refusal(void *context, const struct task_id *task, const char *why)
{
    on_event(context, task, TASK_EVENT_REFUSED, why, 1);
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

/* ---- pulses ---- */

static void add_interface(void *context, const struct interface_statistics *statistics)
{
    pulse_add_interface(context, statistics);
}

static void read_sampler(struct link *link)
{
    struct task_books *books = calloc(SAMPLER_TASKS_MAX, sizeof *books);
    uint32_t count;

    pulse_begin(link->pulse);
    sampler_interfaces(add_interface, link->pulse);
    if (!books) return;
    link->has_open_books = false;
    count = sampler_ledgers(books, SAMPLER_TASKS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        pulse_add_books(link->pulse, &books[i]);
        link->has_open_books = link->has_open_books || !books[i].is_final;
    }
    free(books);
}

/* Is there a task whose counts may change at any moment? */
static bool is_busy(const struct link *link)
{
    return link->has_open_books || poller_has_active_task(&link->poller);
}

static void find_host_ip(struct link *link)
{
    host_address_find(text_of(link->sending.client.local_ip), link->host_ip);
}

static void gather_facts(struct link *link, struct facts *ret)
{
    struct facts_options options = {
        .settings = &link->settings,
        .incarnation = link->incarnation,
        .started_ns = link->started_ns,
        .own_cpu_ns = clock_thread_cpu_ns() + poller_cpu_ns(&link->poller),
        .own_size = sizeof *link + reporter_size(link->reporter),
        .host_ip = link->host_ip,
        .is_last = link->is_last,
    };

    find_host_ip(link);
    pthread_mutex_lock(&link->lock);
    options.events_lost = link->events.lost;
    pthread_mutex_unlock(&link->lock);
    facts_gather(&options, ret);
}

static int post(struct link *link, const char *path, struct text body, struct text *ret)
{
    struct http_request request = { .path = path,
                                    .body = body,
                                    .timeout_ns = SEND_TIMEOUT_S * NS_PER_S };

    return uplink_post(&link->sending, &link->lane, &request, ret);
}

static int read_epoch(struct text body, uint64_t *ret)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_pulse_answer answer;
    struct problem problem;

    if (wire_pulse_answer_decode(body, &arena, &answer, &problem) < 0) return -EPROTO;
    *ret = answer.epoch;
    return 0;
}

/* One body of the reading. Returns 0, -ENODATA when there is none left, or as uplink_post(). */
static int send_body(struct link *link)
{
    struct text body, answer;
    struct facts facts;
    uint64_t epoch;
    int rc;

    gather_facts(link, &facts);
    rc = pulse_body(link->pulse, &facts.head, &body);
    if (rc == -ENODATA) return rc;
    if (rc < 0) return uplink_distrust(&link->sending, &link->lane, "a pulse cannot be encoded");
    rc = post(link, "/probe/v1/pulse", body, &answer);
    if (rc == -EBADMSG) {
        pulse_abandon(link->pulse);
        return 0;
    }
    if (rc == 0 && read_epoch(answer, &epoch) < 0)
        return uplink_distrust(&link->sending, &link->lane, "its answer to a pulse cannot be read");
    if (rc == 0 && pulse_acknowledge(link->pulse, epoch))
        atomic_store_explicit(&link->is_pulse_due, true, memory_order_relaxed);
    return rc;
}

static void finish_reading(struct link *link)
{
    struct task_id final[SAMPLER_TASKS_MAX];
    uint32_t count = pulse_final_tasks(link->pulse, final, SAMPLER_TASKS_MAX);

    link->is_reading_sent = true;
    sampler_interfaces_acknowledged();
    for (uint32_t i = 0; i < count; i++) {
        sampler_release(&final[i]);
    }
}

/* Sends what is left of a reading. */
static int send_reading(struct link *link)
{
    int rc = 0;

    while (!link->is_reading_sent && rc == 0) {
        rc = send_body(link);
        if (rc == -ENODATA) finish_reading(link);
    }
    return rc == -ENODATA ? 0 : rc;
}

/* A new reading if one is due: every 10 s; at a task's end; and every second while there are
 * unfinished tasks, if there is news. */
static void read_if_due(struct link *link)
{
    uint64_t now_ns = clock_monotonic_ns();
    bool is_due;

    if (!link->is_reading_sent) return;
    is_due = atomic_exchange_explicit(&link->is_pulse_due, false, memory_order_relaxed) ||
             link->is_last || now_ns >= link->pulse_at_ns;
    if (!is_due && !is_busy(link)) return;
    read_sampler(link);
    if (!is_due && !pulse_has_news(link->pulse)) return;
    link->is_reading_sent = false;
    link->pulse_at_ns = now_ns + ms_to_ns(PULSE_INTERVAL_MS);
}

/* ---- logs ---- */

static int send_events(struct link *link)
{
    struct wire_log_event events[EVENTS_MAX];
    OWN(buf_done) struct buf body = BUF_INIT(LOG_SIZE_MAX);
    struct wire_log message = {
        .protocol = WIRE_PROTOCOL,
        .application = text_of(link->settings.application),
        .instance = text_of(link->settings.instance),
        .incarnation = link->incarnation,
        .events = events,
    };
    struct text answer;
    int rc;

    /* What is in a batch stays as it is: it can be read without the lock, for which the sampler
     * would have to wait. */
    pthread_mutex_lock(&link->lock);
    message.events_count =
        event_queue_batch(&link->events, clock_monotonic_ns(), events, EVENTS_MAX);
    pthread_mutex_unlock(&link->lock);
    if (message.events_count == 0) return 0;
    rc = wire_log_encode(&message, &body);
    if (rc == 0) rc = post(link, "/probe/v1/log", buf_peek(&body), &answer);
    if (rc == -ENOMEM) return uplink_distrust(&link->sending, &link->lane, "there is no memory");
    if (rc == -EAGAIN) return rc;

    pthread_mutex_lock(&link->lock);
    if (rc < 0) link->events.lost += message.events_count;
    event_queue_acknowledge(&link->events);
    pthread_mutex_unlock(&link->lock);
    return 0;
}

/* ---- stakeout-link ---- */

static void encode_reports(struct link *link)
{
    struct event thinned = { .event = TASK_EVENT_THINNED };

    thinned.count = reporter_encode(link->reporter, link->host_ip, &thinned.task);
    if (thinned.count > 0) add_event(link, &thinned);
}

static int send_reports(struct link *link)
{
    int rc = 0;

    while (rc == 0) {
        rc = reporter_send(link->reporter, &link->sending);
    }
    return rc == -ENODATA ? 0 : rc;
}

/* Events, then the counts, which say what became of the reports. */
static int send_words(struct link *link)
{
    int rc = send_events(link);

    if (rc == 0) read_if_due(link);
    return rc == 0 ? send_reading(link) : rc;
}

/* Everything that waits and may be sent. A scheduler that does not want our reports still hears
 * from us, and the other way round: each lane rests by itself. */
static void send_all(struct link *link)
{
    uint64_t now_ns = clock_monotonic_ns();
    int reports = -EAGAIN, words = -EAGAIN;

    if (uplink_is_ready(reporter_lane(link->reporter), now_ns)) reports = send_reports(link);
    if (uplink_is_ready(&link->lane, now_ns)) words = send_words(link);
    link->reports_are_behind = reports < 0;
    link->words_are_behind = words < 0;
}

static uint64_t earlier(uint64_t left_ns, uint64_t right_ns)
{
    return left_ns < right_ns ? left_ns : right_ns;
}

/* When to look again if nobody says anything. What is behind waits until its lane has rested, which
 * may be over by now: then there is no waiting. */
static uint64_t next_look_ns(struct link *link)
{
    uint64_t now_ns = clock_monotonic_ns(), at_ns = link->pulse_at_ns;
    uint64_t reports_ns = reporter_lane(link->reporter)->retry_at_ns;

    if (atomic_load_explicit(&link->is_pulse_due, memory_order_relaxed)) at_ns = now_ns;
    if (is_busy(link)) at_ns = earlier(at_ns, now_ns + ms_to_ns(PULSE_ACTIVE_INTERVAL_MS));
    if (at_ns < link->lane.retry_at_ns) at_ns = link->lane.retry_at_ns;
    if (link->reports_are_behind && reports_ns != 0) at_ns = earlier(at_ns, reports_ns);
    if (link->words_are_behind && link->lane.retry_at_ns != 0)
        at_ns = earlier(at_ns, link->lane.retry_at_ns);
    return at_ns;
}

static void hurry(struct link *link)
{
    uplink_hurry(&link->lane);
    uplink_hurry(reporter_lane(link->reporter));
}

/* Waits for work, for the next moment, or for the end. */
static void await_work(struct link *link)
{
    uint64_t until_ns = next_look_ns(link);
    struct timespec until = { .tv_sec = (time_t)(until_ns / NS_PER_S),
                              .tv_nsec = (long)(until_ns % NS_PER_S) };
    int rc = 0;

    pthread_mutex_lock(&link->lock);
    while (!link->has_work && rc == 0 && !is_stopping(link)) {
        rc = pthread_cond_timedwait(&link->changed, &link->lock, &until);
    }
    link->has_work = false;
    if (link->has_seen_scheduler) hurry(link);
    link->has_seen_scheduler = false;
    pthread_mutex_unlock(&link->lock);
}

static void serve(struct link *link)
{
    while (!is_stopping(link) && !invariant_broken()) {
        await_work(link);
        encode_reports(link);
        send_all(link);
    }
}

/* What is there is sent, once: a scheduler that does not answer now is not waited for. The last
 * reading is taken after the reports were settled. */
static void flush(struct link *link)
{
    encode_reports(link);
    send_reports(link);
    if (send_reading(link) < 0) return;
    link->is_last = true;
    send_words(link);
}

/* An invariant broke: says so, and waits for stakeout_stop() without doing anything. */
static void stand_still(struct link *link)
{
    log_line(LOG_ERROR, "probe: switched off, because this does not hold: %s", invariant_broken());
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
                                       .signal_number = link->settings.signal_number };
    struct uplink_options uplink = {
        .settings = &link->settings, .purpose = "reports", .cut_ns = &link->cut_ns, .wake_fd = -1
    };
    struct poller_options poller = { .settings = &link->settings,
                                     .incarnation = link->incarnation,
                                     .context = link,
                                     .on_answer = on_poll_answer,
                                     .on_refusal = on_refusal };
    int rc;

    uplink_init(&link->sending, &uplink);
    if (descriptors_separate(link->settings.log)) options.thread_files_max = THREAD_FILES_HELD;
    find_host_ip(link);
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
        log_line(LOG_INFO, "probe: %s as %s, for %s", link->settings.application,
                 link->settings.instance, link->settings.server);
        serve(link);
        thread_catch_up(link->host_nice);
        poller_stop(&link->poller);
        sampler_stop();
        flush(link);
        if (!is_stopping(link)) stand_still(link);
    }
    uplink_done(&link->sending);
    if (rc == 0) tell_host(link, LINK_OVER, 0);
    atomic_store_explicit(&link->is_over, true, memory_order_release); /* touches it no more */
    return NULL;
}

/* ---- for the host's threads ---- */

/* More than a link that cannot be asked any more may still have used. */
#define SEQUENCE_LEAP (UINT64_C(1) << 32)

static struct link *link_new(const struct settings *settings, struct link_identity *identity)
{
    struct link *link = calloc(1, sizeof *link);
    struct reporter_options options = { .settle = sampler_settle };
    pthread_condattr_t attributes;

    if (!link) return NULL;
    link->settings = *settings;
    link->identity = identity;
    link->incarnation = identity->incarnation;
    link->events.sequence = identity->event_sequence;
    link->started_ns = clock_monotonic_ns();
    link->is_reading_sent = true;
    atomic_init(&link->cut_ns, UINT64_MAX);
    pthread_mutex_init(&link->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&link->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    options.settings = &link->settings;
    options.incarnation = link->incarnation;
    link->reporter = reporter_new(&options);
    link->pulse = pulse_new(identity->pulse_sequence);
    link->data_namer = data_namer_new();
    return link->reporter && link->pulse && link->data_namer ? link : link_free(link);
}

struct link *link_free(struct link *link)
{
    if (!link) return NULL;
    reporter_free(link->reporter);
    pulse_free(link->pulse);
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
    struct timespec last = { .tv_sec = (time_t)(last_ns / NS_PER_S),
                             .tv_nsec = (long)(last_ns % NS_PER_S) };
    bool is_over;
    int rc = 0;

    pthread_mutex_lock(&link->lock);
    while (link->state != LINK_OVER && rc == 0) {
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
    link->identity->pulse_sequence = pulse_sequence(link->pulse);
    link->identity->event_sequence = link->events.sequence;
    return 0;
}

/* Descriptors in a table that is shared with the host are copied by fork(). */
void link_forget(struct link *link)
{
    if (descriptors_are_separate()) return;
    http_client_done(&link->sending.client);
    http_client_done(&link->poller.uplink.client);
}

bool link_is_over(const struct link *link)
{
    return atomic_load_explicit(&link->is_over, memory_order_acquire);
}
