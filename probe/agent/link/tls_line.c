/* SPDX-License-Identifier: Apache-2.0 */
/* tls_line.c: OpenSSL over two buffers in memory. So it makes no system call on the connection:
 * waiting, deadlines and MSG_NOSIGNAL stay http_client.c's, and a descriptor that is not ours any
 * more is never written to. */
#include "probe/agent/link/tls_line.h"

#include "probe/agent/base/fork_gate.h"
#include "probe/agent/link/tls_library.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int fail(struct tls_line *line, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct tls_line *line, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(line->why, sizeof line->why, format, args);
    va_end(args);
    return rc;
}

static const char *reason(const struct tls_library *openssl)
{
    const char *says = openssl->ERR_reason_error_string(openssl->ERR_peek_last_error());

    return says ? says : "it is not understood";
}

/* --- the context: what we trust, and who we are --- */

/* Or OpenSSL would ask on the host's terminal. */
static int no_password(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer, (void)size, (void)is_writing, (void)context;
    return 0;
}

static int load(struct tls_line *line, const struct tls_library *openssl,
                const struct tls_identity *identity)
{
    SSL_CTX *context = line->context;
    const char *key = *identity->key ? identity->key : identity->certificate;

    if (!*identity->ca)
        openssl->SSL_CTX_set_default_verify_paths(context);
    else if (openssl->SSL_CTX_load_verify_locations(context, identity->ca, NULL) != 1)
        return fail(line, -EINVAL, "STAKEOUT_CA '%.100s' holds no certificate in PEM form: %s",
                    identity->ca, reason(openssl));
    if (!*identity->certificate) return 0;
    openssl->SSL_CTX_set_default_passwd_cb(context, no_password);
    if (openssl->SSL_CTX_use_certificate_chain_file(context, identity->certificate) != 1 ||
        openssl->SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return fail(line, -EINVAL, "STAKEOUT_CERT '%.100s' is no certificate with its key: %s",
                    identity->certificate, reason(openssl));
    return 0;
}

static void forget_context(struct tls_line *line, const struct tls_library *openssl)
{
    openssl->SSL_CTX_free(line->context);
    line->context = NULL;
}

static int make_context(struct tls_line *line, const struct tls_library *openssl,
                        const struct tls_identity *identity)
{
    int rc;

    if (line->context) return 0;
    line->context = openssl->SSL_CTX_new(openssl->TLS_client_method());
    if (!line->context) return -ENOMEM;
    openssl->SSL_CTX_ctrl(line->context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    openssl->SSL_CTX_ctrl(line->context, SSL_CTRL_MODE,
                          SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS, NULL);
    openssl->SSL_CTX_set_verify(line->context, SSL_VERIFY_PEER, NULL);
    rc = load(line, openssl, identity);
    if (rc < 0) forget_context(line, openssl);
    return rc;
}

/* --- a connection --- */

static bool is_address(const char *host)
{
    struct in6_addr room;

    return inet_pton(AF_INET, host, &room) == 1 || inet_pton(AF_INET6, host, &room) == 1;
}

/* Whose certificate it must be; a name is also told to the server, which may have several. */
static int expect(struct tls_line *line, const struct tls_library *openssl, const char *host)
{
    X509_VERIFY_PARAM *verify = openssl->SSL_get0_param(line->ssl);

    if (is_address(host))
        return openssl->X509_VERIFY_PARAM_set1_ip_asc(verify, host) == 1 ? 0 : -ENOMEM;
    openssl->SSL_ctrl(line->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                      (void *)(uintptr_t)host);
    return openssl->X509_VERIFY_PARAM_set1_host(verify, host, 0) == 1 ? 0 : -ENOMEM;
}

static int begin(struct tls_line *line, const struct tls_library *openssl,
                 const struct tls_identity *identity, const char *host)
{
    int rc = make_context(line, openssl, identity);

    if (rc < 0) return rc;
    line->ssl = openssl->SSL_new(line->context);
    line->in = openssl->BIO_new(openssl->BIO_s_mem());
    line->out = openssl->BIO_new(openssl->BIO_s_mem());
    if (!line->ssl || !line->in || !line->out) return -ENOMEM;
    openssl->SSL_set_bio(line->ssl, line->in, line->out); /* they are its from here on */
    openssl->SSL_set_connect_state(line->ssl);
    return expect(line, openssl, host);
}

/* --- the door: no fork while a thread of ours is in OpenSSL, whose locks the child would inherit,
 * and the host's own use of it with them --- */

static const struct tls_library *enter(void)
{
    const struct tls_library *openssl = tls_library_find();

    if (!openssl) return NULL;
    fork_gate_enter_late();
    openssl->ERR_clear_error();
    return openssl;
}

int tls_line_begin(struct tls_line *line, const struct tls_identity *identity, const char *host)
{
    const struct tls_library *openssl = enter();
    int rc;

    line->why[0] = '\0';
    if (!openssl)
        return fail(line, -ENOPKG,
                    "https needs OpenSSL 3, and libssl.so.3 is not there, or not yet");
    rc = begin(line, openssl, identity, host);
    fork_gate_leave();
    return rc;
}

void tls_line_end(struct tls_line *line)
{
    const struct tls_library *openssl = line->ssl ? enter() : NULL;

    if (openssl) {
        openssl->SSL_free(line->ssl);
        fork_gate_leave();
    }
    line->ssl = line->in = line->out = NULL;
}

void tls_line_done(struct tls_line *line)
{
    const struct tls_library *openssl;

    tls_line_end(line);
    openssl = line->context ? enter() : NULL;
    if (!openssl) return;
    forget_context(line, openssl);
    fork_gate_leave();
}

/* What a function of OpenSSL said: -EAGAIN, 0 at the end, or a failure. */
static int judge(struct tls_line *line, const struct tls_library *openssl, int rc)
{
    int error = openssl->SSL_get_error(line->ssl, rc);
    long verdict = openssl->SSL_get_verify_result(line->ssl);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return -EAGAIN;
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    if (verdict != X509_V_OK)
        return fail(line, -EKEYREJECTED, "its certificate is not acceptable: %s",
                    openssl->X509_verify_cert_error_string(verdict));
    return fail(line, -EPROTO, "it does not agree on TLS: %s", reason(openssl));
}

/* After a failure the files are read again at the next try: they may have been renewed. */
int tls_line_shake(struct tls_line *line)
{
    const struct tls_library *openssl = line->ssl ? enter() : NULL;
    int rc;

    if (!openssl) return -EPROTO;
    rc = openssl->SSL_do_handshake(line->ssl);
    rc = rc == 1 ? 1 : judge(line, openssl, rc);
    if (rc != 1 && rc != -EAGAIN) forget_context(line, openssl);
    fork_gate_leave();
    if (rc == 1) return 0;
    return rc == 0 ? -EPROTO : rc;
}

static int part_of(size_t size)
{
    return size > INT_MAX ? INT_MAX : (int)size;
}

ssize_t tls_line_read(struct tls_line *line, void *data, size_t size)
{
    const struct tls_library *openssl = line->ssl ? enter() : NULL;
    int got;

    if (!openssl) return -EPROTO;
    got = openssl->SSL_read(line->ssl, data, part_of(size));
    if (got <= 0) got = judge(line, openssl, got);
    fork_gate_leave();
    return got;
}

ssize_t tls_line_write(struct tls_line *line, struct text data)
{
    const struct tls_library *openssl = line->ssl ? enter() : NULL;
    int put;

    if (!openssl) return -EPROTO;
    put = openssl->SSL_write(line->ssl, data.data, part_of(data.size));
    if (put <= 0) put = judge(line, openssl, put);
    fork_gate_leave();
    return put;
}

size_t tls_line_take(struct tls_line *line, void *data, size_t size)
{
    const struct tls_library *openssl = line->ssl ? enter() : NULL;
    int got;

    if (!openssl) return 0;
    got = openssl->BIO_read(line->out, data, part_of(size));
    fork_gate_leave();
    return got > 0 ? (size_t)got : 0;
}

int tls_line_feed(struct tls_line *line, struct text data)
{
    const struct tls_library *openssl = line->ssl ? enter() : NULL;
    int put;

    if (!openssl) return -EPROTO;
    put = openssl->BIO_write(line->in, data.data, part_of(data.size));
    fork_gate_leave();
    return put == part_of(data.size) ? 0 : -ENOMEM;
}
