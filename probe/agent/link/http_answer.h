/* SPDX-License-Identifier: Apache-2.0 */
/* http_answer.h: the bytes of an HTTP/1.1 answer, taken in pieces of any size.
 *
 *     OWN(http_answer_done) struct http_answer answer;
 *     http_answer_init(&answer, size_max);
 *     while (!http_answer_is_complete(&answer)) {
 *         ... receive ...
 *         rc = http_answer_feed(&answer, bytes, &taken);      or http_answer_end() at a close
 *     }
 *     ... answer.status, buf_peek(&answer.body) ...
 *
 * Total and strict: any bytes give an answer, "more, please" or -EPROTO. What intermediaries
 * read in two ways is refused: bare line feeds, folded lines, a space before a colon, two
 * lengths, a length beside chunks. Interim answers (100 to 199) are skipped.
 *
 * Threads: any, one at a time. Limits: HTTP_LINE_SIZE_MAX, HTTP_HEAD_SIZE_MAX, and the body's
 * bound, past which it says -EMSGSIZE. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_HTTP_ANSWER_H
#define STAKEOUT_PROBE_AGENT_LINK_HTTP_ANSWER_H

#include "common/base/buf.h"

enum {
    HTTP_LINE_SIZE_MAX = 2048,   /* one line of a head: a scheduler's are short */
    HTTP_HEAD_SIZE_MAX = 16384,  /* all lines of an answer: heads, chunk sizes, trailers */
    HTTP_RETRY_AFTER_S_MAX = 60, /* a longer Retry-After is taken as this */
};

enum http_answer_state {
    HTTP_STATUS_LINE,
    HTTP_HEADER_LINE,
    HTTP_CHUNK_SIZE_LINE,
    HTTP_CHUNK_END_LINE,
    HTTP_TRAILER_LINE,
    HTTP_BODY_SIZED,
    HTTP_BODY_CHUNK,
    HTTP_BODY_UNTIL_CLOSE,
    HTTP_COMPLETE,
};

struct http_answer {
    int status;             /* 200 to 599, once the status line was read; 0 before */
    bool is_kept_alive;     /* may the connection be used again? */
    bool is_msgpack;        /* by its Content-Type */
    uint32_t retry_after_s; /* 0: not told, or a date, which we do not read */
    struct buf body;

    /* Private from here. */
    enum http_answer_state state;
    bool has_size, is_chunked;
    uint64_t left; /* bytes of the body, or of the chunk */
    size_t head_size, line_size;
    char line[HTTP_LINE_SIZE_MAX];
};

void http_answer_init(struct http_answer *answer, size_t body_size_max);
void http_answer_done(struct http_answer *answer);

/* Takes bytes and says how many: all of them, or up to the answer's end. Returns 0, or -EPROTO,
 * -EMSGSIZE, -ENOMEM, after which the answer is worth nothing. */
int http_answer_feed(struct http_answer *answer, struct text bytes, size_t *ret_taken);

/* The connection was closed. Returns 0 if that completes the answer, else -ECONNRESET. */
int http_answer_end(struct http_answer *answer);

bool http_answer_is_complete(const struct http_answer *answer);

/* Has anything been taken? A kept connection that closes before may be tried again. */
bool http_answer_has_begun(const struct http_answer *answer);

#endif
