/* SPDX-License-Identifier: Apache-2.0 */
/* filters.c: what is known of the filters, and when it is asked for again.
 *
 * To ask is to read /proc/thread-self/status, which takes as long as a look at a thread. So it is
 * done when a thread of ours comes to work, and not more often than the caller asks for. Of our own
 * it is read by lseek and read on a descriptor that is kept: of all that tells, these are the calls
 * that a filter is least likely to forbid. In a descriptor table that is the host's too, a number
 * that is kept may be something of the host's one day: there it is opened each time.
 *
 * INVARIANTS
 *
 * (1) A filter that kills one of our vital calls was never met by a thread of ours, or it leaves at
 *     its next filters_heed(), before any other call.
 * (2) `killed` and `tried` belong together; both are written under the lock, and `killed` first. */
#include "probe/agent/base/filters.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PATH_SIZE = 64,
    STATUS_SIZE = 4096, /* it is about 1500 */
};

#define OWN_STATUS "/proc/thread-self/status"

static struct {
    pthread_mutex_t lock;
    uint64_t at_load;                 /* the filters that the program began with */
    _Atomic uint64_t tried;           /* the filters of our threads, */
    _Atomic uint64_t read_ns;         /* when they were last read, */
    _Atomic bool killed[TRIED_CALLS]; /* and which of our calls they kill */
    int own_status;                   /* -1: it is opened each time */
    _Atomic bool have_ended_us;
    _Atomic(filters_end_fn *) on_end;
} filters = { .lock = PTHREAD_MUTEX_INITIALIZER, .at_load = FILTERS_UNKNOWN, .own_status = -1 };

/* ---- reading ---- */

/* "Seccomp:\t2" and, since Linux 5.9, "Seccomp_filters:\t1". */
uint64_t filters_parse(const char *status)
{
    const char *mode = strstr(status, "\nSeccomp:");
    const char *count = strstr(status, "\nSeccomp_filters:");

    if (!mode) return 0; /* the kernel has none */
    return strtoull(mode + strlen("\nSeccomp:"), NULL, 10) << 32 |
           (count ? strtoull(count + strlen("\nSeccomp_filters:"), NULL, 10) : 0);
}

static uint64_t read_open(int fd)
{
    char text[STATUS_SIZE] = "";

    return read(fd, text, sizeof text - 1) > 0 ? filters_parse(text) : FILTERS_UNKNOWN;
}

static uint64_t read_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t found;

    if (fd < 0) return FILTERS_UNKNOWN;
    found = read_open(fd);
    close(fd);
    return found;
}

uint64_t filters_of_thread(uint32_t tid)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/status", tid);
    return read_path(path);
}

static uint64_t read_own(void)
{
    if (filters.own_status >= 0 && lseek(filters.own_status, 0, SEEK_SET) == 0)
        return read_open(filters.own_status);
    return read_path(OWN_STATUS);
}

/* The loader has made these very calls a moment ago. */
__attribute__((constructor)) static void read_at_load(void)
{
    int error = errno;

    filters.at_load = read_path(OWN_STATUS);
    errno = error;
}

void filters_keep_open(bool is_own_table)
{
    filters.own_status = is_own_table ? open(OWN_STATUS, O_RDONLY | O_CLOEXEC) : -1;
}

/* ---- trying ---- */

/* With the lock held: these are our filters now. */
static int try_these(uint64_t found)
{
    bool killed[TRIED_CALLS] = { false }, is_vital_killed = false;
    int rc = 0;

    if (found != 0) rc = filter_trial(found == filters.at_load, killed);
    /* Nobody tells whether there are any: most likely there are none. */
    if (rc < 0 && found == FILTERS_UNKNOWN) rc = 0;
    for (int call = 0; call < TRIED_CALLS; call++) {
        bool is_killed = rc == 0 && killed[call];

        is_vital_killed |= is_killed && filter_trial_is_vital((enum tried_call)call);
        atomic_store_explicit(&filters.killed[call], is_killed, memory_order_relaxed);
    }
    atomic_store_explicit(&filters.tried, found, memory_order_release);
    if (rc < 0) return -EOPNOTSUPP;
    return is_vital_killed ? -EPERM : 0;
}

int filters_try(void)
{
    uint64_t found;
    int rc = 0;

    pthread_mutex_lock(&filters.lock);
    found = read_path(OWN_STATUS); /* it is the host's thread, which has another table */
    if (found != atomic_load_explicit(&filters.tried, memory_order_relaxed)) rc = try_these(found);
    if (rc < 0) /* so that it is tried again */
        atomic_store_explicit(&filters.tried, 0, memory_order_relaxed);
    pthread_mutex_unlock(&filters.lock);
    return rc;
}

/* ---- what is known ---- */

bool filters_allow(enum tried_call call)
{
    return !atomic_load_explicit(&filters.killed[call], memory_order_relaxed);
}

bool filters_allow_signals(void)
{
    return filters_allow(TRIED_rt_tgsigqueueinfo) && filters_allow(TRIED_rt_sigreturn) &&
           filters_allow(TRIED_tgkill);
}

bool filters_cover(uint32_t tid)
{
    uint64_t theirs = filters_of_thread(tid);
    uint64_t tried = atomic_load_explicit(&filters.tried, memory_order_acquire);

    if (theirs != FILTERS_UNKNOWN) return theirs == tried;
    /* Nobody tells, as without /proc or without descriptors: so far the host has set none, or our
     * calls were tried under whatever there is. */
    return tried == 0 || tried == FILTERS_UNKNOWN || tried == filters.at_load;
}

/* Says which calls are killed; `vital_only`: of those without which there is no probe. */
static void say_calls(bool vital_only, char *ret, size_t ret_size)
{
    size_t size = strlen(ret), before = size;

    for (int i = 0; i < TRIED_CALLS && size < ret_size; i++) {
        enum tried_call call = (enum tried_call)i;

        if (filters_allow(call) || (vital_only && !filter_trial_is_vital(call))) continue;
        size += (size_t)snprintf(ret + size, ret_size - size, "%s%s", size == before ? "" : ", ",
                                 filter_trial_name(call));
    }
}

static bool all_are_allowed(void)
{
    for (int call = 0; call < TRIED_CALLS; call++) {
        if (!filters_allow((enum tried_call)call)) return false;
    }
    return true;
}

const char *filters_say(char *ret, size_t ret_size)
{
    ret[0] = '\0';
    if (all_are_allowed()) return ret;
    snprintf(ret, ret_size, "A seccomp filter kills these calls, so that we go without: ");
    say_calls(false, ret, ret_size);
    return ret;
}

const char *filters_say_why_not(int rc, char *ret, size_t ret_size)
{
    snprintf(ret, ret_size, "%s",
             rc == -EPERM ? "a seccomp filter kills "
                          : "a seccomp filter is set, and what it allows cannot be tried; "
                            "start the probe before it is set");
    if (rc == -EPERM) say_calls(true, ret, ret_size);
    return ret;
}

/* ---- our threads ---- */

/* Any further system call may be the one that kills. */
static void leave(void)
{
    filters_end_fn *on_end = atomic_load_explicit(&filters.on_end, memory_order_relaxed);

    if (on_end) on_end();
    for (;;) {
        syscall(SYS_exit, 0L);
    }
}

/* With the lock held. */
static int look_again(uint64_t now_ns)
{
    uint64_t found = read_own();

    atomic_store_explicit(&filters.read_ns, now_ns, memory_order_relaxed);
    if (found == atomic_load_explicit(&filters.tried, memory_order_relaxed)) return 0;
    if (found == FILTERS_UNKNOWN) return 0; /* /proc is gone, or there is no descriptor for it */
    return try_these(found);
}

void filters_at_end(filters_end_fn *on_end)
{
    atomic_store_explicit(&filters.on_end, on_end, memory_order_relaxed);
}

static bool is_fresh(uint64_t now_ns, uint64_t max_age_ns)
{
    return now_ns - atomic_load_explicit(&filters.read_ns, memory_order_relaxed) <= max_age_ns;
}

bool filters_are_fresh(uint64_t max_age_ns)
{
    return is_fresh(clock_monotonic_ns(), max_age_ns);
}

void filters_heed(uint64_t max_age_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    int rc = 0;

    if (filters_have_ended_us()) leave();
    if (is_fresh(now_ns, max_age_ns)) return;
    pthread_mutex_lock(&filters.lock);
    if (!filters_have_ended_us()) rc = look_again(now_ns);
    if (rc < 0) atomic_store_explicit(&filters.have_ended_us, true, memory_order_relaxed);
    pthread_mutex_unlock(&filters.lock);
    if (filters_have_ended_us()) leave();
}

bool filters_have_ended_us(void)
{
    return atomic_load_explicit(&filters.have_ended_us, memory_order_relaxed);
}

void filters_forget(void)
{
    pthread_mutex_init(&filters.lock, NULL);
    filters.own_status = -1;
    atomic_store_explicit(&filters.read_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&filters.have_ended_us, false, memory_order_relaxed);
}
