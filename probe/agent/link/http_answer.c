/* SPDX-License-Identifier: Apache-2.0 */
/* http_answer.c: a push parser of a few states.
 *
 *     STATUS_LINE --> HEADER_LINE --> BODY_SIZED | BODY_UNTIL_CLOSE ------------> COMPLETE
 *          ^               |    \---> CHUNK_SIZE_LINE <-- CHUNK_END_LINE            ^
 *          |               |              |    \--> BODY_CHUNK --^                  |
 *          +- 1xx answer --+              +-- size 0 --> TRAILER_LINE -- empty -----+
 *
 * In the states that take lines, bytes gather in answer->line until CR LF; the others take bytes
 * in bulk. All lines of an answer together are bounded by HTTP_HEAD_SIZE_MAX, so that neither
 * headers, interim answers, one-byte chunks nor trailers can keep us for ever. */
#include "probe/agent/link/http_answer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { CHUNK_DIGITS_MAX = 8 };

void http_answer_init(struct http_answer *answer, size_t body_size_max)
{
    memset(answer, 0, sizeof *answer);
    answer->body = BUF_INIT(body_size_max);
}

void http_answer_done(struct http_answer *answer)
{
    buf_done(&answer->body);
}

bool http_answer_is_complete(const struct http_answer *answer)
{
    return answer->state == HTTP_COMPLETE;
}

bool http_answer_has_begun(const struct http_answer *answer)
{
    return answer->head_size > 0;
}

/* ---- lines ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK": the phrase may be empty, the space before it may not be missing. */
static int take_status_line(struct http_answer *answer, struct text line)
{
    const char *at = line.data;

    if (line.size < 13 || memcmp(at, "HTTP/1.", 7) != 0) return -EPROTO;
    if (at[7] != '0' && at[7] != '1') return -EPROTO;
    if (at[8] != ' ' || at[12] != ' ') return -EPROTO;
    if (at[9] < '1' || at[9] > '5' || !is_digit(at[10]) || !is_digit(at[11])) return -EPROTO;
    answer->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    answer->is_kept_alive = at[7] == '1';
    answer->has_size = answer->is_chunked = answer->is_msgpack = false;
    answer->left = 0;
    answer->retry_after_s = 0;
    answer->state = HTTP_HEADER_LINE;
    return 0;
}

static bool is_token(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c)) return false;
    }
    return text.size > 0;
}

static struct text trim(struct text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

static bool is_word(struct text text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

static int take_length(struct http_answer *answer, struct text value)
{
    if (answer->has_size || answer->is_chunked) return -EPROTO;
    if (text_to_u64(value, &answer->left) < 0) return -EPROTO;
    answer->has_size = true;
    return 0;
}

static int take_encoding(struct http_answer *answer, struct text value)
{
    if (answer->has_size || answer->is_chunked || !is_word(value, "chunked")) return -EPROTO;
    answer->is_chunked = true;
    return 0;
}

static int take_connection(struct http_answer *answer, struct text value)
{
    if (is_word(value, "close")) answer->is_kept_alive = false;
    if (is_word(value, "keep-alive")) answer->is_kept_alive = true;
    return 0;
}

/* "application/msgpack", maybe with parameters behind it. */
static int take_content_type(struct http_answer *answer, struct text value)
{
    const char *parameters = memchr(value.data, ';', value.size);

    if (parameters) value.size = (size_t)(parameters - value.data);
    answer->is_msgpack = is_word(trim(value), "application/msgpack");
    return 0;
}

static int take_retry_after(struct http_answer *answer, struct text value)
{
    uint64_t seconds;

    if (text_to_u64(value, &seconds) < 0) return 0;
    if (seconds > HTTP_RETRY_AFTER_S_MAX) seconds = HTTP_RETRY_AFTER_S_MAX;
    answer->retry_after_s = (uint32_t)seconds;
    return 0;
}

static const struct {
    const char *name;
    int (*take)(struct http_answer *answer, struct text value);
} headers[] = {
    { "content-length", take_length },   { "transfer-encoding", take_encoding },
    { "connection", take_connection },   { "content-type", take_content_type },
    { "retry-after", take_retry_after },
};

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

/* The empty line: what follows depends on what the headers said. */
static int take_end_of_head(struct http_answer *answer)
{
    if (answer->status < 200) {
        answer->state = HTTP_STATUS_LINE;
    } else if (has_no_body(answer->status)) {
        answer->state = HTTP_COMPLETE;
    } else if (answer->is_chunked) {
        answer->state = HTTP_CHUNK_SIZE_LINE;
    } else if (answer->has_size) {
        if (answer->left > answer->body.size_max) return -EMSGSIZE;
        answer->state = answer->left > 0 ? HTTP_BODY_SIZED : HTTP_COMPLETE;
    } else {
        answer->is_kept_alive = false;
        answer->state = HTTP_BODY_UNTIL_CLOSE;
    }
    return 0;
}

static int split_header(struct text line, struct text *ret_name, struct text *ret_value)
{
    const char *colon = memchr(line.data, ':', line.size);
    struct text name, value;

    if (!colon) return -EPROTO;
    name = (struct text){ line.data, (size_t)(colon - line.data) };
    value = (struct text){ colon + 1, line.size - name.size - 1 };
    if (!is_token(name)) return -EPROTO;
    *ret_name = name;
    *ret_value = trim(value);
    return 0;
}

static int take_header_line(struct http_answer *answer, struct text line)
{
    struct text name, value;
    int rc;

    if (line.size == 0) return take_end_of_head(answer);
    rc = split_header(line, &name, &value);
    if (rc < 0) return rc;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        if (is_word(name, headers[i].name)) return headers[i].take(answer, value);
    }
    return 0;
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* "1f" or "1f;extension". */
static int take_chunk_size_line(struct http_answer *answer, struct text line)
{
    size_t digits = 0;
    uint64_t size = 0;

    while (digits < line.size && hex_digit(line.data[digits]) >= 0) {
        if (digits == CHUNK_DIGITS_MAX) return -EMSGSIZE;
        size = size * 16 + (uint64_t)hex_digit(line.data[digits]);
        digits++;
    }
    if (digits == 0 || (digits < line.size && line.data[digits] != ';')) return -EPROTO;
    if (size > answer->body.size_max - answer->body.size) return -EMSGSIZE;
    answer->left = size;
    answer->state = size > 0 ? HTTP_BODY_CHUNK : HTTP_TRAILER_LINE;
    return 0;
}

static int take_chunk_end_line(struct http_answer *answer, struct text line)
{
    if (line.size > 0) return -EPROTO;
    answer->state = HTTP_CHUNK_SIZE_LINE;
    return 0;
}

/* Trailers are read to find their end, and mean nothing here. */
static int take_trailer_line(struct http_answer *answer, struct text line)
{
    struct text name, value;

    if (line.size > 0) return split_header(line, &name, &value);
    answer->state = HTTP_COMPLETE;
    return 0;
}

static int (*const take_line[])(struct http_answer *, struct text) = {
    [HTTP_STATUS_LINE] = take_status_line,         [HTTP_HEADER_LINE] = take_header_line,
    [HTTP_CHUNK_SIZE_LINE] = take_chunk_size_line, [HTTP_CHUNK_END_LINE] = take_chunk_end_line,
    [HTTP_TRAILER_LINE] = take_trailer_line,
};

/* One byte of a line. A NUL, or a CR that no LF follows, is in no line. */
static int feed_line_byte(struct http_answer *answer, char c)
{
    bool has_cr = answer->line_size > 0 && answer->line[answer->line_size - 1] == '\r';
    struct text line;

    if (c == '\0' || has_cr != (c == '\n')) return -EPROTO;
    if (++answer->head_size > HTTP_HEAD_SIZE_MAX) return -EMSGSIZE;
    if (c == '\n') {
        line = (struct text){ answer->line, answer->line_size - 1 };
        answer->line_size = 0;
        return take_line[answer->state](answer, line);
    }
    if (answer->line_size == HTTP_LINE_SIZE_MAX) return -EMSGSIZE;
    answer->line[answer->line_size++] = c;
    return 0;
}

/* ---- bodies ---- */

static int feed_bulk(struct http_answer *answer, struct text bytes, size_t *ret_taken)
{
    size_t size = bytes.size;
    int rc;

    if (answer->state != HTTP_BODY_UNTIL_CLOSE && size > answer->left) size = answer->left;
    rc = buf_append(&answer->body, bytes.data, size);
    if (rc < 0) return rc == -ENOBUFS ? -EMSGSIZE : rc;
    *ret_taken = size;
    if (answer->state == HTTP_BODY_UNTIL_CLOSE) return 0;
    answer->left -= size;
    if (answer->left > 0) return 0;
    answer->state = answer->state == HTTP_BODY_SIZED ? HTTP_COMPLETE : HTTP_CHUNK_END_LINE;
    return 0;
}

int http_answer_feed(struct http_answer *answer, struct text bytes, size_t *ret_taken)
{
    size_t at = 0;
    int rc;

    while (at < bytes.size && answer->state != HTTP_COMPLETE) {
        size_t taken = 1;

        if (answer->state <= HTTP_TRAILER_LINE) {
            rc = feed_line_byte(answer, bytes.data[at]);
        } else {
            struct text rest = { bytes.data + at, bytes.size - at };

            rc = feed_bulk(answer, rest, &taken);
        }
        if (rc < 0) return rc;
        at += taken;
    }
    *ret_taken = at;
    return 0;
}

int http_answer_end(struct http_answer *answer)
{
    if (answer->state != HTTP_BODY_UNTIL_CLOSE) return -ECONNRESET;
    answer->state = HTTP_COMPLETE;
    return 0;
}
