/* SPDX-License-Identifier: Apache-2.0 */
/* private.h: what the files of scheduler/http share, and nobody else sees.
 *
 *   listener.c    accepts; survives running out of descriptors
 *   connection.c  one record per connection, and its life
 *   gate.c        sees every byte before libevent does; cutter.c finds where heads end
 *   refusal.c     answers what libevent must not see
 *   sweep.c       deadlines
 *   http.c        routes, dispatch, start and stop
 *   spill.c       bodies that go to a descriptor as they arrive
 *   tls.c         the server's half of TLS
 *   request.c     what a handler reads
 *   answer.c      what a handler writes, parks or streams */
#ifndef STAKEOUT_SCHEDULER_HTTP_PRIVATE_H
#define STAKEOUT_SCHEDULER_HTTP_PRIVATE_H

#include "scheduler/http/admit.h"
#include "scheduler/http/cutter.h"
#include "scheduler/http/http.h"
#include "scheduler/http/route.h"
#include "scheduler/http/spill.h"
#include "scheduler/http/tls.h"

#include "common/base/buf.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <sys/queue.h>

enum {
    ROUTES_MAX = 128,
    CONNECTION_BUCKETS = 4096,
    PIPELINE_MAX = 100,    /* requests of a connection that wait; behind them it is not read */
    READ_SIZE_MAX = 16384, /* bytes of one read(2), or of a record of TLS */
    /* What the gate looks at in one go: libevent may take two records at once. */
    STEP_SIZE_MAX = 2 * READ_SIZE_MAX,
    HELD_SIZE_MAX = STEP_SIZE_MAX + READ_SIZE_MAX, /* and the rest of a record behind it */
    ADDRESS_SIZE_MAX = 46,
    LINGER_MS = 2000,         /* after a refusal, for the client to read it */
    SOON_SIZE_MAX = 65536,    /* so few bytes are written before the loop says that they can be */
    ANSWER_SIZE_FREE = 65536, /* an answer of so few bytes is given even beyond the budget */
};

struct listener;
struct connection;

struct http_request {
    TAILQ_ENTRY(http_request) link; /* in its connection's queue, until libevent has it whole */
    struct http *http;
    struct connection *connection;
    struct evhttp_request *ev; /* NULL until then */
    struct verdict verdict;
    uint64_t began_ns;  /* its first byte */
    uint64_t body_size; /* reserved in http->counts.body_size */
    enum head_method method;
    struct text body;
    struct text fields[HEAD_FIELD_COUNT]; /* of its head, in kept; absent: data NULL */
    void *sink;                           /* of its route, until the handler takes it; or NULL */
    http_gone_fn on_gone;                 /* parked, if not NULL */
    void *gone_context;
    bool is_stream;   /* its answer has begun */
    bool has_headers; /* the handler has given some for its answer */
    char kept[];
};
TAILQ_HEAD(http_requests, http_request);

struct connection {
    TAILQ_ENTRY(connection) link;
    TAILQ_ENTRY(connection) unwritten; /* of http->unwritten, if is_unwritten */
    LIST_ENTRY(connection) bucket;     /* of http->buckets, by bev */
    struct http *http;
    struct bufferevent *bev;
    struct evhttp_connection *ev; /* NULL until the loop's next step after accept */
    struct event *on_stir;        /* while parked: sees the client go */
    struct http_requests queue;   /* accepted by the gate, not yet handled */
    size_t queue_count;
    struct http_request *request; /* being handled or parked; NULL once answered */
    struct cutter cutter;         /* of what comes */
    struct spill *spill;          /* where the body that is coming goes; NULL: to libevent */
    struct buf held;              /* what came behind PIPELINE_MAX requests, not looked at yet */
    uint64_t coming_since_ns;     /* first byte of a request that is not complete; 0: none */
    uint64_t changed_ns;          /* became idle, or its answer was given, or it was refused */
    size_t answer_size;           /* of the answer that libevent is writing */
    bool is_answering;            /* it is writing one */
    bool is_unwritten;            /* and has not begun */
    bool is_feeding;              /* the gate itself is changing the input */
    bool must_close;              /* something unacceptable follows the last in the queue */
    bool is_refused;              /* taken away from libevent, to be closed */
    bool is_blind;                /* parked, with bytes sent ahead: the sweep looks for a close */
    bool is_doomed;               /* to be closed by the reaper */
};

struct bound_route {
    const struct http_route *route;
    void *context;
    size_t fixed_size; /* of its path before the first {name} */
    bool has_params;
};

struct http {
    struct event_base *base;
    struct evhttp *ev;
    struct listener *listener;
    struct tls *tls; /* NULL: plain */
    bool is_loopback, is_plain_anywhere;
    char address[ADDRESS_SIZE_MAX];
    http_identify_fn identify;
    bool (*has_tokens)(void *context);
    bool (*tokens_are_known)(void *context);
    void (*on_answer)(void *context, const struct http_route *route, int status,
                      uint64_t elapsed_ns);
    uint32_t (*on_stranger)(void *context, const struct sockaddr *peer);
    uint32_t (*pace)(void *context, const struct http_identity *identity);
    void *access_context;
    char *public_hosts;
    void *options_context;
    struct http_limits limits;
    struct bound_route routes[ROUTES_MAX];
    size_t route_count;
    TAILQ_HEAD(connections, connection) connections;
    LIST_HEAD(, connection) buckets[CONNECTION_BUCKETS];
    size_t connection_count;
    struct event *adopter; /* gives new connections their evhttp_connection */
    struct event *reaper;  /* closes the doomed ones */
    struct event *writer;  /* writes the answers of one turn of the loop */
    TAILQ_HEAD(, connection) unwritten;
    struct event *sweeper;
    struct event *drainer;  /* closes the listener */
    bool is_socket_given;   /* somebody else listens on it, too */
    struct evbuffer *spare; /* for cutting the end off an input */
    size_t undecided_size;  /* of the input that the gate looks at; invariant 4 of gate.c */
    struct http_counts counts;
    time_t date_at; /* when `date` was written */
    char date[32];  /* as answers say it */
    bool is_draining;
    unsigned char scratch[STEP_SIZE_MAX];
    char brief[HEAD_BRIEF_MAX]; /* what libevent sees of a head */
};

/* listener.c */
int listener_open(struct http *http, uint16_t port, struct listener **ret, char *ret_why,
                  size_t why_size);
/* The same with a socket that listens already, whose address becomes http's. */
int listener_adopt(struct http *http, int fd, struct listener **ret, char *ret_why,
                   size_t why_size);
struct listener *listener_close(struct listener *listener);
void listener_pause(struct listener *listener);  /* too many connections */
void listener_resume(struct listener *listener); /* one has gone */
uint16_t listener_port(const struct listener *listener);

/* connection.c */
struct bufferevent *connection_new(struct event_base *base, void *http); /* evhttp's bevcb */
struct connection *connection_find(struct http *http, struct bufferevent *bev);
void connections_adopt(evutil_socket_t fd, short what, void *http);
void connections_reap(evutil_socket_t fd, short what, void *http);
void connection_doom(struct connection *connection);  /* closed on the loop's next turn */
void connection_watch(struct connection *connection); /* begins and ends looking for a close */
void connection_unwatch(struct connection *connection);
void connection_begin_answer(struct connection *connection, size_t size);
void connection_end_answer(struct connection *connection);
void connection_write_soon(struct connection *connection); /* what is in its output */
void connections_write(evutil_socket_t fd, short what, void *http);

bool connection_is_first_in_line(const struct connection *connection); /* nothing is before it */
bool connection_client_has_gone(const struct connection *connection);
struct http_request *connection_next_request(struct connection *connection); /* its turn */
void connection_drop_requests(struct connection *connection); /* those in the queue */

/* sweep.c */
void connections_sweep(evutil_socket_t fd, short what, void *http);

/* gate.c */
void gate_open(struct connection *connection);
void gate_close(struct connection *connection);
void gate_forget(struct connection *connection); /* what is kept and held: it is refused */
void gate_resume(struct connection *connection); /* a request has had its turn */
/* Around what adds to the input outside of a read: a plain bufferevent's end is frozen then. */
void gate_unlock_input(struct connection *connection);
void gate_lock_input(struct connection *connection);

/* refusal.c */
void refusal_give_now(struct connection *connection, const struct verdict *verdict, bool is_head);
/* Now, or behind what is before it. */
void refusal_give(struct connection *connection, const struct verdict *verdict, bool is_head);
void refusal_give_why(struct connection *connection, int status, const char *why);

/* request.c */
void request_free(struct http_request *request); /* gives its share of the body budget back */

/* answer.c */
struct problem_text {
    int status;
    const char *slug, *title, *detail;
    const char *field; /* may be NULL or empty */
};
void problem_format(struct buf *to, const struct problem_text *problem);
void answer_verdict(struct http_request *request); /* says why it was refused */
void answer_options(struct http_request *request);
const char *status_phrase(int status);

#endif
