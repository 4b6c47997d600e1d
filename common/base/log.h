/* SPDX-License-Identifier: Apache-2.0 */
/* log.h: one line per event, in logfmt, for programs. Library code does not log.
 *
 *     log_line(LOG_WARN, "store: write failed, retrying in %d ms: %s", 200, strerror(errno));
 *     -> at=2026-11-21T03:12:07.482Z level=warn msg="store: write failed, ..."
 *
 * One write(2) per line; control characters and quotes are escaped. Threads: any. */
#ifndef STAKEOUT_COMMON_BASE_LOG_H
#define STAKEOUT_COMMON_BASE_LOG_H

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

/* Lines go to `fd` (default 2) if they are at least of `level` (default LOG_INFO). */
void log_start(int fd, enum log_level level);

/* A line longer than 2 KB is cut. Keeps errno. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
