/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_intake.c: starts the process, takes its verdict, gives the file its name, and ends when
 * the name is on disk as well.
 *
 *     WRITING --verdict 0, symbol_store_keep()--> SYNCING --its second word--> on_end(0)
 *        '--------any other verdict, death, time--------'-------------------> on_end(rc)
 *
 * A file that was kept but not synced when the process died counts as kept: its name is there, and
 * only a power failure in that moment could take it back. */
#include "scheduler/symbols/symbol_intake.h"

#include "common/base/check.h"
#include "common/base/own.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { SETTLE_MS = 60000 }; /* for the last fsync of a slow disk */

struct symbol_intake {
    struct symbol_intake_options options;
    char path[PATH_MAX]; /* temporary; empty once the file has its name */
    pid_t pid;
    int fd;
    struct event *on_readable, *on_time;
    struct intake_verdict verdict;
    size_t verdict_size; /* bytes that came of it */
    bool is_kept;
};

static void intake_free(struct symbol_intake *intake)
{
    if (intake->on_readable) event_free(intake->on_readable);
    if (intake->on_time) event_free(intake->on_time);
    if (intake->fd >= 0) close(intake->fd);
    if (intake->pid > 0) child_bury(intake->options.graves, intake->pid);
    if (intake->path[0]) unlink(intake->path);
    free(intake);
}

void symbol_intake_drop(struct symbol_intake *intake)
{
    intake_free(intake);
}

static void intake_end(struct symbol_intake *intake, int rc)
{
    struct symbol_intake_options options = intake->options;
    struct intake_verdict verdict = intake->verdict;
    struct symbol_intake_result result = { .rc = rc };
    char hex[2 * BUILD_ID_SIZE_MAX + 1];

    intake_free(intake);
    if (rc == 0) {
        result.build_id = (struct text){ (char *)verdict.build_id, verdict.build_id_size };
        text_to_hex(verdict.build_id, verdict.build_id_size, hex);
        result.file = symbol_store_find(options.store, text_of(hex));
        result.has_lines = verdict.has_lines;
        result.has_names = verdict.has_names;
        if (!result.file) result.rc = -ENOENT; /* removed, or evicted, in this moment */
    }
    options.on_end(options.context, &result);
}

/* The process reads no stranger's bytes with a library; still, its word is checked. */
static bool verdict_is_right(const struct intake_verdict *verdict)
{
    if (verdict->rc > 0) return false;
    if (verdict->rc < 0) return true;
    return verdict->build_id_size >= 2 && verdict->build_id_size <= BUILD_ID_SIZE_MAX;
}

static void verdict_take(struct symbol_intake *intake)
{
    const struct intake_verdict *verdict = &intake->verdict;
    const struct symbol_file *file;
    char kept = INTAKE_KEPT;
    int rc = verdict_is_right(verdict) ? verdict->rc : -EIO;

    if (rc == 0)
        rc = symbol_store_keep(intake->options.store, intake->path,
                               (struct text){ (char *)verdict->build_id, verdict->build_id_size },
                               intake->options.source, &file);
    if (rc < 0) {
        intake_end(intake, rc);
        return;
    }
    intake->path[0] = '\0';
    intake->is_kept = true;
    event_add(intake->on_time, &(struct timeval){ .tv_sec = SETTLE_MS / 1000 });
    if (send(intake->fd, &kept, 1, MSG_NOSIGNAL) != 1) intake_end(intake, 0);
}

static void on_readable(evutil_socket_t fd, short events, void *context)
{
    struct symbol_intake *intake = context;
    char *to = (char *)&intake->verdict + intake->verdict_size, kept;
    bool is_complete = intake->verdict_size == sizeof intake->verdict;
    ssize_t size = is_complete ? recv(fd, &kept, 1, 0)
                               : recv(fd, to, sizeof intake->verdict - intake->verdict_size, 0);

    (void)events;
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (intake->is_kept) {
        intake_end(intake, 0);
        return;
    }
    if (size <= 0 || is_complete) {
        intake_end(intake, -EIO);
        return;
    }
    intake->verdict_size += (size_t)size;
    if (intake->verdict_size == sizeof intake->verdict) verdict_take(intake);
}

static void on_time(evutil_socket_t fd, short events, void *context)
{
    struct symbol_intake *intake = context;

    (void)fd;
    (void)events;
    intake_end(intake, intake->is_kept ? 0 : -ETIMEDOUT);
}

/* ---- its start ---- */

static int process_start(struct symbol_intake *intake, int socket, int file)
{
    const struct symbol_intake_options *options = &intake->options;
    const char *arguments[5 + INTAKE_URLS_MAX + 1] = { options->program, INTAKE_ARGUMENT };
    int fds[] = { socket, file, symbol_store_build_id_folder(options->store, options->source) };
    struct child_start start = { .program = options->program,
                                 .arguments = arguments,
                                 .fds = fds,
                                 .fd_count = ARRAY_COUNT(fds) };
    char size[24], time[24];

    CHECK(options->server_count <= INTAKE_URLS_MAX);
    snprintf(size, sizeof size, "%llu", (unsigned long long)options->size);
    snprintf(time, sizeof time, "%llu", (unsigned long long)options->time_ms);
    arguments[2] = size;
    if (options->build_id_hex) {
        arguments[3] = options->build_id_hex;
        arguments[4] = time;
        for (size_t i = 0; i < options->server_count; i++)
            arguments[5 + i] = options->servers[i];
    }
    return child_start(&start, &intake->pid);
}

static int intake_open(struct symbol_intake *intake)
{
    OWN(fd_closep) int theirs = -1;
    OWN(fd_closep) int file = symbol_store_begin(intake->options.store, intake->path);
    int ends[2], rc;

    if (file < 0) {
        intake->path[0] = '\0';
        return file;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    intake->fd = ends[0];
    theirs = ends[1];
    evutil_make_socket_nonblocking(intake->fd);
    rc = process_start(intake, theirs, file);
    if (rc == 0 && !intake->options.build_id_hex &&
        send(intake->fd, &intake->options.size, sizeof(uint64_t), MSG_NOSIGNAL) !=
            (ssize_t)sizeof(uint64_t))
        rc = -EIO;
    return rc;
}

struct symbol_intake *symbol_intake_start(const struct symbol_intake_options *options, int *ret_rc)
{
    struct symbol_intake *intake = mem_zalloc(1, sizeof *intake);
    struct event_base *base = options->graves->base;
    uint64_t ms = options->time_ms + SETTLE_MS;

    intake->options = *options;
    intake->fd = -1;
    *ret_rc = intake_open(intake);
    if (*ret_rc < 0) {
        intake_free(intake);
        return NULL;
    }
    intake->on_readable = event_new(base, intake->fd, EV_READ | EV_PERSIST, on_readable, intake);
    intake->on_time = evtimer_new(base, on_time, intake);
    CHECK(intake->on_readable && intake->on_time && event_add(intake->on_readable, NULL) == 0);
    if (options->time_ms > 0)
        event_add(intake->on_time, &(struct timeval){ .tv_sec = (time_t)(ms / 1000) });
    return intake;
}

int symbol_intake_fd(const struct symbol_intake *intake)
{
    return intake->fd;
}
