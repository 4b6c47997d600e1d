/* SPDX-License-Identifier: Apache-2.0 */
/* tls_client.h: one request over TLS to a server on loopback that closes behind its answer.
 *
 *     tls_ask(&(struct tls_call){ .port = port, .ca = path, .request = "GET ..." }, &answer);
 *
 * Blocking, at most 30 s. */
#ifndef STAKEOUT_TESTS_SUPPORT_TLS_CLIENT_H
#define STAKEOUT_TESTS_SUPPORT_TLS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct tls_call {
    uint16_t port;
    const char *ca;          /* a file: who may sign the server's certificate */
    const char *name;        /* the server's; NULL: localhost */
    const char *certificate; /* a file, ours and its key; NULL: none */
    int version_max;         /* TLS1_2_VERSION and the like; 0: any */
    const char *request;
};

struct tls_answer {
    char text
        [128 *
         1024];  /* the answer, a page of metrics at the most; or of a handshake that failed, why */
    long serial; /* of the server's certificate */
};

/* 0; or -1 where there is no TLS with it. */
int tls_ask(const struct tls_call *call, struct tls_answer *ret);

#endif
