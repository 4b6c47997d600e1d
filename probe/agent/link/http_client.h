/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h: one kept-alive HTTP/1.1 connection to the scheduler, over poll(2).
 *
 *     struct http_target target;
 *     rc = http_target_parse(text_of("https://scheduler:7411"), &target, why, sizeof why);
 *     struct http_client client;
 *     http_client_init(&client, &(struct http_client_options){ .target = &target, ... });
 *     rc = http_client_post(&client, &request, &answer);       connects when it has to
 *     http_client_done(&client);
 *
 * Every wait has an end: the request's own, a moment that another thread may move nearer
 * (`cut_ns`), or a descriptor that becomes readable (`wake_fd`).
 *
 * Threads: one at a time; the agent's own. SIGPIPE is never raised. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_HTTP_CLIENT_H
#define STAKEOUT_PROBE_AGENT_LINK_HTTP_CLIENT_H

#include "common/base/text.h"
#include "common/model/limits.h"
#include "probe/agent/link/http_answer.h"
#include "probe/agent/link/tls_line.h"
#include "probe/agent/names/name_lookup.h"

enum {
    HTTP_TOKEN_SIZE_MAX = 512,
    HTTP_PORT_DEFAULT = 80,
    HTTPS_PORT_DEFAULT = 443,
};

struct http_target {
    char host[HOST_NAME_SIZE_MAX + 1]; /* without the brackets of an IPv6 address */
    uint16_t port;
    bool is_tls;
};

/* Reads "http://HOST[:PORT][/]", or https. Returns 0; or -EINVAL and one sentence about what is
 * wrong. */
int http_target_parse(struct text url, struct http_target *ret, char *ret_why, size_t why_size);

/* May a token stand in a header? 1 to HTTP_TOKEN_SIZE_MAX visible ASCII characters. */
bool http_token_is_valid(struct text token);

struct http_client_options {
    const struct http_target *target;    /* borrowed, like the next, as long as the client */
    const struct tls_identity *identity; /* for https; likewise */
    const char *token;                   /* "" or NULL: none is sent */
    const _Atomic uint64_t *cut_ns;      /* give up at this monotonic moment; NULL: never */
    int wake_fd;                         /* give up when readable; -1: none */
};

struct http_client {
    struct http_client_options options;
    int fd;                              /* -1: not connected */
    uint64_t fd_identity;                /* descriptors.h */
    struct tls_line tls;                 /* on it, for https; its `why` is for the log */
    uint64_t deadline_ns;                /* of the request under way */
    char local_ip[HOST_IP_SIZE_MAX + 1]; /* of the latest connection; "": none yet */
};

struct http_request {
    const char *path;
    struct text body; /* msgpack */
    uint64_t timeout_ns;
};

void http_client_init(struct http_client *client, const struct http_client_options *options);
void http_client_done(struct http_client *client);

/* Posts, and waits for the whole answer. On a kept connection that turns out to be closed it
 * connects again, once. *ret was initialised by the caller and is reset here.
 *
 * Returns 0 with ret->status, whatever it is; -ECANCELED by wake_fd; -ETIMEDOUT by a deadline;
 * -EHOSTUNREACH and other errors of name_lookup() and connect(2); -EKEYREJECTED and other errors of
 * tls_line.h; -EPROTO or -EMSGSIZE for an answer that is none. After any error the connection is
 * closed. */
int http_client_post(struct http_client *client, const struct http_request *request,
                     struct http_answer *ret);

#endif
