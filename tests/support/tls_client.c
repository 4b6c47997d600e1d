/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tls_client.h"

#include "tests/support/loopback.h"

#include "common/base/check.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *context_of(const struct tls_call *call)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    CHECK(context && SSL_CTX_load_verify_file(context, call->ca) == 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (call->version_max != 0)
        CHECK(SSL_CTX_set_max_proto_version(context, call->version_max) == 1);
    if (call->certificate)
        CHECK(SSL_CTX_use_certificate_chain_file(context, call->certificate) == 1 &&
              SSL_CTX_use_PrivateKey_file(context, call->certificate, SSL_FILETYPE_PEM) == 1);
    return context;
}

static void read_answer(SSL *ssl, struct tls_answer *ret)
{
    size_t size = 0;
    int got;

    while ((got = SSL_read(ssl, ret->text + size, (int)(sizeof ret->text - 1 - size))) > 0) {
        size += (size_t)got;
    }
    ret->text[size] = '\0';
}

static int talk(SSL *ssl, const struct tls_call *call, struct tls_answer *ret)
{
    if (SSL_connect(ssl) != 1) {
        long verdict = SSL_get_verify_result(ssl);

        snprintf(ret->text, sizeof ret->text, "%s",
                 verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
                                      : ERR_reason_error_string(ERR_peek_error()));
        return -1;
    }
    ret->serial = ASN1_INTEGER_get(X509_get0_serialNumber(SSL_get0_peer_certificate(ssl)));
    SSL_write(ssl, call->request, (int)strlen(call->request));
    read_answer(ssl, ret);
    return 0;
}

int tls_ask(const struct tls_call *call, struct tls_answer *ret)
{
    const char *name = call->name ? call->name : "localhost";
    const struct timeval patience = { .tv_sec = 30 };
    int fd = loopback_connect(call->port), rc;
    SSL_CTX *context = context_of(call);
    SSL *ssl = SSL_new(context);

    CHECK(fd >= 0 && ssl);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL_set_fd(ssl, fd);
    CHECK(SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1);
    *ret = (struct tls_answer){ .serial = -1 };
    ERR_clear_error();
    rc = talk(ssl, call, ret);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    return rc;
}
