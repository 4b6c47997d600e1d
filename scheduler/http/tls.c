/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c: OpenSSL, under libevent's bufferevent.
 *
 * A context is made anew for each reload, and swapped when it is whole: connections hold theirs.
 *
 * What is chosen, and why:
 *   - TLS 1.2 and 1.3, of the former only suites with forward secrecy and authenticated encryption.
 *   - No sessions, no tickets. Connections are kept for hours, so that little would be saved; a
 *     resumed one would carry a client's certificate past a reload; and they cost memory.
 *   - SSL_MODE_RELEASE_BUFFERS: a parked connection keeps no 16 KB of either direction.
 *   - No renegotiation: it makes a write wait for a read, and so libevent read while a request is
 *     parked.
 *   - Not SSL_MODE_ENABLE_PARTIAL_WRITE: libevent 2.1 goes on with the next piece then.
 *   - A client's certificate is asked for, where there is an authority for it, and not demanded:
 *     who must have one is decided by route (gate.c), or no browser could come in. */
#include "scheduler/http/tls.h"

#include "scheduler/http/http.h"

#include "common/base/check.h"
#include "common/base/own.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SUITES_OF_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls {
    struct http_tls files;
    SSL_CTX *context;
    time_t expires;
};

/* --- files --- */

struct loading {
    SSL_CTX *context;
    char *why;
    size_t why_size;
};

static int refuse(const struct loading *loading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(const struct loading *loading, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (loading->why) vsnprintf(loading->why, loading->why_size, format, args);
    va_end(args);
    ERR_clear_error();
    return -EINVAL;
}

static const char *openssl_says(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "it is not understood";
}

static int check_readable(const struct loading *loading, const char *what, const char *path)
{
    if (access(path, R_OK) == 0) return 0;
    return refuse(loading, "the %s '%s' cannot be read: %s", what, path, strerror(errno));
}

/* Or OpenSSL would ask on the terminal. */
static int no_password(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer, (void)size, (void)is_writing, (void)context;
    return 0;
}

static int load_certificate(const struct loading *loading, const char *path)
{
    if (check_readable(loading, "certificate", path) < 0) return -EINVAL;
    if (SSL_CTX_use_certificate_chain_file(loading->context, path) == 1) return 0;
    return refuse(loading, "'%s' holds no certificate in PEM form: %s", path, openssl_says());
}

static int load_key(const struct loading *loading, const char *path)
{
    SSL_CTX_set_default_passwd_cb(loading->context, no_password);
    if (check_readable(loading, "key", path) < 0) return -EINVAL;
    if (SSL_CTX_use_PrivateKey_file(loading->context, path, SSL_FILETYPE_PEM) != 1)
        return refuse(loading,
                      "'%s' holds no key of this certificate, in PEM form and without a "
                      "password: %s",
                      path, openssl_says());
    return 0;
}

static int load_client_ca(const struct loading *loading, const char *path)
{
    STACK_OF(X509_NAME) * names;

    if (!path) return 0;
    if (check_readable(loading, "client authority", path) < 0) return -EINVAL;
    names = SSL_load_client_CA_file(path);
    if (!names || SSL_CTX_load_verify_file(loading->context, path) != 1)
        return refuse(loading, "'%s' holds no certificate of an authority in PEM form: %s", path,
                      openssl_says());
    SSL_CTX_set_client_CA_list(loading->context, names);
    SSL_CTX_set_verify(loading->context, SSL_VERIFY_PEER, NULL);
    return 0;
}

static time_t expiry_of(SSL_CTX *context)
{
    const ASN1_TIME *end = X509_get0_notAfter(SSL_CTX_get0_certificate(context));
    struct tm moment;

    return ASN1_TIME_to_tm(end, &moment) == 1 ? timegm(&moment) : 0;
}

/* --- contexts --- */

static void context_freep(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

static SSL_CTX *context_new(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    CHECK(context);
    CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
    CHECK(SSL_CTX_set_cipher_list(context, SUITES_OF_1_2) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    return context;
}

static int load(const struct http_tls *files, SSL_CTX **ret, char *ret_why, size_t why_size)
{
    OWN(context_freep) SSL_CTX *context = context_new();
    struct loading loading = { context, ret_why, why_size };

    if (load_certificate(&loading, files->certificate) < 0 ||
        load_key(&loading, files->key ? files->key : files->certificate) < 0 ||
        load_client_ca(&loading, files->client_ca) < 0)
        return -EINVAL;
    *ret = context;
    context = NULL;
    return 0;
}

static char *path_copy(const char *path)
{
    return path && *path ? mem_text(path, strlen(path)) : NULL;
}

int tls_new(const struct http_tls *files, struct tls **ret, char *ret_why, size_t why_size)
{
    struct tls *tls = mem_zalloc(1, sizeof *tls);

    tls->files = (struct http_tls){ path_copy(files->certificate), path_copy(files->key),
                                    path_copy(files->client_ca) };
    if (load(&tls->files, &tls->context, ret_why, why_size) < 0) {
        tls_free(tls);
        return -EINVAL;
    }
    tls->expires = expiry_of(tls->context);
    *ret = tls;
    return 0;
}

struct tls *tls_free(struct tls *tls)
{
    if (!tls) return NULL;
    SSL_CTX_free(tls->context);
    free((char *)tls->files.certificate);
    free((char *)tls->files.key);
    free((char *)tls->files.client_ca);
    free(tls);
    return NULL;
}

/* One that has expired is accepted at a start, where there is no better; not in place of one. */
int tls_reload(struct tls *tls, char *ret_why, size_t why_size)
{
    OWN(context_freep) SSL_CTX *fresh = NULL;
    SSL_CTX *old = tls->context;
    time_t expires;

    if (load(&tls->files, &fresh, ret_why, why_size) < 0) return -EINVAL;
    expires = expiry_of(fresh);
    if (expires <= time(NULL))
        return refuse(&(struct loading){ fresh, ret_why, why_size },
                      "the certificate in '%s' has expired", tls->files.certificate);
    tls->context = fresh;
    tls->expires = expires;
    fresh = old;
    return 0;
}

time_t tls_expires(const struct tls *tls)
{
    return tls->expires;
}

bool tls_wants_certificates(const struct tls *tls)
{
    return tls->files.client_ca != NULL;
}

/* --- connections --- */

struct bufferevent *tls_bufferevent_new(struct tls *tls, struct event_base *base)
{
    SSL *ssl = SSL_new(tls->context);
    struct bufferevent *bev;

    CHECK(ssl);
    /* The descriptor is closed with it: libevent's server sees the option and leaves it alone. */
    bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                         BEV_OPT_CLOSE_ON_FREE);
    CHECK(bev);
    return bev;
}

bool tls_is_shaking_hands(struct bufferevent *bev)
{
    const SSL *ssl = bufferevent_openssl_get_ssl(bev);

    return ssl && !SSL_is_init_finished(ssl);
}

bool tls_has_certificate(struct bufferevent *bev)
{
    const SSL *ssl = bufferevent_openssl_get_ssl(bev);

    return ssl && SSL_get0_peer_certificate(ssl) && SSL_get_verify_result(ssl) == X509_V_OK;
}

void tls_say_goodbye(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);

    if (!ssl || !SSL_is_init_finished(ssl)) return;
    SSL_shutdown(ssl);
    ERR_clear_error();
}

void tls_tell_plain_client(struct bufferevent *bev)
{
    static const char says[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 39\r\nConnection: close\r\n\r\n"
                               "This port is for https:// and no other\n";
    char unread[4096];
    evutil_socket_t fd = bufferevent_getfd(bev);

    if (ERR_GET_REASON(bufferevent_get_openssl_error(bev)) != SSL_R_HTTP_REQUEST) return;
    send(fd, says, sizeof says - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    /* What is left unread would turn the close into a reset, and that would overtake the answer. */
    (void)!recv(fd, unread, sizeof unread, MSG_DONTWAIT);
}

bool tls_send(struct bufferevent *bev, const void *data, size_t size)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    int sent;

    if (!ssl)
        return send(bufferevent_getfd(bev), data, size, MSG_NOSIGNAL | MSG_DONTWAIT) ==
               (ssize_t)size;
    sent = SSL_write(ssl, data, (int)size);
    ERR_clear_error();
    return sent == (int)size;
}
