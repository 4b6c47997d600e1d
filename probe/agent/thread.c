/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/thread.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { THREAD_STACK_SIZE = 256 * 1024, AGENT_NICE = 10 };

int thread_start(pthread_t *ret, void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int rc;

    rc = pthread_attr_init(&attributes);
    if (rc != 0) return -rc;
    pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(ret, &attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -rc;
}

void thread_name(const char *name)
{
    prctl(PR_SET_NAME, name);
}

void thread_yield_to_host(void)
{
    id_t self = (id_t)gettid();

    if (getpriority(PRIO_PROCESS, self) < AGENT_NICE) setpriority(PRIO_PROCESS, self, AGENT_NICE);
}
