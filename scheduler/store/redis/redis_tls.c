/* SPDX-License-Identifier: Apache-2.0 */
/* redis_tls.c: OpenSSL's contexts and sessions, and its errors in words.
 *
 * The bytes that are written may lie elsewhere at a second attempt (ACCEPT_MOVING_WRITE_BUFFER),
 * because buffers grow meanwhile. They must be written whole (no ENABLE_PARTIAL_WRITE): libevent
 * hands over several pieces of a buffer one after the other, and takes each that succeeded for
 * done. */
#include "scheduler/store/redis/redis_tls.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/base/check.h"
#include "common/base/own.h"
#include "common/model/problem.h"
#include "scheduler/store/redis/redis_address.h"

enum { WHY_SIZE = 320, SHOWN_PATH_SIZE = 200 };

static bool is_given(const char *path)
{
    return path && *path;
}

static const char *last_error(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;

    ERR_clear_error();
    return reason ? reason : "unknown error";
}

static void context_freep(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

static int load_authorities(SSL_CTX *context, const struct redis_tls_files *files, char *ret_why,
                            size_t why_size)
{
    if (!is_given(files->ca)) {
        SSL_CTX_set_default_verify_paths(context); /* absent ones show as a failed proof */
        return 0;
    }
    if (SSL_CTX_load_verify_locations(context, files->ca, NULL) == 1) return 0;
    snprintf(ret_why, why_size, "the file '%.*s' of 'redis-ca' cannot be used: %s", SHOWN_PATH_SIZE,
             files->ca, last_error());
    return -1;
}

/* One file may hold both. */
static int load_own(SSL_CTX *context, const struct redis_tls_files *files, char *ret_why,
                    size_t why_size)
{
    const char *key = is_given(files->key) ? files->key : files->cert;
    bool has_cert;

    if (!is_given(key)) return 0;
    if (!is_given(files->cert)) {
        snprintf(ret_why, why_size, "'redis-key' needs 'redis-cert'");
        return -1;
    }
    has_cert = SSL_CTX_use_certificate_chain_file(context, files->cert) == 1;
    if (has_cert && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1) return 0;
    snprintf(ret_why, why_size, "the file '%.*s' of '%s' cannot be used: %s", SHOWN_PATH_SIZE,
             has_cert ? key : files->cert,
             has_cert && key == files->key ? "redis-key" : "redis-cert", last_error());
    return -1;
}

static SSL_CTX *context_new(const struct redis_tls_files *files, char *ret_why, size_t why_size)
{
    OWN(context_freep) SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX *ready;

    CHECK(context);
    ERR_clear_error();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (load_authorities(context, files, ret_why, why_size) < 0) return NULL;
    if (load_own(context, files, ret_why, why_size) < 0) return NULL;
    ready = context;
    context = NULL;
    return ready;
}

int redis_tls_check(const struct redis_tls_files *files, struct problem *problem)
{
    char why[WHY_SIZE];
    OWN(context_freep) SSL_CTX *context = context_new(files, why, sizeof(why));

    return context ? 0 : problem_set_field(problem, "redis", "TLS to Redis: %s.", why);
}

/* A name is asked for (SNI) and must be in the certificate; a number must be in it. */
static void expect_host(SSL *session, const char *host)
{
    unsigned char number[sizeof(struct in6_addr)];
    X509_VERIFY_PARAM *expected = SSL_get0_param(session);

    if (inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1) {
        CHECK(X509_VERIFY_PARAM_set1_ip_asc(expected, host) == 1);
        return;
    }
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    CHECK(SSL_set1_host(session, host) == 1);
    SSL_set_tlsext_host_name(session, host);
}

struct bufferevent *redis_tls_stream(struct event_base *base, int fd,
                                     const struct redis_address *address, char *ret_why,
                                     size_t why_size)
{
    OWN(context_freep) SSL_CTX *context = context_new(&address->tls, ret_why, why_size);
    struct bufferevent *stream;
    SSL *session;

    if (!context) return NULL;
    session = SSL_new(context);
    CHECK(session);
    expect_host(session, address->host);
    stream = bufferevent_openssl_socket_new(base, fd, session, BUFFEREVENT_SSL_CONNECTING,
                                            BEV_OPT_CLOSE_ON_FREE);
    CHECK(stream);
    bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    return stream;
}

const char *redis_tls_failure(struct bufferevent *stream)
{
    SSL *session = bufferevent_openssl_get_ssl(stream);
    unsigned long error;
    static char why[WHY_SIZE];
    long verdict;

    if (!session) return NULL;
    verdict = SSL_get_verify_result(session);
    if (verdict != X509_V_OK) {
        snprintf(why, sizeof(why), "its certificate is not accepted: %s",
                 X509_verify_cert_error_string(verdict));
        return why;
    }
    error = bufferevent_get_openssl_error(stream);
    if (!error) return NULL;
    snprintf(why, sizeof(why), "TLS failed: %s", ERR_reason_error_string(error));
    return why;
}
