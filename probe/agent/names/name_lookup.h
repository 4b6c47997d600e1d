/* SPDX-License-Identifier: Apache-2.0 */
/* name_lookup.h: host names to addresses, without ever waiting longer than we are willing to.
 *
 *     struct name_addresses found;
 *     rc = name_lookup(&(struct name_query){ "scheduler.internal", 7411 }, wait, context, &found);
 *
 * getaddrinfo() has no deadline: a dead name server holds it for half a minute. It therefore runs
 * on a thread of its own, which is abandoned when the caller's patience ends; it then finds
 * nobody waiting, frees what it has and goes. Numeric addresses need no thread.
 *
 * Threads: the agent's own (the thread inherits signal mask, priority and descriptor table). */
#ifndef STAKEOUT_PROBE_AGENT_NAMES_NAME_LOOKUP_H
#define STAKEOUT_PROBE_AGENT_NAMES_NAME_LOOKUP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    NAME_ADDRESSES_MAX = 8, /* of one name; further ones are not tried */
    HOST_NAME_SIZE_MAX = 255,
};

struct name_query {
    const char *host;
    uint16_t port;
};

struct name_addresses {
    size_t count;
    socklen_t sizes[NAME_ADDRESSES_MAX];
    struct sockaddr_storage addresses[NAME_ADDRESSES_MAX];
};

/* Asked every few ms while a lookup is under way. Returns 0 to go on, or a -errno to give up. */
typedef int (*name_wait_fn)(void *context);

/* Returns 0 and at least one address, -EHOSTUNREACH for a name without one, what `wait` gave up
 * with, -EBUSY while LOOKUPS_MAX abandoned lookups hang, -ELIBACC in a static program, which can
 * look up no names, or -EAGAIN or -ENOMEM. */
int name_lookup(const struct name_query *query, name_wait_fn wait, void *context,
                struct name_addresses *ret);

/* In a forked child: the parent's lookups are not here. */
void name_lookup_forget(void);

#endif
