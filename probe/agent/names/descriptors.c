/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors.c: also the standard descriptors are closed in a table of our own: a copy of the
 * host's stdout would keep a pipe open that the host has closed. Only 2 stays, as the log or as
 * /dev/null, because that is where libc writes its last words; 0 and 1 are free for our sockets,
 * which matters to a host whose RLIMIT_NOFILE is tiny. */
#include "probe/agent/names/descriptors.h"

#include "common/base/log.h"
#include "common/base/own.h"
#include "probe/agent/base/filters.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PLACE_MIN = 512,        /* above what most hosts reach, */
    PLACE_LOW_MIN = 128,    /* or where the limit is lower, above what a small one does */
    LOW_END = 8,            /* numbers below are held back at first */
    CLOSE_EACH_MAX = 65536, /* where close_range(2) is missing */
};

static _Atomic bool is_separate;

bool descriptors_are_separate(void)
{
    return atomic_load_explicit(&is_separate, memory_order_relaxed);
}

static int open_log(const char *log)
{
    if (strcmp(log, "stderr") == 0) return fcntl(2, F_DUPFD_CLOEXEC, 3);
    if (!*log) return -1;
    return open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
}

static void close_between(unsigned first, unsigned last)
{
    if (filters_allow(TRIED_close_range) && close_range(first, last, 0) == 0) return;
    if (last > CLOSE_EACH_MAX) last = CLOSE_EACH_MAX;
    for (unsigned fd = first; fd <= last; fd++) {
        close((int)fd);
    }
}

static void start_log(int fd)
{
    log_start(fd, fd >= 0 ? LOG_INFO : LOG_ERROR + 1);
}

void descriptors_release_low(void)
{
    if (!descriptors_are_separate()) return;
    close_between(0, 1);
    close_between(3, LOW_END - 1);
}

/* Where the limit leaves none above, all are held: what is opened for good can do without, what
 * comes and goes cannot. */
static void hold_low(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    } while (fd >= 0 && fd < LOW_END);
    if (fd >= 0) close(fd);
}

static void arrange_own_table(int log_fd)
{
    int fd = log_fd >= 0 ? log_fd : open("/dev/null", O_WRONLY | O_CLOEXEC);
    bool is_placed = fd == 2;

    if (fd != 2) close(2); /* it is the host's */
    if (fd >= 0 && fd != 2) is_placed = fcntl(fd, F_DUPFD_CLOEXEC, 2) == 2;
    close_between(0, 1);
    close_between(3, UINT_MAX);
    hold_low();
    start_log(is_placed && log_fd >= 0 ? 2 : -1);
}

/* In a table of our own the host's 2 is ours; and its 0 and 1 make room for a file. */
static int open_own_log(const char *log)
{
    if (strcmp(log, "stderr") == 0) return fcntl(2, F_GETFD) >= 0 ? 2 : -1;
    close_between(0, 1);
    return open_log(log);
}

bool descriptors_separate(const char *log)
{
    bool is_own = filters_allow(TRIED_unshare) && unshare(CLONE_FILES) == 0;

    atomic_store_explicit(&is_separate, is_own, memory_order_relaxed);
    if (descriptors_are_separate()) {
        arrange_own_table(open_own_log(log));
        return true;
    }
    start_log(descriptor_place(open_log(log)));
    return false;
}

int descriptor_place(int fd)
{
    int placed;

    if (fd < 0 || descriptors_are_separate()) return fd;
    placed = fcntl(fd, F_DUPFD_CLOEXEC, PLACE_MIN);
    if (placed < 0) placed = fcntl(fd, F_DUPFD_CLOEXEC, PLACE_LOW_MIN);
    if (placed < 0) return fd;
    close(fd);
    return placed;
}

uint64_t descriptor_identity(int fd)
{
    struct stat status;

    if (descriptors_are_separate()) return 0;
    if (fd < 0 || fstat(fd, &status) < 0) return UINT64_MAX;
    return status.st_ino ^ (uint64_t)status.st_dev << 48;
}

bool descriptor_is(int fd, uint64_t identity)
{
    return fd >= 0 && descriptor_identity(fd) == identity;
}
