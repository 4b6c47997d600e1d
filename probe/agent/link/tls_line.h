/* SPDX-License-Identifier: Apache-2.0 */
/* tls_line.h: one client's TLS, between bytes and bytes: it has no socket. Who has one carries what
 * tls_line_take() gives to the server, and gives what comes to tls_line_feed().
 *
 *     rc = tls_line_begin(&line, &identity, "scheduler.internal");
 *     while ((rc = tls_line_shake(&line)) == -EAGAIN) ... carry both ways ...
 *     rc = tls_line_write(&line, ...);  rc = tls_line_read(&line, ...);       -EAGAIN: likewise
 *     tls_line_end(&line);                      the same line may begin again
 *     tls_line_done(&line);
 *
 * The server's certificate must be valid, of an authority that we know, and for the name that was
 * asked for. Whatever fails is said in line.why.
 *
 * Threads: one at a time; the agent's own. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_TLS_LINE_H
#define STAKEOUT_PROBE_AGENT_LINK_TLS_LINE_H

#include "common/base/text.h"

#include <sys/types.h>

enum { TLS_WHY_SIZE = 256 };

/* Files in PEM form; "": none. Borrowed as long as the line. */
struct tls_identity {
    const char *ca;          /* who may sign the server's certificate; "": who the system trusts */
    const char *certificate; /* ours, if the server asks for one */
    const char *key;         /* its key; "": it stands in the same file */
};

struct tls_line {
    void *context; /* SSL_CTX; kept over connections, made anew after a failure */
    void *ssl;     /* NULL: not begun */
    void *in, *out;
    char why[TLS_WHY_SIZE]; /* the latest failure; "": none */
};

/* 0; -ENOPKG: OpenSSL is not there; -EINVAL: the files are not acceptable; -ENOMEM. */
int tls_line_begin(struct tls_line *line, const struct tls_identity *identity, const char *host);
void tls_line_end(struct tls_line *line);
void tls_line_done(struct tls_line *line);

/* 0; -EAGAIN; -EKEYREJECTED: the server's certificate is not acceptable; -EPROTO. */
int tls_line_shake(struct tls_line *line);

/* Bytes; 0 of read: the server has ended. -EAGAIN, -EPROTO. */
ssize_t tls_line_read(struct tls_line *line, void *data, size_t size);
ssize_t tls_line_write(struct tls_line *line, struct text data);

size_t tls_line_take(struct tls_line *line, void *data, size_t size);
int tls_line_feed(struct tls_line *line, struct text data);

#endif
