/* SPDX-License-Identifier: Apache-2.0 */
/* access.c: the look-up at the door. What is looked up is a hash, so that a copy of Redis opens
 * nothing.
 *
 * FAILED ATTEMPTS. An address (of IPv6: its network of 64 bits) that came with what is not known
 * has a burst of them, then one every two seconds; beyond that it is told to wait. What is known is
 * let in all the same: behind a proxy all have one address, and nobody may lock the others out. The
 * slowing spares us work and the log; that guessing is hopeless is the tokens' own doing, by their
 * 256 bits.
 *
 * PACE. A token has a rate, whatever address it comes from; sessions count with their token. */
#include "scheduler/access/access.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "scheduler/access/pacer.h"
#include "scheduler/access/scope.h"
#include "scheduler/metrics/metrics.h"
#include "scheduler/store/store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHA256_SIZE = TOKEN_HASH_SIZE / 2, AUDIT_TRIM_S = 60 };

/* Refused logins in the audit log: ten days of them fill it. */
static const struct pace refusal_pace = { .interval_ns = 10 * NS_PER_S, .burst = 20 };

static const struct pace stranger_pace = { .interval_ns = 2 * NS_PER_S, .burst = 10 };

struct access {
    struct store *store;
    struct metrics *metrics;
    struct pacer *strangers, *tokens;
    struct pace pace, probe_pace; /* burst 0: none is kept */
    /* Since the log spoke of it last. */
    uint64_t failed_count, slowed_count;
    char failed_last[INET6_ADDRSTRLEN];
    uint64_t audit_ms, trim_due_ns; /* how long entries are kept; when some go next */
};

/* ------------------------------------------------------------------ roles */

static const struct {
    const char *name;
    enum http_role role;
} roles[] = {
    { "viewer", HTTP_VIEWER },
    { "operator", HTTP_OPERATOR },
    { "probe", HTTP_PROBE },
};

int role_parse(struct text name, enum http_role *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
        if (!text_is_equal(text_of(roles[i].name), name)) continue;
        *ret = roles[i].role;
        return 0;
    }
    return -EINVAL;
}

const char *role_name(enum http_role role)
{
    for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
        if (roles[i].role == role) return roles[i].name;
    }
    return "anyone";
}

/* ------------------------------------------------------------------ who it is */

static int identify_token(struct access *access, struct text hash, struct http_identity *ret)
{
    const struct store_token *token = store_token_find(access->store, hash);
    struct http_identity identity = { .role = HTTP_ANYONE };

    if (!token || role_parse(text_of(token->role), &identity.role) < 0) return -ENOENT;
    store_token_note_use(access->store, token);
    snprintf(identity.name, sizeof identity.name, "%s", token->name);
    identity.scope = scope_ref(token->scope);
    *ret = identity;
    return 0;
}

int access_identify(void *context, const struct http_credential *credential,
                    struct http_identity *ret)
{
    struct access *access = context;
    unsigned char token[SHA256_SIZE];
    char hash[TOKEN_HASH_SIZE + 1];

    memcpy(token, credential->sha256, sizeof token);
    text_to_hex(token, sizeof token, hash);
    if (credential->kind == HTTP_SESSION) {
        const struct store_session *session = store_session_find(access->store, text_of(hash));

        if (!session || text_from_hex(text_of(session->token_hash), token, sizeof token) < 0)
            return -ENOENT;
        store_session_note_use(access->store, session);
        memcpy(hash, session->token_hash, sizeof hash);
    }
    if (identify_token(access, text_of(hash), ret) < 0) return -ENOENT;
    memcpy(ret->token, token, sizeof ret->token);
    return 0;
}

bool access_has_tokens(void *context)
{
    const struct access *access = context;
    const struct store_token *tokens;

    return store_token_list(access->store, &tokens) > 0;
}

bool access_knows_tokens(void *context)
{
    const struct access *access = context;

    return store_tokens_are_known(access->store);
}

/* ------------------------------------------------------------------ how often */

static uint32_t seconds_of(uint64_t wait_ns)
{
    return (uint32_t)((wait_ns + NS_PER_S - 1) / NS_PER_S);
}

/* An IPv4 address; of an IPv6 one its first 64 bits, which one host may have all of. */
static struct pacer_key key_of_peer(const struct sockaddr *peer)
{
    const struct sockaddr_in *v4 = (const void *)peer;
    const struct sockaddr_in6 *v6 = (const void *)peer;
    struct pacer_key key = { { (uint8_t)peer->sa_family } };

    if (peer->sa_family == AF_INET) memcpy(key.bytes + 4, &v4->sin_addr, sizeof v4->sin_addr);
    if (peer->sa_family == AF_INET6) memcpy(key.bytes + 4, &v6->sin6_addr, 8);
    return key;
}

static void note_peer(struct access *access, const struct sockaddr *peer)
{
    const struct sockaddr_in *v4 = (const void *)peer;
    const struct sockaddr_in6 *v6 = (const void *)peer;
    const void *address =
        peer->sa_family == AF_INET6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr;

    if (!inet_ntop(peer->sa_family, address, access->failed_last, sizeof access->failed_last))
        snprintf(access->failed_last, sizeof access->failed_last, "unknown");
}

uint32_t access_on_stranger(void *context, const struct sockaddr *peer)
{
    struct access *access = context;
    struct pacer_key key = key_of_peer(peer);
    uint64_t wait_ns = pacer_take(access->strangers, &key, &stranger_pace, clock_monotonic_ns());

    access->failed_count++;
    access->slowed_count += wait_ns > 0;
    note_peer(access, peer);
    metrics_add(access->metrics, METRIC_ACCESS_FAILED, wait_ns > 0 ? "slowed" : "refused", NULL, 1);
    return seconds_of(wait_ns);
}

uint32_t access_pace(void *context, const struct http_identity *identity)
{
    struct access *access = context;
    bool is_probe = identity->role == HTTP_PROBE;
    const struct pace *pace = is_probe ? &access->probe_pace : &access->pace;
    struct pacer_key key;
    uint64_t wait_ns;

    if (pace->burst == 0) return 0;
    memcpy(key.bytes, identity->token, sizeof key.bytes);
    wait_ns = pacer_take(access->tokens, &key, pace, clock_monotonic_ns());
    if (wait_ns > 0)
        metrics_add(access->metrics, METRIC_ACCESS_PACED, role_name(identity->role), NULL, 1);
    return seconds_of(wait_ns);
}

static void trim_audit(struct access *access)
{
    uint64_t now_ns = clock_monotonic_ns();

    if (now_ns < access->trim_due_ns || !store_is_up(access->store)) return;
    access->trim_due_ns = now_ns + AUDIT_TRIM_S * NS_PER_S;
    store_audit_trim(access->store, access->audit_ms);
}

void access_tick(struct access *access)
{
    trim_audit(access);
    if (access->failed_count == 0) return;
    log_event(LOG_WARN, "somebody came with tokens or sessions that are not known",
              LOG_NUMBER("attempts", access->failed_count),
              LOG_NUMBER("slowed", access->slowed_count),
              LOG_STRING("latest_from", access->failed_last));
    access->failed_count = access->slowed_count = 0;
}

/* ------------------------------------------------------------------ sessions */

struct login {
    access_login_fn then;
    void *context;
    struct access_login made;
};

static void login_end(struct login *login, const struct problem *problem)
{
    login->then(login->context, problem ? NULL : &login->made, problem);
    scope_unref(login->made.identity.scope);
    OPENSSL_cleanse(login->made.secret, sizeof login->made.secret);
    free(login);
}

static void on_put(void *context, const struct problem *problem)
{
    login_end(context, problem);
}

static void hash_text(struct text secret, char ret[TOKEN_HASH_SIZE + 1])
{
    unsigned char digest[SHA256_SIZE];

    CHECK(EVP_Digest(secret.data, secret.size, digest, NULL, EVP_sha256(), NULL) == 1);
    text_to_hex(digest, sizeof digest, ret);
}

static int check_login(struct access *access, struct text hash, struct http_identity *ret,
                       struct problem *problem)
{
    if (!access_has_tokens(access))
        return problem_set(problem, PROBLEM_BAD_REQUEST,
                           "There are no tokens: everybody on this machine is in already.");
    if (identify_token(access, hash, ret) < 0)
        return problem_set(problem, PROBLEM_UNAUTHORIZED,
                           "This token is not known; it may have been revoked.");
    if (ret->role != HTTP_PROBE) return 0;
    return problem_set(problem, PROBLEM_FORBIDDEN,
                       "The token '%s' is a probe's; a session needs a viewer's or an operator's.",
                       ret->name);
}

void access_log_in(struct access *access, struct text token, access_login_fn then, void *context)
{
    struct login *login = mem_zalloc(1, sizeof *login);
    unsigned char bytes[SESSION_SECRET_SIZE / 2];
    struct store_session session = { .hash = "" };
    struct problem problem = { 0 };

    login->then = then;
    login->context = context;
    hash_text(token, session.token_hash);
    if (check_login(access, text_of(session.token_hash), &login->made.identity, &problem) < 0) {
        login_end(login, &problem);
        return;
    }
    CHECK(random_bytes(bytes, sizeof bytes) == 0);
    text_to_hex(bytes, sizeof bytes, login->made.secret);
    OPENSSL_cleanse(bytes, sizeof bytes);
    hash_text(text_of(login->made.secret), session.hash);
    store_session_put(access->store, &session, on_put, login);
}

void access_log_out(struct access *access, const struct http_credential *credential,
                    access_done_fn then, void *context)
{
    struct problem problem = { 0 };
    char hash[TOKEN_HASH_SIZE + 1];

    if (credential->kind != HTTP_SESSION) {
        problem_set(&problem, PROBLEM_BAD_REQUEST, "There is no session to end: none came along.");
        then(context, &problem);
        return;
    }
    text_to_hex(credential->sha256, SHA256_SIZE, hash);
    store_session_end(access->store, text_of(hash), then, context);
}

/* ------------------------------------------------------------------ the audit log */

/* It stands in the program's log in any case. */
static void on_audited(void *context, const struct problem *problem)
{
    (void)context;
    if (problem)
        log_event(LOG_WARN, "an entry of the audit log could not be kept",
                  LOG_STRING("why", problem->detail));
}

void access_audit(struct access *access, const struct store_audit *entry)
{
    log_event(LOG_INFO, "audit", LOG_STRING("what", entry->what), LOG_STRING("who", entry->who),
              LOG_STRING("from", entry->from), LOG_STRING("application", entry->application),
              LOG_STRING("subject", entry->subject), LOG_STRING("detail", entry->detail));
    store_audit_put(access->store, entry, on_audited, access);
}

bool access_may_audit_refusal(struct access *access)
{
    static const struct pacer_key everybody = { { 0 } };

    return pacer_take(access->strangers, &everybody, &refusal_pace, clock_monotonic_ns()) == 0;
}

void access_audit_read(struct access *access, const struct store_audit_query *query,
                       access_audit_fn then, void *context)
{
    store_audit_read(access->store, query, then, context);
}

/* ------------------------------------------------------------------ life */

static struct pace pace_of(uint32_t rate)
{
    if (rate == 0) return (struct pace){ 0 };
    return (struct pace){ .interval_ns = NS_PER_S / rate, .burst = 2 * rate };
}

/* Each is there before it happens: a rate sees the first one as well. */
static void begin_at_zero(struct metrics *metrics)
{
    metrics_add(metrics, METRIC_ACCESS_FAILED, "refused", NULL, 0);
    metrics_add(metrics, METRIC_ACCESS_FAILED, "slowed", NULL, 0);
    for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
        metrics_add(metrics, METRIC_ACCESS_PACED, roles[i].name, NULL, 0);
    }
}

struct access *access_new(const struct access_options *options)
{
    struct access *access = mem_zalloc(1, sizeof *access);

    access->store = options->store;
    access->metrics = options->metrics;
    begin_at_zero(options->metrics);
    access->strangers = pacer_new();
    access->tokens = pacer_new();
    access->pace = pace_of(options->rate);
    access->probe_pace = pace_of(options->probe_rate);
    access->audit_ms = (uint64_t)options->audit_days * 24 * 3600 * 1000;
    return access;
}

struct access *access_free(struct access *access)
{
    if (!access) return NULL;
    pacer_free(access->strangers);
    pacer_free(access->tokens);
    free(access);
    return NULL;
}
