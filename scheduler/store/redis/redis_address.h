/* SPDX-License-Identifier: Apache-2.0 */
/* redis_address.h: where a Redis is, read from a URL.
 *
 *     redis://[[user]:password@]host[:port][/db]       port 6379, db 0
 *     rediss://[[user]:password@]host[:port][/db]      the same over TLS
 *     redis+unix://[[user]:password@]/path[?db=n]
 *
 * User, password and path may be percent-encoded. An IPv6 host stands in brackets. Sentinel and
 * Cluster are refused with a sentence. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_ADDRESS_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_ADDRESS_H

#include "common/base/text.h"

struct problem;

enum { REDIS_PATH_SIZE_MAX = 107 }; /* bytes: what a socket address has room for */

/* PEM files for TLS, lent as long as the address is used; NULL or empty: none. */
struct redis_tls_files {
    const char *ca;         /* who may sign the server's certificate; none: who the system trusts */
    const char *cert, *key; /* what we show of ourselves */
};

struct redis_address {
    char path[REDIS_PATH_SIZE_MAX + 1]; /* of a Unix socket; empty: host and port */
    char host[256];
    uint16_t port;
    uint32_t db;
    char user[129]; /* empty: the default user */
    char password[513];
    bool is_tls;
    struct redis_tls_files tls; /* not of the URL: whoever parsed it adds them */
};

/* Returns 0, or -1 with *problem: how a sentence ends that has named the setting and the value,
 * "it must be ..."; nothing of the URL is in it, because that may hold a password. */
int redis_address_parse(struct text url, struct redis_address *ret, struct problem *problem);

/* Takes the password from the first line of a file: there it is in no list of processes and in no
 * environment. Returns 0, or -1 with *problem, a whole sentence. */
int redis_address_read_password(struct redis_address *address, const char *path,
                                struct problem *problem);

#endif
