/* SPDX-License-Identifier: Apache-2.0 */
/* name_lookup.c: one detached thread per lookup, and a job that the later of the two frees.
 *
 * Caller and thread each hold a reference; whoever drops the last one frees the job, so that
 * neither ever waits for the other. The result is published by `state` (release; the caller's
 * acquire), never by a lock: a fork in between must not leave one taken. */
#include "probe/agent/names/name_lookup.h"

#include "probe/agent/base/filters.h"
#include "probe/agent/base/fork_gate.h"
#include "probe/agent/base/program.h"
#include "probe/agent/base/thread.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOOKUPS_MAX = 4,          /* at once, abandoned ones included */
    LOOKUP_LOOK_NS = 2000000, /* how often the caller looks */
};

enum job_state { JOB_RUNS, JOB_FOUND, JOB_FAILED };

struct job {
    _Atomic int references;
    _Atomic int state; /* written once by the thread, after `found` */
    char host[HOST_NAME_SIZE_MAX + 1];
    uint16_t port;
    struct name_addresses found;
};

static _Atomic int lookup_count;

static void job_unref(struct job *job)
{
    if (atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) == 1) free(job);
}

static int resolve(const char *host, uint16_t port, int flags, struct name_addresses *ret)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = flags | AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    struct name_addresses found = { 0 };
    char service[8];

    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints, &list) != 0) return -EHOSTUNREACH;
    for (struct addrinfo *it = list; it && found.count < NAME_ADDRESSES_MAX; it = it->ai_next) {
        if (it->ai_addrlen > sizeof found.addresses[0]) continue;
        memcpy(&found.addresses[found.count], it->ai_addr, it->ai_addrlen);
        found.sizes[found.count++] = it->ai_addrlen;
    }
    freeaddrinfo(list);
    if (found.count == 0) return -EHOSTUNREACH;
    *ret = found;
    return 0;
}

static void *run_job(void *argument)
{
    struct job *job = argument;
    int rc;

    thread_name("stakeout-name");
    fork_gate_enter_late();
    rc = resolve(job->host, job->port, AI_ADDRCONFIG, &job->found);
    fork_gate_leave();
    atomic_store_explicit(&job->state, rc == 0 ? JOB_FOUND : JOB_FAILED, memory_order_release);
    job_unref(job);
    atomic_fetch_sub_explicit(&lookup_count, 1, memory_order_relaxed);
    return NULL;
}

static int start_thread(struct job *job)
{
    pthread_t thread;
    int rc = thread_start(&thread, run_job, job);

    if (rc == 0) pthread_detach(thread);
    return rc;
}

static bool resolver_is_allowed(void)
{
    return filters_allow(TRIED_sendmmsg) && filters_allow(TRIED_recvmsg) &&
           filters_allow(TRIED_bind) && filters_allow(TRIED_ioctl);
}

static int start_job(const struct name_query *query, struct job **ret)
{
    struct job *job;
    int rc;

    if (strlen(query->host) > HOST_NAME_SIZE_MAX) return -EHOSTUNREACH;
    if (!resolver_is_allowed()) return -EHOSTUNREACH;
    job = calloc(1, sizeof *job);
    if (!job) return -ENOMEM;
    snprintf(job->host, sizeof job->host, "%s", query->host);
    job->port = query->port;
    atomic_init(&job->references, 2);
    rc = start_thread(job);
    if (rc < 0) {
        free(job);
        return rc;
    }
    *ret = job;
    return 0;
}

/* Until the thread has an answer, or the caller's patience ends. */
static int await_job(struct job *job, name_wait_fn wait, void *context)
{
    int rc = 0;

    while (rc == 0 && atomic_load_explicit(&job->state, memory_order_acquire) == JOB_RUNS) {
        nanosleep(&(struct timespec){ .tv_nsec = LOOKUP_LOOK_NS }, NULL);
        rc = wait(context);
    }
    return rc;
}

int name_lookup(const struct name_query *query, name_wait_fn wait, void *context,
                struct name_addresses *ret)
{
    struct job *job = NULL;
    int rc;

    if (resolve(query->host, query->port, AI_NUMERICHOST, ret) == 0) return 0;
    if (program_is_static()) return -ELIBACC; /* it would open libraries: program.h */
    if (atomic_fetch_add_explicit(&lookup_count, 1, memory_order_relaxed) >= LOOKUPS_MAX) {
        atomic_fetch_sub_explicit(&lookup_count, 1, memory_order_relaxed);
        return -EBUSY;
    }
    rc = start_job(query, &job);
    if (rc < 0) {
        atomic_fetch_sub_explicit(&lookup_count, 1, memory_order_relaxed);
        return rc;
    }
    rc = await_job(job, wait, context);
    if (rc == 0 && atomic_load_explicit(&job->state, memory_order_acquire) == JOB_FAILED)
        rc = -EHOSTUNREACH;
    if (rc == 0) *ret = job->found;
    job_unref(job);
    return rc;
}

void name_lookup_forget(void)
{
    atomic_store_explicit(&lookup_count, 0, memory_order_relaxed);
}
