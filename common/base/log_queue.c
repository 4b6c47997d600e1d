/* SPDX-License-Identifier: Apache-2.0 */
/* log_queue.c: lines for a reader that may stand still.
 *
 * Standard error is often shared: with the shell, with other programs of a pipeline. To make it
 * non-blocking would be to make it so for them, too. So the same pipe or terminal is opened again
 * by way of /proc, with flags of its own; a socket is told with each line that it must not wait;
 * where neither can be done (a pipe that belongs to another user), poll(2) is asked first: a pipe
 * that says yes takes PIPE_BUF bytes, which is more than a line. A file never lets anybody wait
 * for long.
 *
 * The queue is a buffer of whole lines, the first of which may have gone in part. What waits goes
 * before what is new, so the order is kept. Lines that came while it was full are lost; how many is
 * said when the queue has become empty. */
#include "common/base/log.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert((int)LOG_LINE_SIZE_MAX <= PIPE_BUF, "a pipe takes a line as a whole");

enum way { BY_WRITE, BY_SEND, BY_POLL };

static struct {
    int fd; /* -1: the descriptor of the log itself */
    enum way way;
    size_t size; /* of what waits, at the front of data */
    uint64_t lost_count;
    char data[LOG_QUEUE_SIZE_MAX];
} queue = { .fd = -1 };

static int descriptor(void)
{
    return queue.fd >= 0 ? queue.fd : log_descriptor();
}

static bool has_room(int wait_ms)
{
    struct pollfd poll_for = { .fd = descriptor(), .events = POLLOUT };

    return poll(&poll_for, 1, wait_ms) > 0;
}

/* How much of it went. A reader that is gone for good takes everything: there is nobody to keep it
 * for. */
static size_t send_some(const char *data, size_t size)
{
    ssize_t sent;

    if (queue.way == BY_POLL && !has_room(0)) return 0;
    if (queue.way == BY_SEND)
        sent = send(descriptor(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        sent = write(descriptor(), data, size);
    if (sent >= 0) return (size_t)sent;
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : size;
}

/* Line by line, because a pipe takes a line whole or not at all. */
static void send_queue(void)
{
    size_t sent = 0;

    while (sent < queue.size) {
        const char *line = queue.data + sent;
        size_t size = (size_t)((char *)memchr(line, '\n', queue.size - sent) + 1 - line);
        size_t part = send_some(line, size);

        sent += part;
        if (part < size) break;
    }
    queue.size -= sent;
    memmove(queue.data, queue.data + sent, queue.size);
}

static bool enqueue(const char *data, size_t size)
{
    if (size > sizeof queue.data - queue.size) {
        queue.lost_count++;
        return false;
    }
    memcpy(queue.data + queue.size, data, size);
    queue.size += size;
    return true;
}

static void tell_lost(void)
{
    uint64_t count = queue.lost_count;

    if (count == 0 || queue.size > 0) return;
    queue.lost_count = 0;
    log_event(LOG_WARN, "lines of this log are lost: nobody read it", LOG_NUMBER("count", count));
}

static bool take(const char *line, size_t size)
{
    size_t sent = 0;

    if (queue.size > 0) send_queue();
    tell_lost();
    if (queue.size == 0) sent = send_some(line, size);
    return sent == size || enqueue(line + sent, size - sent);
}

static int open_again(int fd)
{
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_queue(void)
{
    struct stat stat;

    if (queue.fd >= 0) close(queue.fd);
    queue.fd = -1;
    queue.way = BY_WRITE;
    if (fstat(log_descriptor(), &stat) == 0) {
        if (S_ISSOCK(stat.st_mode)) {
            queue.way = BY_SEND;
        } else if (S_ISFIFO(stat.st_mode) || S_ISCHR(stat.st_mode)) {
            queue.fd = open_again(log_descriptor());
            if (queue.fd < 0) queue.way = BY_POLL;
        }
    }
    log_send_to(take);
}

void log_flush(unsigned wait_ms)
{
    uint64_t end_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS, now_ns;

    send_queue();
    while (queue.size > 0 && (now_ns = clock_monotonic_ns()) < end_ns) {
        if (!has_room((int)ns_to_ms(end_ns - now_ns) + 1)) break;
        send_queue();
    }
    tell_lost();
}
