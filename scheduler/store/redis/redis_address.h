/* SPDX-License-Identifier: Apache-2.0 */
/* redis_address.h: where a Redis is, read from a URL.
 *
 *     redis://[[user]:password@]host[:port][/db]       port 6379, db 0
 *     rediss://[[user]:password@]host[:port][/db]      the same over TLS
 *     redis+unix://[[user]:password@]/path[?db=n]
 *     redis+sentinel://[[user]:password@]host[:port],.../name[/db][?sentinel-user=U]
 *                      [?sentinel-password=P]          port 26379; & between two of them
 *     rediss+sentinel://...                            TLS to the Sentinels and the master
 *     redis+cluster://[[user]:password@]host[:port],...      port 6379; some of the nodes
 *     rediss+cluster://...                             TLS to all of them
 *
 * User, password, path and name may be percent-encoded. An IPv6 host stands in brackets. User and
 * password are the master's; the Sentinels' own, if they have some, stand behind the '?'. A Cluster
 * has the database 0 alone; another one is refused. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_ADDRESS_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_ADDRESS_H

#include "common/base/text.h"

struct problem;

enum {
    REDIS_PATH_SIZE_MAX = 107, /* bytes: what a socket address has room for */
    REDIS_SEEDS_MAX = 8,       /* Sentinels, or nodes of a Cluster; three or five are usual */
    REDIS_USER_SIZE_MAX = 128,
    REDIS_PASSWORD_SIZE_MAX = 512,
    REDIS_HOST_SIZE_MAX = 255,
};

enum redis_shape { REDIS_SINGLE, REDIS_SENTINEL, REDIS_CLUSTER };

struct redis_place {
    char host[REDIS_HOST_SIZE_MAX + 1];
    uint16_t port;
};

/* PEM files for TLS, lent as long as the address is used; NULL or empty: none. */
struct redis_tls_files {
    const char *ca;   /* who may sign the server's certificate; none: who the system trusts */
    const char *cert; /* what we show of ourselves */
    const char *key;  /* of that; none: it is in the same file */
};

struct redis_address {
    enum redis_shape shape;
    char path[REDIS_PATH_SIZE_MAX + 1]; /* of a Unix socket; empty: host and port */
    char host[REDIS_HOST_SIZE_MAX + 1]; /* empty with the shapes that find it themselves */
    uint16_t port;
    uint32_t db;
    char user[REDIS_USER_SIZE_MAX + 1]; /* empty: the default user */
    char password[REDIS_PASSWORD_SIZE_MAX + 1];
    bool is_tls;
    struct redis_tls_files tls; /* not of the URL: whoever parsed it adds them */
    bool wants_master;          /* a Redis that is none is left */

    /* REDIS_SENTINEL and REDIS_CLUSTER */
    struct redis_place seeds[REDIS_SEEDS_MAX];
    size_t seed_count;

    /* REDIS_SENTINEL */
    char master[REDIS_USER_SIZE_MAX + 1]; /* the Sentinels' name for it */
    char sentinel_user[REDIS_USER_SIZE_MAX + 1];
    char sentinel_password[REDIS_PASSWORD_SIZE_MAX + 1];
};

/* Returns 0, or -1 with *problem: how a sentence ends that has named the setting and the value,
 * "it must be ..."; nothing of the URL is in it, because that may hold a password. */
int redis_address_parse(struct text url, struct redis_address *ret, struct problem *problem);

/* Takes the password from the first line of a file: there it is in no list of processes and in no
 * environment. Returns 0, or -1 with *problem, a whole sentence. */
int redis_address_read_password(struct redis_address *address, const char *path,
                                struct problem *problem);

#endif
