/* SPDX-License-Identifier: Apache-2.0 */
/* agent.c: start, stop, fork and exit: the probe's life in its host.
 *
 *     OFF --stakeout_start()--> ON --stakeout_stop(), exit()--> OFF
 *                                '--fork()--> (child) ASLEEP --first begin--> ON
 *
 * One lock guards the state. It is only ever taken by start, stop, exit and a child's first begin;
 * exit() waits for it no longer than it may take at all, so that a start that hangs cannot hang an
 * exit. In a forked child the lock and all that is behind it are the parent's: they are made anew
 * by whoever comes first, which the pid tells. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/base/fork_gate.h"
#include "probe/agent/base/invariant.h"
#include "probe/agent/engine/sampler.h"
#include "probe/agent/link/link.h"
#include "probe/agent/link/tls_library.h"
#include "probe/hot/call.h"
#include "probe/include/stakeout/stakeout.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WHY_SIZE = 256, LOCK_LOOK_NS = 1000000 };
#define STOP_NS_MAX NS_PER_S

static struct {
    _Atomic pid_t pid; /* of the process that the rest belongs to; 0: nobody started */
    pthread_mutex_t lock;
    struct settings settings;
    struct link_identity identity; /* incarnation 0: none yet */
    struct link *link;             /* NULL: off */
    struct link *abandoned;        /* did not end in time; its memory is its own */
    struct link *parents;          /* in a forked child: never touched, and no leak */
} agent = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void write_complaint(const char *log, const char *why)
{
    int fd;

    if (strcmp(log, "stderr") == 0) {
        fd = fcntl(2, F_DUPFD_CLOEXEC, 3);
    } else {
        fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    }
    if (fd < 0) return;
    log_start(fd, LOG_INFO);
    log_event(LOG_ERROR, "probe: not started", LOG_STRING("why", why));
    log_start(-1, LOG_ERROR + 1);
    close(fd);
}

static bool may_complain(void)
{
    return filters_allow(TRIED_openat) && filters_allow(TRIED_fcntl) &&
           filters_allow(TRIED_write) && filters_allow(TRIED_close) &&
           filters_allow(TRIED_rt_sigpending) && filters_allow(TRIED_rt_sigtimedwait);
}

/* A sentence in the log while no link runs, and maybe no thread can be had to say it: on the host's
 * own, deaf meanwhile, because a pipe without a reader would kill it. */
static void complain(const struct settings *settings, const char *why)
{
    sigset_t all, before, broken_pipe, pending;

    if (!*settings->log || !may_complain()) return;
    sigfillset(&all);
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sigpending(&pending);
    write_complaint(settings->log, why);
    if (!sigismember(&pending, SIGPIPE)) sigtimedwait(&broken_pipe, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* In a child of fork(): what is here is the parent's, and its threads are not here. */
static void forget_parent(void)
{
    pid_t before = atomic_load_explicit(&agent.pid, memory_order_acquire), pid;

    if (before == 0) return;
    pid = getpid();
    if (before == pid) return;
    pthread_mutex_init(&agent.lock, NULL);
    if (agent.link) link_forget(agent.link);
    agent.parents = agent.link;
    agent.link = agent.abandoned = NULL;
    agent.identity = (struct link_identity){ 0 };
    sampler_forget();
    filters_forget();
    name_lookup_forget();
    invariant_forget();
    settings_renew(&agent.settings);
    atomic_store_explicit(&agent.pid, pid, memory_order_release);
}

/* An earlier link that did not end in time may have ended since. */
static bool is_abandoned_running(void)
{
    if (!agent.abandoned) return false;
    if (!link_is_over(agent.abandoned)) return true;
    agent.abandoned = link_free(agent.abandoned);
    return false;
}

/* With the lock held. */
static int start_link(void)
{
    char why[WHY_SIZE];
    int rc;

    if (agent.link) return -EALREADY;
    if (is_abandoned_running()) return -EAGAIN;
    rc = filters_try();
    if (rc < 0) {
        complain(&agent.settings, filters_say_why_not(rc, why, sizeof why));
        return rc;
    }
    invariant_forget();
    fork_gate_open();
    if (agent.identity.incarnation == 0) agent.identity.incarnation = random_u64();
    if (agent.settings.target.is_tls) tls_library_open(stakeout_stop);
    rc = link_start(&agent.settings, &agent.identity, &agent.link);
    if (rc < 0) complain(&agent.settings, strerrordesc_np(-rc) ? strerrordesc_np(-rc) : "error");
    return rc;
}

/* On the thread of the host that begins the first call of a forked child. */
static void on_fork_child(void)
{
    forget_parent();
    pthread_mutex_lock(&agent.lock);
    start_link();
    pthread_mutex_unlock(&agent.lock);
}

static bool is_running(void)
{
    bool is_running;

    pthread_mutex_lock(&agent.lock);
    is_running = agent.link != NULL;
    pthread_mutex_unlock(&agent.lock);
    return is_running;
}

/* Before any other system call: may we start under the filters that the host has set? */
static int start_is_safe(char *ret_why, size_t why_size)
{
    int rc = is_running() ? 0 : filters_try();

    if (rc < 0) filters_say_why_not(rc, ret_why, why_size);
    return rc;
}

int stakeout_start(const struct stakeout_options *options)
{
    struct settings settings;
    char why[WHY_SIZE] = "";
    int rc;

    forget_parent();
    rc = settings_read_switch(&settings, why, sizeof why);
    if (settings.is_off) return 0;
    if (rc == 0) rc = start_is_safe(why, sizeof why);
    if (rc == 0) rc = settings_read(options, &settings, why, sizeof why);
    if (rc < 0) {
        complain(&settings, why);
        return rc;
    }
    pthread_mutex_lock(&agent.lock);
    atomic_store_explicit(&agent.pid, getpid(), memory_order_release);
    rc = agent.link ? -EALREADY : 0;
    if (rc == 0) {
        agent.settings = settings;
        rc = start_link();
    }
    if (rc == 0) call_on_fork_child(on_fork_child);
    pthread_mutex_unlock(&agent.lock);
    return rc;
}

/* With the lock held. A link that does not end keeps its memory, and is asked again at a start. */
static void stop_link(uint64_t deadline_ns)
{
    if (!agent.link) return;
    call_on_fork_child(NULL);
    if (link_stop(agent.link, deadline_ns) < 0) {
        agent.abandoned = agent.link;
    } else {
        link_free(agent.link);
    }
    agent.link = NULL;
}

/* Waits for the lock until the deadline. It is contended only by a start or a stop elsewhere. */
static bool lock_until(uint64_t deadline_ns)
{
    while (pthread_mutex_trylock(&agent.lock) != 0) {
        if (clock_monotonic_ns() >= deadline_ns) return false;
        nanosleep(&(struct timespec){ .tv_nsec = LOCK_LOOK_NS }, NULL);
    }
    return true;
}

void stakeout_stop(void)
{
    uint64_t deadline_ns = clock_monotonic_ns() + STOP_NS_MAX;

    if (atomic_load_explicit(&agent.pid, memory_order_acquire) != getpid()) return;
    if (!lock_until(deadline_ns)) return;
    stop_link(deadline_ns);
    pthread_mutex_unlock(&agent.lock);
}

/* exit() and the return of main() run this; _exit() and a crash do not. The library is never
 * unloaded (-z nodelete), so that dlclose() does not. */
__attribute__((destructor)) static void stop_at_exit(void)
{
    stakeout_stop();
}
