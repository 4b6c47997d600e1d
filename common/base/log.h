/* SPDX-License-Identifier: Apache-2.0 */
/* log.h: one line per event, for people and programs: logfmt, or JSON.
 *
 *     log_event(LOG_WARN, "the event loop was late", LOG_NUMBER("late_ms", 250),
 *               LOG_STRING("route", path));
 *     -> ts=2026-11-21T03:12:07.482Z level=warn msg="the event loop was late" late_ms=250 route="/"
 *     -> {"ts":"2026-11-21T03:12:07.482Z","level":"warn","msg":"the event loop was late", ...}
 *
 * `msg` is a constant, which one can look for; what varies is in fields. Values may be anything:
 * what would end or forge a line, or move a terminal's cursor, is escaped, and what is no UTF-8
 * replaced. Library code does not log.
 *
 * Threads: any, but for what log_queue() says. One write(2) per line, of at most LOG_LINE_SIZE_MAX
 * bytes, which a pipe takes as a whole; what does not fit is cut. Keeps errno. */
#ifndef STAKEOUT_COMMON_BASE_LOG_H
#define STAKEOUT_COMMON_BASE_LOG_H

#include "common/base/text.h"

enum { LOG_LINE_SIZE_MAX = 4096 /* PIPE_BUF */, LOG_QUEUE_SIZE_MAX = 64 * 1024 };

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
    LOG_LEVEL_COUNT,
};

enum log_format {
    LOG_LOGFMT,
    LOG_JSON,
};

struct log_field {
    const char *key; /* of a-z and _; NULL: no field */
    struct text text;
    uint64_t number;
    bool is_number;
};

#define LOG_TEXT(key_, value)          \
    {                                  \
        .key = (key_), .text = (value) \
    }
#define LOG_STRING(key_, value)               \
    {                                         \
        .key = (key_), .text = text_of(value) \
    }
#define LOG_NUMBER(key_, value)                             \
    {                                                       \
        .key = (key_), .number = (value), .is_number = true \
    }

/* Lines go to `fd` (default 2) if they are at least of `level` (default LOG_INFO). */
void log_start(int fd, enum log_level level);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format); /* default LOG_LOGFMT */

#define log_event(level, msg, ...)                                                       \
    log_fields(level, msg, (const struct log_field[]){ { .key = NULL }, ##__VA_ARGS__ }, \
               sizeof((const struct log_field[]){ { .key = NULL }, ##__VA_ARGS__ }) /    \
                   sizeof(struct log_field))
void log_fields(enum log_level level, const char *msg, const struct log_field *fields,
                size_t count);

/* Since the start: lines by level, and those that the descriptor or the queue did not take. */
struct log_counts {
    uint64_t lines[LOG_LEVEL_COUNT], lost;
};
struct log_counts log_counts(void);

/* From here on no line waits for its reader: what a pipe, terminal or socket does not take at once
 * waits in a queue of LOG_QUEUE_SIZE_MAX bytes, beyond which lines are lost, counted, and told when
 * there is room again. For programs that log from one thread. Each line tries to send what waits;
 * log_flush() does that and nothing else, and waits for the reader up to `wait_ms`. */
void log_queue(void);
void log_flush(unsigned wait_ms);

/* Of an event that a client can repeat at will: at most one line in a period, which says how many
 * there were since the one before.
 *
 *     static struct log_limit limit = { .period_ns = NS_PER_S };
 *     if (log_may(&limit, now_ns, &count)) log_event(..., LOG_NUMBER("count", count));
 */
struct log_limit {
    uint64_t period_ns, due_ns, kept_back;
};
bool log_may(struct log_limit *limit, uint64_t now_ns, uint64_t *ret_count);

/* log_queue.c's way in: takes each line instead of write(2). True: taken; false: lost. */
typedef bool (*log_take_fn)(const char *line, size_t size);
void log_send_to(log_take_fn take); /* NULL: write(2) again */
int log_descriptor(void);

#endif
