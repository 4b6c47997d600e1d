/* SPDX-License-Identifier: Apache-2.0 */
/* redis_address.h: where a Redis is, read from a URL.
 *
 *     redis://[[user]:password@]host[:port][/db]       port 6379, db 0
 *     redis+unix://[[user]:password@]/path[?db=n]
 *
 * User, password and path may be percent-encoded. An IPv6 host stands in brackets. Redis over
 * TLS, Sentinel and Cluster are refused with a sentence. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_ADDRESS_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_ADDRESS_H

#include "common/base/text.h"

struct problem;

enum { REDIS_PATH_SIZE_MAX = 107 }; /* bytes: what a socket address has room for */

struct redis_address {
    char path[REDIS_PATH_SIZE_MAX + 1]; /* of a Unix socket; empty: host and port */
    char host[256];
    uint16_t port;
    uint32_t db;
    char user[129]; /* empty: the default user */
    char password[513];
};

/* Returns 0, or -1 with *problem: how a sentence ends that has named the setting and the value,
 * "it must be ..."; nothing of the URL is in it, because that may hold a password. */
int redis_address_parse(struct text url, struct redis_address *ret, struct problem *problem);

#endif
