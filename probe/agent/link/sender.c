/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/sender.h"

#include "common/base/own.h"
#include "common/model/task_event.h"
#include "probe/agent/engine/sampler.h"
#include "probe/agent/link/facts.h"
#include "probe/agent/link/poller.h"
#include "probe/agent/link/reporter.h"

#include <errno.h>
#include <stdlib.h>

enum { SEND_TIMEOUT_S = 10 };

int sender_init(struct sender *sender, const struct sender_options *options)
{
    static const struct pulse_source sampler = {
        .interfaces = sampler_interfaces,
        .ledgers = sampler_ledgers,
        .interfaces_acknowledged = sampler_interfaces_acknowledged,
        .release = sampler_release,
    };
    struct reporter_options reporter = { .settings = options->settings,
                                         .incarnation = options->incarnation,
                                         .settle = sampler_settle };

    *sender = (struct sender){ .options = *options, .started_ns = clock_monotonic_ns() };
    task_log_init(&sender->log, options->settings, options->incarnation, options->event_sequence);
    sender->reporter = reporter_new(&reporter);
    if (!sender->reporter) return -ENOMEM;
    return pulser_init(&sender->pulser, &sampler, options->pulse_sequence);
}

void sender_done(struct sender *sender)
{
    sender->reporter = reporter_free(sender->reporter);
    pulser_done(&sender->pulser);
    task_log_done(&sender->log);
}

static void find_host_ip(struct sender *sender)
{
    host_address_find(text_of(sender->uplink.client.local_ip), sender->host_ip);
}

void sender_open(struct sender *sender)
{
    uplink_init(&sender->uplink, &(struct uplink_options){ .settings = sender->options.settings,
                                                           .purpose = "reports",
                                                           .cut_ns = sender->options.cut_ns,
                                                           .wake_fd = -1 });
    find_host_ip(sender);
}

void sender_close(struct sender *sender)
{
    uplink_done(&sender->uplink);
}

/* ---- words ---- */

static int post(struct sender *sender, const char *path, struct text body, struct text *ret)
{
    struct http_request request = { .path = path,
                                    .body = body,
                                    .timeout_ns = SEND_TIMEOUT_S * NS_PER_S };

    return uplink_post(&sender->uplink, &sender->words, &request, ret);
}

static int distrust(struct sender *sender, const char *why)
{
    return uplink_distrust(&sender->uplink, &sender->words, why);
}

static int send_events(struct sender *sender)
{
    OWN(buf_done) struct buf body = BUF_INIT(LOG_SIZE_MAX);
    int rc = task_log_body(&sender->log, &body);
    struct text answer;

    if (rc == -ENODATA) return 0;
    if (rc == 0) rc = post(sender, "/probe/v1/log", buf_peek(&body), &answer);
    if (rc == -ENOMEM) return distrust(sender, "there is no memory");
    if (rc == -EAGAIN) return rc;
    task_log_settle(&sender->log, rc == 0);
    return 0;
}

static struct pulse_moment moment_now(const struct sender *sender)
{
    return (struct pulse_moment){ .now_ns = clock_monotonic_ns(),
                                  .has_active_task = poller_has_active_task(sender->options.poller),
                                  .is_last = sender->is_last };
}

static void gather_facts(struct sender *sender, struct facts *ret)
{
    find_host_ip(sender);
    facts_gather(
        &(struct facts_options){
            .settings = sender->options.settings,
            .incarnation = sender->options.incarnation,
            .started_ns = sender->started_ns,
            .own_cpu_ns = clock_thread_cpu_ns() + poller_cpu_ns(sender->options.poller),
            .own_size = sender->options.own_size + reporter_size(sender->reporter),
            .events_lost = task_log_lost(&sender->log),
            .host_ip = sender->host_ip,
            .is_last = sender->is_last,
        },
        ret);
}

/* One body of the reading. Returns 0, -ENODATA when there is none left, or as uplink_post(). */
static int send_pulse(struct sender *sender)
{
    struct text body, answer;
    struct facts facts;
    int rc;

    if (!sender->pulser.is_under_way) return -ENODATA;
    gather_facts(sender, &facts);
    rc = pulser_body(&sender->pulser, &facts.head, &body);
    if (rc == -ENODATA) return rc;
    if (rc < 0) return distrust(sender, "a pulse cannot be encoded");
    rc = post(sender, "/probe/v1/pulse", body, &answer);
    if (rc == -EBADMSG) {
        pulser_refuse(&sender->pulser);
        return 0;
    }
    if (rc == 0 && pulser_answer(&sender->pulser, answer) < 0)
        return distrust(sender, "its answer to a pulse cannot be read");
    return rc;
}

static int send_reading(struct sender *sender)
{
    int rc = 0;

    while (rc == 0) {
        rc = send_pulse(sender);
    }
    return rc == -ENODATA ? 0 : rc;
}

/* Events, then the counts, which say what became of the reports. */
static int send_words(struct sender *sender)
{
    struct pulse_moment moment;
    int rc = send_events(sender);

    if (rc < 0) return rc;
    moment = moment_now(sender);
    pulser_read(&sender->pulser, &moment);
    return send_reading(sender);
}

/* ---- reports ---- */

void sender_encode(struct sender *sender)
{
    struct event thinned = { .event = TASK_EVENT_THINNED };

    thinned.count = reporter_encode(sender->reporter, sender->host_ip, &thinned.task);
    if (thinned.count > 0) task_log_add(&sender->log, &thinned);
}

static int send_reports(struct sender *sender)
{
    int rc = 0;

    while (rc == 0) {
        rc = reporter_send(sender->reporter, &sender->uplink);
    }
    return rc == -ENODATA ? 0 : rc;
}

/* ---- both ---- */

void sender_send(struct sender *sender)
{
    uint64_t now_ns = clock_monotonic_ns();
    int reports = -EAGAIN, words = -EAGAIN;

    if (uplink_is_ready(reporter_lane(sender->reporter), now_ns)) reports = send_reports(sender);
    if (uplink_is_ready(&sender->words, now_ns)) words = send_words(sender);
    sender->reports_are_behind = reports < 0;
    sender->words_are_behind = words < 0;
}

static uint64_t earlier(uint64_t left_ns, uint64_t right_ns)
{
    return left_ns < right_ns ? left_ns : right_ns;
}

/* What is behind waits until its lane has rested, which may be over by now: then there is no
 * waiting. */
uint64_t sender_next_ns(const struct sender *sender)
{
    struct pulse_moment moment = moment_now(sender);
    uint64_t at_ns = pulser_next_ns(&sender->pulser, &moment);
    uint64_t reports_ns = reporter_lane(sender->reporter)->retry_at_ns;
    uint64_t words_ns = sender->words.retry_at_ns;

    if (at_ns < words_ns) at_ns = words_ns;
    if (sender->reports_are_behind && reports_ns != 0) at_ns = earlier(at_ns, reports_ns);
    if (sender->words_are_behind && words_ns != 0) at_ns = earlier(at_ns, words_ns);
    return at_ns;
}

void sender_hurry(struct sender *sender)
{
    uplink_hurry(&sender->words);
    uplink_hurry(reporter_lane(sender->reporter));
}

void sender_flush(struct sender *sender)
{
    sender_encode(sender);
    send_reports(sender);
    if (send_reading(sender) < 0) return;
    sender->is_last = true;
    send_words(sender);
}
