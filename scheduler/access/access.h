/* SPDX-License-Identifier: Apache-2.0 */
/* access.h: the doorman: who may come in, as what, and how often.
 *
 *     struct access *access = access_new(&(struct access_options){ .store = store, ... });
 *     http_start(base, &(struct http_options){ .identify = access_identify, ... });
 *     access_tick(access);                                once a second: the log of who was refused
 *
 * Tokens and sessions are store's; here is what a role's name means, and what http is told of who
 * comes. Once there was a token, a good one is needed, also after the last was revoked: a lock does
 * not open because a key was taken away. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_ACCESS_ACCESS_H
#define STAKEOUT_SCHEDULER_ACCESS_ACCESS_H

#include "common/model/problem.h"
#include "scheduler/http/http.h"
#include "scheduler/store/store.h"

struct access;
struct metrics;

struct access_options {
    struct store *store;
    struct metrics *metrics;
    /* Requests a second that one token may make in the long run, and twice that at once; 0: as many
     * as it likes. A probe's token is shared by many. */
    uint32_t rate, probe_rate;
    uint32_t audit_days; /* how long entries are kept */
};

struct access *access_new(const struct access_options *options);
struct access *access_free(struct access *access);
void access_tick(struct access *access);

/* For http_options. */
int access_identify(void *access, const struct http_credential *credential,
                    struct http_identity *ret);
bool access_has_tokens(void *access);
bool access_knows_tokens(void *access);
uint32_t access_on_stranger(void *access, const struct sockaddr *peer);
uint32_t access_pace(void *access, const struct http_identity *identity);

/* Begins a session for a viewer's or an operator's token, whose secret is given. `then` is called
 * once: later, or before this returns if it is refused. */
enum { SESSION_SECRET_SIZE = 64 };
struct access_login {
    struct http_identity identity;
    char secret[SESSION_SECRET_SIZE + 1]; /* for the cookie alone */
};
typedef void (*access_login_fn)(void *context, const struct access_login *login,
                                const struct problem *problem);
void access_log_in(struct access *access, struct text token, access_login_fn then, void *context);

/* Ends the session that a request came with; problem: it came with none. */
typedef void (*access_done_fn)(void *context, const struct problem *problem);
void access_log_out(struct access *access, const struct http_credential *credential,
                    access_done_fn then, void *context);

/* The audit log: who (whose name and address are known), did what, to what. An entry goes to the
 * program's log at once and to the store, where access_audit_read() finds it. */
void access_audit(struct access *access, const struct store_audit *entry);
/* May a refused login be written there? Of these anybody can make as many as he likes: so few of
 * them are that they cannot wash away what was done. */
bool access_may_audit_refusal(struct access *access);
typedef void (*access_audit_fn)(void *context, const struct store_audit_page *page,
                                const struct problem *problem);
void access_audit_read(struct access *access, const struct store_audit_query *query,
                       access_audit_fn then, void *context);

/* A role by its name, as tokens have it. Returns 0 or -EINVAL. */
int role_parse(struct text name, enum http_role *ret);
const char *role_name(enum http_role role); /* of viewer, operator, probe */

#endif
