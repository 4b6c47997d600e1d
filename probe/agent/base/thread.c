/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/base/thread.h"

#include "probe/agent/base/filters.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* We use a few dozen KB; but the host's thread-local variables come out of a thread's stack, too.
 * What is not touched costs nothing but addresses. */
enum { THREAD_STACK_SIZE = 1024 * 1024, AGENT_NICE = 10 };

/* A host with more thread-locals than that gets threads with the host's own stack size. */
static int create(pthread_t *ret, void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    int rc;

    rc = pthread_attr_init(&attributes);
    if (rc != 0) return rc;
    pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
    rc = pthread_create(ret, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    return rc == EINVAL ? pthread_create(ret, NULL, run, argument) : rc;
}

int thread_start(pthread_t *ret, void *(*run)(void *), void *argument)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = create(ret, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

void thread_name(const char *name)
{
    int fd;

    if (filters_allow(TRIED_prctl)) {
        prctl(PR_SET_NAME, name);
        return;
    }
    fd = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, name, strlen(name)) < 0) {
        /* Then it has the name of the thread that started it. */
    }
    close(fd);
}

int thread_yield_to_host(void)
{
    id_t self = (id_t)gettid();
    int before;

    if (!filters_allow(TRIED_getpriority) || !filters_allow(TRIED_setpriority)) return 0;
    before = getpriority(PRIO_PROCESS, self);
    if (before < AGENT_NICE) setpriority(PRIO_PROCESS, self, AGENT_NICE);
    return before;
}

void thread_catch_up(int nice)
{
    if (filters_allow(TRIED_setpriority)) setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
}
