/* SPDX-License-Identifier: Apache-2.0 */
/* log.c: a line is made whole on the stack and written at once, so that lines of several
 * processes that share a descriptor stay apart.
 *
 * Both formats quote by JSON's rules, which logfmt's readers understand: what is no printable
 * UTF-8 becomes \uXXXX. A line has a fixed room; each value is cut between characters where it
 * ends, with what closes it reserved (TAIL_SIZE), so that a cut line is a whole line of its
 * format. */
#include "common/base/log.h"

#include "common/base/clock.h"
#include "common/base/wall_time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TAIL_SIZE = sizeof "\"}\n" };

static _Atomic int log_fd = 2;
static _Atomic int log_level_min = LOG_INFO;
static _Atomic int log_form = LOG_LOGFMT;
static _Atomic(log_take_fn) log_take;
static _Atomic uint64_t lines[LOG_LEVEL_COUNT], lost;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"
};

void log_start(int fd, enum log_level level)
{
    atomic_store_explicit(&log_fd, fd, memory_order_relaxed);
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_min, (int)level, memory_order_relaxed);
}

void log_set_format(enum log_format format)
{
    atomic_store_explicit(&log_form, (int)format, memory_order_relaxed);
}

void log_send_to(log_take_fn take)
{
    atomic_store_explicit(&log_take, take, memory_order_relaxed);
}

int log_descriptor(void)
{
    return atomic_load_explicit(&log_fd, memory_order_relaxed);
}

struct log_counts log_counts(void)
{
    struct log_counts counts = { .lost = atomic_load_explicit(&lost, memory_order_relaxed) };

    for (size_t i = 0; i < LOG_LEVEL_COUNT; i++) {
        counts.lines[i] = atomic_load_explicit(&lines[i], memory_order_relaxed);
    }
    return counts;
}

/* --- a line --- */

struct line {
    char data[LOG_LINE_SIZE_MAX];
    size_t size;
    bool is_json;
};

/* All of it, or nothing: false. */
static bool put(struct line *line, const char *data, size_t size)
{
    if (line->size + size > sizeof line->data - TAIL_SIZE) return false;
    memcpy(line->data + line->size, data, size);
    line->size += size;
    return true;
}

/* What TAIL_SIZE is kept for. */
static void close_with(struct line *line, const char *end)
{
    size_t size = strlen(end);

    memcpy(line->data + line->size, end, size);
    line->size += size;
}

/* The next character, escaped if it must be. Returns how much of the text that was, or 0 where
 * there is no room. */
static size_t put_character(struct line *line, struct text text)
{
    uint32_t code;
    size_t size = text_next(text, &code);
    char escaped[sizeof "\\u0000"];

    if (size == 0) return put(line, "\\ufffd", 6) ? 1 : 0;
    if (code == '"' || code == '\\') {
        snprintf(escaped, sizeof escaped, "\\%c", (char)code);
    } else if (text_is_printable((struct text){ text.data, size })) {
        return put(line, text.data, size) ? size : 0;
    } else {
        snprintf(escaped, sizeof escaped, "\\u%04" PRIx32, code & 0xffff);
    }
    return put(line, escaped, strlen(escaped)) ? size : 0;
}

static void put_quoted(struct line *line, struct text value)
{
    size_t taken;

    while (value.size > 0 && (taken = put_character(line, value)) > 0) {
        value.data += taken;
        value.size -= taken;
    }
}

/* ` key=` or `,"key":`, and the quote that opens a text. */
static bool put_key(struct line *line, const char *key, bool is_text)
{
    char head[64];
    int size = snprintf(head, sizeof head, line->is_json ? ",\"%s\":%s" : " %s=%s", key,
                        is_text ? "\"" : "");

    return size > 0 && (size_t)size < sizeof head && put(line, head, (size_t)size);
}

static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->size;
    char number[24];

    if (!put_key(line, field->key, !field->is_number)) return;
    if (!field->is_number) {
        put_quoted(line, field->text);
        close_with(line, "\"");
        return;
    }
    snprintf(number, sizeof number, "%" PRIu64, field->number);
    if (!put(line, number, strlen(number))) line->size = before;
}

static void put_head(struct line *line, enum log_level level)
{
    char at[WALL_TIME_SIZE], head[96];

    wall_time_format(clock_wall_ns() / NS_PER_MS, at);
    snprintf(head, sizeof head,
             line->is_json ? "{\"ts\":\"%s\",\"level\":\"%s\"" : "ts=%s level=%s", at,
             level_names[level]);
    put(line, head, strlen(head));
}

/* --- events --- */

static bool is_written(const struct line *line)
{
    log_take_fn take = atomic_load_explicit(&log_take, memory_order_relaxed);
    ssize_t size;

    if (take) return take(line->data, line->size);
    size = write(log_descriptor(), line->data, line->size);
    return size == (ssize_t)line->size;
}

static void write_line(enum log_level level, const char *msg, const struct log_field *fields,
                       size_t count)
{
    struct line line = { .size = 0 };
    struct log_field sentence = LOG_STRING("msg", msg);
    int error = errno;

    line.is_json = atomic_load_explicit(&log_form, memory_order_relaxed) == LOG_JSON;
    put_head(&line, level);
    put_field(&line, &sentence);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].key) put_field(&line, &fields[i]);
    }
    close_with(&line, line.is_json ? "}\n" : "\n");
    atomic_fetch_add_explicit(&lines[level], 1, memory_order_relaxed);
    if (!is_written(&line)) atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
    errno = error;
}

/* Most debug lines are not written: for them no line is made, which has 4 KB. */
void log_fields(enum log_level level, const char *msg, const struct log_field *fields, size_t count)
{
    if ((int)level < atomic_load_explicit(&log_level_min, memory_order_relaxed)) return;
    write_line(level, msg, fields, count);
}

bool log_may(struct log_limit *limit, uint64_t now_ns, uint64_t *ret_count)
{
    limit->kept_back++;
    if (now_ns < limit->due_ns) return false;
    limit->due_ns = now_ns + limit->period_ns;
    *ret_count = limit->kept_back;
    limit->kept_back = 0;
    return true;
}
