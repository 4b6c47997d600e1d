/* SPDX-License-Identifier: Apache-2.0 */
/* http.h: the one door to libevent's HTTP server: routes, requests, answers, limits, tokens.
 *
 *     static const struct http_route routes[] = { { ... } };
 *     http_start(base, &options, &http);  http_add_routes(http, routes, count, context);
 *
 *     static void on_get_task(struct http_request *request, void *context)
 *     {
 *         struct text id = http_param(request, "id");       from "/api/v1/tasks/{id}"
 *         ... http_reply(request, 200, type, body) once, now or later ...
 *     }
 *
 * A handler answers exactly once: at once, or later, after http_park(). A parked request whose
 * client goes away is gone: its on_gone runs, and it must not be answered any more.
 *
 * Everything runs on the one event-loop thread. What a struct text of a request points to lives
 * until the answer. */
#ifndef STAKEOUT_SCHEDULER_HTTP_HTTP_H
#define STAKEOUT_SCHEDULER_HTTP_HTTP_H

#include "common/base/text.h"

#include <time.h>

struct event_base;
struct http;
struct http_request;
struct scope;

enum http_method {
    HTTP_GET = 1,
    HTTP_POST = 2,
    HTTP_DELETE = 4,
    HTTP_PUT = 64, /* as enum head_method has it */
};

/* Who may call a route. Roles: an operator may what a viewer may. */
enum http_role {
    HTTP_ANYONE, /* /healthz, /readyz */
    HTTP_VIEWER,
    HTTP_OPERATOR,
    HTTP_PROBE,
};

typedef void (*http_handler_fn)(struct http_request *request, void *context);

struct http_refusal {
    int status;
    const char *slug, *title; /* as in common/model/problem.def; live as long as the program */
    char detail[640];
};

/* Where large bodies go. The client may do what the route asks for by then, and its handler runs
 * once all of the body went. A body of 0 bytes opens nothing. */
struct http_sink {
    /* The descriptor that it goes to, which does not block and is http's to close; *ret_sink is
     * what http_sink_take() and drop() are given. Or -1, and *ret_why. `context` is the route's. */
    int (*open)(void *context, uint64_t body_size, void **ret_sink, struct http_refusal *ret_why);
    void (*drop)(void *sink); /* the client went away before the handler ran */
};

struct http_route {
    enum http_method method;
    const char *path; /* "/api/v1/tasks/{id}/log": a {name} matches one segment */
    enum http_role role;
    size_t body_size_max; /* 0: no body is accepted */
    http_handler_fn handler;
    const struct http_sink *sink; /* NULL: bodies are held, as far as body_size_max allows */
    bool is_for_all; /* it shows or changes what is of all applications: a scope may not (403) */
};

/* What somebody came with: a token in the Authorization header, or the secret of a session in a
 * cookie. What is known of it is its hash. */
enum http_credential_kind {
    HTTP_NO_CREDENTIAL, /* of "local", or nobody */
    HTTP_TOKEN,
    HTTP_SESSION,
};
struct http_credential {
    enum http_credential_kind kind;
    unsigned char sha256[32];
};

/* The cookie: where the browser's connection is encrypted, the one that nobody else can set. */
#define HTTP_COOKIE        "stakeout_session"
#define HTTP_COOKIE_SECURE "__Host-stakeout_session"

/* What a token is good for. Found by the app's token store. */
struct http_identity {
    enum http_role role;
    char name[65];                     /* the token's; "local" without tokens */
    struct scope *scope;               /* the applications; NULL: all. Its own reference */
    struct http_credential credential; /* what it was found by */
    unsigned char token[32];           /* the token's SHA-256, also of a session */
};

/* Looks it up. Returns 0 and *ret, or -ENOENT. Must not block. */
typedef int (*http_identify_fn)(void *context, const struct http_credential *credential,
                                struct http_identity *ret);
struct sockaddr;

/* Bounds; zero stands for the default of each. Tests make them small. */
struct http_limits {
    size_t connection_count_max; /* default: 32768, and 128 less than the descriptors allow */
    size_t body_budget;          /* bytes of bodies held at once, 64 MB; beyond it: 503 */
    size_t unread_size_max;      /* of a stream, 1 MB */
    size_t answer_budget;        /* bytes of answers that are being read, 256 MB; beyond it: 503 */
    uint32_t request_ms;         /* from a request's first byte to its last, 10 s */
    uint32_t sink_ms;            /* likewise, where the body goes to a sink, 30 minutes */
    uint32_t handshake_ms;       /* of TLS, 10 s */
    uint32_t idle_ms;            /* between requests, 75 s */
    uint32_t answer_ms;          /* to read an answer, 60 s, and as long as its size takes at */
    uint32_t answer_rate;        /* this many bytes per ms, 64 */
    uint32_t sweep_ms;           /* how often these are looked at, 500 ms */
};

/* The files of a server that speaks TLS, all PEM. Read at the start, and by http_reload_tls(). */
struct http_tls {
    const char *certificate; /* the server's, and what stands between it and its authority */
    const char *key;         /* NULL or "": it stands in the same file */
    const char *client_ca;   /* NULL or "": none; otherwise probes must show one of its */
};

struct http_options {
    const char *address; /* numeric; beyond loopback nobody comes in while there are no tokens */
    uint16_t port;       /* 0: any free one */
    int socket;          /* listens already, and stands for both; 0: there is none */
    /* NULL: no tokens are configured; loopback may do everything, as "local". */
    http_identify_fn identify;
    /* Are there any tokens? If not, identify is not asked. */
    bool (*has_tokens)(void *context);
    /* Are they known by now? Until they are, who needs a role is told to try again (503), not
     * that he may not. NULL: always. */
    bool (*tokens_are_known)(void *context);
    /* Somebody came with what is not known. Returns 0, or how many seconds his address must wait
     * from now on (429). May be NULL. */
    uint32_t (*on_stranger)(void *context, const struct sockaddr *peer);
    /* Somebody who is known asks for something. Returns 0: he may; or how many seconds he must
     * wait (429). May be NULL. */
    uint32_t (*pace)(void *context, const struct http_identity *identity);
    void *access; /* the context of these five */
    /* Names, separated by spaces, by which browsers may call this server, beside its addresses. */
    const char *public_hosts; /* NULL: none */
    void *context;
    /* Told once per answered request; may be NULL. */
    void (*on_answer)(void *context, const struct http_route *route, int status,
                      uint64_t elapsed_ns); /* route: NULL if none was found */
    const struct http_limits *limits;       /* NULL: the defaults */
    const struct http_tls *tls;             /* NULL: plain HTTP */
    bool is_plain_anywhere;                 /* plain HTTP may be spoken beyond loopback */
};

/* Binds and listens. Returns 0 or -errno; a sentence about why is in `ret_why` (may be NULL). The
 * program must ignore SIGPIPE: clients go while they are written to. */
int http_start(struct event_base *base, const struct http_options *options, struct http **ret,
               char *ret_why, size_t why_size);
void http_stop(struct http *http);  /* drops what is left; NULL is fine */
void http_drain(struct http *http); /* no new connections; answers carry Connection: close */
uint16_t http_port(const struct http *http);
const char *http_address(const struct http *http); /* where it listens, without the port */
bool http_is_loopback(const struct http *http);    /* it can be reached from this machine alone */

/* Reads the files of TLS again, for connections from now on. If they are not acceptable, those of
 * before stay: -EINVAL and a sentence. */
int http_reload_tls(struct http *http, char *ret_why, size_t why_size);
bool http_is_tls(const struct http *http);
time_t http_tls_expires(const struct http *http); /* the certificate; 0 without TLS */

size_t http_connection_count(const struct http *http);

/* What happened at the door since the start. */
struct http_counts {
    uint64_t accepted;           /* connections */
    uint64_t accept_errors;      /* accept(2) failed: no descriptors, mostly */
    uint64_t refused;            /* requests that no handler saw */
    uint64_t cut;                /* connections closed for being slow, idle or in the way */
    uint64_t handshakes_failed;  /* connections that ended before TLS had begun */
    size_t body_size;            /* bytes of bodies held now */
    size_t answer_size;          /* bytes of answers that are being written now */
    size_t waiting_count;        /* requests that were let in and have not had their turn */
    size_t connection_count_max; /* how many connections may be open */
};
struct http_counts http_counts(const struct http *http);
void http_add_routes(struct http *http, const struct http_route *routes, size_t count,
                     void *context);

/* Every route that was added, in order: for openapi's test and for `Allow`. */
const struct http_route *http_route_at(const struct http *http,
                                       size_t index); /* NULL past the end */

/* For identify functions: compares in constant time. */
bool http_digest_is_equal(const unsigned char left[32], const unsigned char right[32]);

/* The request. Absent: size 0 with data NULL. Values are decoded (percent, plus in queries). */
struct text http_param(struct http_request *request, const char *name);
struct text http_query(struct http_request *request, const char *name);
/* The index-th query parameter: name and value; false past the end. To refuse unknown ones. */
bool http_query_at(struct http_request *request, size_t index, struct text *ret_name,
                   struct text *ret_value);
/* Of those that head.h lists: "Content-Type", "Origin", "Accept-Encoding", "If-None-Match". */
struct text http_header(struct http_request *request, const char *name);
struct text http_body(struct http_request *request);
/* The body is needed no more: before a long wait. It is empty from here on, and costs nothing. */
void http_drop_body(struct http_request *request);
/* What the route's sink made of the body; the handler has it from here on. NULL: no body came. */
void *http_sink_take(struct http_request *request);
struct text http_peer(struct http_request *request); /* the client's numeric address */
const struct http_identity *http_identity_of(struct http_request *request);

/* The answer. Each consumes the request. */
void http_reply(struct http_request *request, int status, const char *content_type,
                struct text body); /* the body is copied */
void http_reply_take(struct http_request *request, int status, const char *content_type, char *body,
                     size_t size); /* the body is adopted and free()d when sent */

/* Adds a header to the answer that follows. */
void http_answer_header(struct http_request *request, const char *name, const char *value);

/* RFC 9457. `field` may be empty or NULL. */
void http_reply_problem(struct http_request *request, int status, const char *slug,
                        const char *title, const char *detail, const char *field);

/* The handler will answer later. If the client closes first, or the server stops, on_gone runs
 * once and the request is no more. */
typedef void (*http_gone_fn)(void *context);
void http_park(struct http_request *request, http_gone_fn on_gone, void *context);
void http_unpark(struct http_request *request); /* it may be answered at once, or parked again */

/* Is what it came with still good for what it asks? For those that were parked, and streams: a
 * token may have been revoked meanwhile. */
bool http_is_still_admitted(struct http_request *request);

/* It brought something that is not known, in its body: as on_stranger of the options. */
uint32_t http_note_stranger(struct http_request *request);

/* Server-sent events: begins an endless answer; http_stream_send() per event. The request is
 * parked by this: on_gone as above. A client that does not read is closed beyond 1 MB. */
void http_stream_begin(struct http_request *request, const char *content_type, http_gone_fn on_gone,
                       void *context);
void http_stream_send(struct http_request *request, struct text chunk); /* copied */
void http_stream_end(struct http_request *request);

#endif
