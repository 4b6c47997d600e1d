/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/uplink.h"

#include "common/base/log.h"
#include "common/base/random.h"
#include "probe/agent/link/problem_detail.h"
#include "probe/agent/link/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void uplink_init(struct uplink *uplink, const struct uplink_options *options)
{
    const struct settings *settings = options->settings;

    *uplink = (struct uplink){ .settings = settings, .purpose = options->purpose };
    uplink->identity = (struct tls_identity){ settings->ca, settings->certificate, settings->key };
    http_client_init(&uplink->client, &(struct http_client_options){
                                          .target = &options->settings->target,
                                          .identity = &uplink->identity,
                                          .token = options->settings->token,
                                          .cut_ns = options->cut_ns,
                                          .wake_fd = options->wake_fd,
                                      });
    http_answer_init(&uplink->answer, UPLINK_ANSWER_SIZE_MAX);
}

void uplink_done(struct uplink *uplink)
{
    http_client_done(&uplink->client);
    http_answer_done(&uplink->answer);
}

static void say_connected(struct uplink *uplink)
{
    if (uplink->is_connected) return;
    uplink->is_connected = true;
    uplink->reason[0] = '\0';
    log_event(LOG_INFO, "link: connected", LOG_STRING("server", uplink->settings->server),
              LOG_STRING("for", uplink->purpose));
}

/* Says it once, until it changes. */
static void say_trouble(struct uplink *uplink, const char *reason)
{
    uplink->is_connected = false;
    if (strcmp(reason, uplink->reason) == 0) return;
    snprintf(uplink->reason, sizeof uplink->reason, "%s", reason);
    log_event(LOG_WARN, "link: not connected; it is tried again",
              LOG_STRING("server", uplink->settings->server), LOG_STRING("for", uplink->purpose),
              LOG_STRING("why", uplink->reason));
}

static int rest(struct uplink *uplink, struct uplink_lane *lane, uint32_t retry_after_s,
                const char *reason)
{
    lane->retry_at_ns =
        clock_monotonic_ns() + backoff_next_ns(&lane->backoff, retry_after_s, random_u64());
    lane->is_ordered = retry_after_s > 0;
    say_trouble(uplink, reason);
    return -EAGAIN;
}

static const char *error_sentence(int rc)
{
    switch (rc) {
    case -EHOSTUNREACH:
        return "its host name has no address, or its host no route";
    case -ELIBACC:
        return "a static program cannot look up host names: give the address";
    case -EPROTO:
        return "what answers there does not speak HTTP/1.1";
    case -EMSGSIZE:
        return "what answers there says too much";
    case -ETIMEDOUT:
        return "no answer in time";
    default:
        return strerrordesc_np(-rc) ? strerrordesc_np(-rc) : "unknown error";
    }
}

static bool is_later(int status)
{
    return status == 408 || status == 429 || status >= 500;
}

/* Taken, as a scheduler says it. A proxy's page of status 200 is not that. */
static bool is_taken(const struct http_answer *answer)
{
    return answer->status == 204 || (answer->status == 200 && answer->is_msgpack);
}

static int judge(struct uplink *uplink, struct uplink_lane *lane, struct text *ret)
{
    const struct http_answer *answer = &uplink->answer;
    char reason[UPLINK_REASON_SIZE];
    size_t size;

    if (is_taken(answer)) {
        backoff_reset(&lane->backoff);
        say_connected(uplink);
        *ret = buf_peek(&answer->body);
        return 0;
    }
    if (answer->status < 300)
        return rest(uplink, lane, 0, "what answers there is no stakeout scheduler");
    size = (size_t)snprintf(reason, sizeof reason, "status %d%s", answer->status,
                            answer->body.size > 0 ? ": " : "");
    size += problem_detail(buf_peek(&answer->body), reason + size, sizeof reason - 1 - size);
    if (reason[size - 1] == '.') size--; /* the line goes on */
    reason[size] = '\0';
    if (is_later(answer->status) || answer->status < 400)
        return rest(uplink, lane, answer->retry_after_s, reason);
    say_trouble(uplink, reason);
    return -EBADMSG;
}

int uplink_post(struct uplink *uplink, struct uplink_lane *lane, const struct http_request *request,
                struct text *ret)
{
    int rc = http_client_post(&uplink->client, request, &uplink->answer);

    lane->retry_at_ns = 0;
    if (rc == -ECANCELED) return rc;
    if (rc < 0)
        return rest(uplink, lane, 0,
                    *uplink->client.tls.why ? uplink->client.tls.why : error_sentence(rc));
    return judge(uplink, lane, ret);
}

int uplink_distrust(struct uplink *uplink, struct uplink_lane *lane, const char *why)
{
    return rest(uplink, lane, 0, why);
}

bool uplink_is_ready(const struct uplink_lane *lane, uint64_t now_ns)
{
    return now_ns >= lane->retry_at_ns;
}

void uplink_hurry(struct uplink_lane *lane)
{
    if (!lane->is_ordered) lane->retry_at_ns = 0;
}
