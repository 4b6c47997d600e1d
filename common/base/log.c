/* SPDX-License-Identifier: Apache-2.0 */
/* log.c: a line is made whole on the stack and written at once, so that lines of several
 * processes that share a descriptor stay apart. What would forge a second line is escaped. */
#include "common/base/log.h"

#include "common/base/clock.h"
#include "common/base/wall_time.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 2048 };

static _Atomic int log_fd = 2;
static _Atomic int log_level_min = LOG_INFO;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"
};

void log_start(int fd, enum log_level level)
{
    atomic_store_explicit(&log_fd, fd, memory_order_relaxed);
    atomic_store_explicit(&log_level_min, (int)level, memory_order_relaxed);
}

/* Escapes what would end or forge a line. Returns the bytes written, at most size_max. */
static size_t escape(const char *from, char *to, size_t size_max)
{
    size_t size = 0;

    for (; *from && size + 4 <= size_max; from++) {
        unsigned char c = (unsigned char)*from;

        if (c == '"' || c == '\\') {
            to[size++] = '\\';
            to[size++] = *from;
        } else if (c < 0x20 || c == 0x7f) {
            size += (size_t)snprintf(to + size, size_max - size, "\\x%02x", c);
        } else {
            to[size++] = *from;
        }
    }
    return size;
}

void log_line(enum log_level level, const char *format, ...)
{
    char message[LINE_SIZE_MAX], line[2 * LINE_SIZE_MAX], at[WALL_TIME_SIZE];
    int error = errno;
    size_t size;
    va_list args;

    if ((int)level < atomic_load_explicit(&log_level_min, memory_order_relaxed)) return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    wall_time_format(clock_wall_ns() / NS_PER_MS, at);
    size = (size_t)snprintf(line, sizeof line, "at=%s level=%s msg=\"", at, level_names[level]);
    size += escape(message, line + size, sizeof line - size - 2);
    line[size++] = '"';
    line[size++] = '\n';
    if (write(atomic_load_explicit(&log_fd, memory_order_relaxed), line, size) < 0) {
        /* Nobody is left to tell. */
    }
    errno = error;
}
