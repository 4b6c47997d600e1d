/* SPDX-License-Identifier: Apache-2.0 */
/* resolver.c: getaddrinfo(3) on a thread of its own, which answers over a pair of sockets.
 *
 * Not libevent's evdns: it reads resolv.conf and hosts alone, so that a name that the machine
 * knows otherwise (nsswitch.conf: mDNS, systemd-resolved, LDAP) would be known to everybody but us.
 * Not getaddrinfo_a(3): a look-up that is under way cannot be cancelled, and would have to be
 * remembered until it ends.
 *
 * INVARIANT: the two threads share nothing but the pair. The thread has a copy of the host and its
 * end, and frees and closes them itself, whenever the look-up ends; that may be long after
 * resolver_free() closed the other end, and then nobody hears it. */
#include "scheduler/store/redis/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/check.h"

struct resolver {
    resolved_fn on_resolved;
    void *context;
    int fd;
    struct event *heard;
};

struct inquiry {
    char host[HOST_SIZE_MAX + 1];
    int fd;
};

/* Looking up -------------------------------------------------------------------------------- */

static void take_family(const struct addrinfo *found, int family, struct resolved *ret)
{
    for (const struct addrinfo *it = found; it && ret->count < RESOLVED_MAX; it = it->ai_next) {
        struct resolved_address *address = &ret->addresses[ret->count];

        if (it->ai_family != family || it->ai_addrlen > sizeof(address->as)) continue;
        memcpy(&address->as, it->ai_addr, it->ai_addrlen);
        address->size = it->ai_addrlen;
        ret->count++;
    }
}

static void look_up(const char *host, int flags, struct resolved *ret)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
    struct addrinfo *found = NULL;

    *ret = (struct resolved){ .rc = getaddrinfo(host, NULL, &hints, &found) };
    if (ret->rc != 0) return;
    take_family(found, AF_INET, ret);
    take_family(found, AF_INET6, ret);
    freeaddrinfo(found);
    if (ret->count == 0) ret->rc = EAI_NONAME;
}

int resolve_number(const char *host, struct resolved *ret)
{
    struct resolved resolved;

    look_up(host, AI_NUMERICHOST, &resolved);
    if (resolved.rc != 0) return -1;
    *ret = resolved;
    return 0;
}

static void *inquire(void *context)
{
    struct inquiry *inquiry = context;
    struct resolved resolved;

    look_up(inquiry->host, AI_ADDRCONFIG, &resolved);
    if (resolved.rc == EAI_ADDRFAMILY || resolved.rc == EAI_NONAME) {
        look_up(inquiry->host, 0, &resolved); /* loopback alone counts as no address configured */
    }
    (void)!send(inquiry->fd, &resolved, sizeof(resolved), MSG_NOSIGNAL);
    close(inquiry->fd);
    free(inquiry);
    return NULL;
}

/* Signals are for the loop's thread. */
static int start_thread(struct inquiry *inquiry)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int rc;

    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = pthread_create(&thread, &attributes, inquire, inquiry);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -rc;
}

/* Hearing ----------------------------------------------------------------------------------- */

static void on_heard(evutil_socket_t fd, short what, void *context)
{
    struct resolver *resolver = context;
    struct resolved resolved = { .rc = EAI_AGAIN };
    ssize_t size = recv(fd, &resolved, sizeof(resolved), 0);

    (void)what;
    if (size != (ssize_t)sizeof(resolved)) resolved = (struct resolved){ .rc = EAI_AGAIN };
    resolver->on_resolved(resolver->context, &resolved);
}

struct resolver *resolver_new(const struct resolver_options *options)
{
    struct resolver *resolver;
    struct inquiry *inquiry;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return NULL;
    inquiry = mem_zalloc(1, sizeof(*inquiry));
    snprintf(inquiry->host, sizeof(inquiry->host), "%s", options->host);
    inquiry->fd = pair[1];
    if (start_thread(inquiry) < 0) {
        close(pair[0]);
        close(pair[1]);
        free(inquiry);
        return NULL;
    }
    resolver = mem_zalloc(1, sizeof(*resolver));
    resolver->on_resolved = options->on_resolved;
    resolver->context = options->context;
    resolver->fd = pair[0];
    resolver->heard = event_new(options->base, pair[0], EV_READ, on_heard, resolver);
    CHECK(resolver->heard && event_add(resolver->heard, NULL) == 0);
    return resolver;
}

struct resolver *resolver_free(struct resolver *resolver)
{
    if (!resolver) return NULL;
    event_free(resolver->heard);
    close(resolver->fd);
    free(resolver);
    return NULL;
}
