/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/look/thread_files.h"

#include "probe/agent/base/filters.h"
#include "probe/hot/ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_SIZE = 64,
    SCHEDSTAT_SIZE = 96,
    STAT_SIZE = 64,        /* the name is 15 bytes at most */
    STAT_LINE_SIZE = 1024, /* 52 numbers */
    STATUS_SIZE = 4096,    /* it is about 1500 */
    STAT_SIGNALS = 31,     /* the signals in stat's words; status has them all */
    STAT_PENDING = 31,     /* fields of stat, counted from 1: signals pending for this thread, */
    STAT_BLOCKED = 32,     /* and those that it blocks */
};

#define ON_CPU_NS     (3 * NS_PER_US) /* on a CPU for so long: it is past its waking */
#define ON_CPU_TRY_NS (8 * NS_PER_US)

enum file_kind { FILE_SYSCALL, FILE_SCHEDSTAT, FILE_STAT, FILE_STATUS };

static const char *const file_names[THREAD_FILE_KINDS] = { "syscall", "schedstat", "stat",
                                                           "status" };

void thread_files_init(struct thread_files *files, uint32_t file_count_max)
{
    uint32_t count = file_count_max / THREAD_FILE_KINDS;

    *files = (struct thread_files){ .thread_count_max = count };
    if (count > THREAD_FILES_MAX) files->thread_count_max = THREAD_FILES_MAX;
}

static void thread_close(struct thread_file *thread)
{
    if (thread->tid == 0) return;
    for (int i = 0; i < THREAD_FILE_KINDS; i++) {
        if (thread->fds[i] >= 0) close(thread->fds[i]);
    }
    thread->tid = 0;
}

void thread_files_done(struct thread_files *files)
{
    for (uint32_t i = 0; i < files->thread_count_max; i++) {
        thread_close(&files->threads[i]);
    }
}

static int file_open(uint32_t tid, const char *name)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/%s", tid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static struct thread_file *thread_get(struct thread_files *files, uint32_t tid)
{
    struct thread_file *oldest = &files->threads[0];

    for (uint32_t i = 0; i < files->thread_count_max; i++) {
        struct thread_file *thread = &files->threads[i];

        if (thread->tid == tid) {
            thread->used = ++files->clock;
            return thread;
        }
        if (thread->tid == 0 || (oldest->tid != 0 && thread->used < oldest->used)) oldest = thread;
    }
    thread_close(oldest);
    *oldest = (struct thread_file){ .tid = tid, .used = ++files->clock };
    for (int i = 0; i < THREAD_FILE_KINDS; i++) {
        oldest->fds[i] = file_open(tid, file_names[i]);
    }
    return oldest;
}

/* Reads a file that is kept. The thread that it is of may be gone, and its tid another's: then the
 * files are opened again, once. */
static ssize_t read_kept(struct thread_files *files, uint32_t tid, enum file_kind kind, char *ret,
                         size_t ret_size)
{
    ssize_t size = -ENOENT;

    if (!filters_allow(TRIED_pread64)) return -EPERM;
    for (int attempt = 0; attempt < 2; attempt++) {
        struct thread_file *thread = thread_get(files, tid);
        int fd = thread->fds[kind];

        size = fd >= 0 ? pread(fd, ret, ret_size, 0) : -1;
        if (size > 0) return size;
        size = fd >= 0 && size < 0 ? -errno : -ENOENT;
        if (size != -ESRCH && size != -ENOENT) return size;
        thread_close(thread);
    }
    return size;
}

static ssize_t read_at_once(uint32_t tid, const char *name, char *ret, size_t ret_size)
{
    int fd = file_open(tid, name);
    ssize_t size;

    if (fd < 0) return -errno;
    size = read(fd, ret, ret_size);
    if (size < 0) size = -errno;
    close(fd);
    return size;
}

static int file_read(struct thread_files *files, uint32_t tid, enum file_kind kind, char *ret,
                     size_t ret_size)
{
    ssize_t size = files->thread_count_max > 0
                       ? read_kept(files, tid, kind, ret, ret_size - 1)
                       : read_at_once(tid, file_names[kind], ret, ret_size - 1);

    if (size <= 0) return size < 0 ? (int)size : -ENOENT;
    ret[size] = '\0';
    return 0;
}

int thread_files_syscall(struct thread_files *files, uint32_t tid, char *ret, size_t ret_size)
{
    return file_read(files, tid, FILE_SYSCALL, ret, ret_size);
}

int thread_files_queue_ns(struct thread_files *files, uint32_t tid, uint64_t *ret,
                          uint64_t *ret_turns)
{
    char line[SCHEDSTAT_SIZE], *at;
    int rc = file_read(files, tid, FILE_SCHEDSTAT, line, sizeof line);

    *ret_turns = 0;
    if (rc < 0) return rc;
    strtoull(line, &at, 10); /* the first field is time on a CPU */
    *ret = strtoull(at, &at, 10);
    *ret_turns = strtoull(at, NULL, 10);
    return 0;
}

uint64_t thread_files_turns(struct thread_files *files, uint32_t tid)
{
    uint64_t queue_ns, turns;

    thread_files_queue_ns(files, tid, &queue_ns, &turns);
    return turns;
}

/* ---- signals ---- */

struct signal_words {
    uint64_t pending, blocked;
};

/* A number of stat, from its `field`th on. `at` is behind the name, where the third begins. */
static const char *stat_skip(const char *at, int field)
{
    for (int i = 3; i < field && at; i++) {
        at = strchr(at, ' ');
        if (at) at++;
    }
    return at;
}

static int signals_of_stat(struct thread_files *files, uint32_t tid, struct signal_words *ret)
{
    char line[STAT_LINE_SIZE];
    const char *name_end, *pending, *blocked;
    int rc = file_read(files, tid, FILE_STAT, line, sizeof line);

    if (rc < 0) return rc;
    name_end = strrchr(line, ')'); /* the name may hold anything */
    if (!name_end || name_end[1] != ' ') return -EINVAL;
    pending = stat_skip(name_end + 2, STAT_PENDING);
    blocked = pending ? stat_skip(pending, 3 + STAT_BLOCKED - STAT_PENDING) : NULL;
    if (!blocked) return -EINVAL;
    *ret = (struct signal_words){ strtoull(pending, NULL, 10), strtoull(blocked, NULL, 10) };
    return 0;
}

static int defers(const struct signal_words *words, int signal_number)
{
    uint64_t ours = UINT64_C(1) << (signal_number - 1);

    return (words->blocked & ours) != 0 || (words->pending & ~words->blocked & ~ours) != 0;
}

/* What stands behind a line's name in status. False: there is no such line. */
static bool status_number(const char *text, const char *name, int base, uint64_t *ret)
{
    const char *line = strstr(text, name);

    if (line) *ret = strtoull(line + strlen(name), NULL, base);
    return line != NULL;
}

void thread_files_status(struct thread_files *files, uint32_t tid, int signal_number,
                         struct thread_status *ret)
{
    char text[STATUS_SIZE];
    struct signal_words words;
    int rc = file_read(files, tid, FILE_STATUS, text, sizeof text);

    *ret = (struct thread_status){ .defers = rc, .sleeps = THREAD_SLEEPS_UNKNOWN };
    if (rc < 0) return;
    status_number(text, "\nvoluntary_ctxt_switches:", 10, &ret->sleeps);
    ret->defers = status_number(text, "\nSigPnd:", 16, &words.pending) &&
                          status_number(text, "\nSigBlk:", 16, &words.blocked)
                      ? defers(&words, signal_number)
                      : -EINVAL;
}

int thread_files_defers(struct thread_files *files, uint32_t tid, int signal_number)
{
    struct thread_status status;
    struct signal_words words;
    int rc;

    if (signal_number > STAT_SIGNALS) {
        thread_files_status(files, tid, signal_number, &status);
        return status.defers;
    }
    rc = signals_of_stat(files, tid, &words);
    return rc < 0 ? rc : defers(&words, signal_number);
}

char thread_files_state(uint32_t tid)
{
    char line[STAT_SIZE] = "", *name_end;

    if (read_at_once(tid, "stat", line, sizeof line - 1) <= 0) return 0;
    name_end = strrchr(line, ')'); /* the name may hold anything */
    return name_end && name_end[1] == ' ' ? name_end[2] : 0;
}

bool thread_is_on_cpu(uint32_t tid, uint64_t clock_ns)
{
    uint64_t until_ns = clock_monotonic_ns() + ON_CPU_TRY_NS, used_ns;

    do {
        used_ns = thread_cpu_ns(tid) - clock_ns;
        if (used_ns >= ON_CPU_NS) return true;
    } while (used_ns > 0 && clock_monotonic_ns() < until_ns);
    return false;
}
