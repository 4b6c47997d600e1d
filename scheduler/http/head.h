/* SPDX-License-Identifier: Apache-2.0 */
/* head.h: the head of a request, read strictly.
 *
 * libevent forgives what RFC 9112 forbids, and whatever two readers of one connection understand
 * differently can smuggle a request past one of them. So every head is read here first, by the
 * letter, and libevent never sees a byte of one that was not accepted:
 *
 *     status = head_parse(bytes up to and with the empty line, &head, &why);
 *     0: fine; otherwise the status to refuse with, and why, as a sentence
 *
 * Stricter than the RFC on purpose: no chunked bodies (411), no bodies of methods that have none,
 * no absolute-form targets, no folded lines, no bare CR or LF. What `head` points to is the
 * text that was given. Threads: any. */
#ifndef STAKEOUT_SCHEDULER_HTTP_HEAD_H
#define STAKEOUT_SCHEDULER_HTTP_HEAD_H

#include "common/base/text.h"

enum {
    HEAD_SIZE_MAX = 8192,   /* bytes, the empty line included */
    HEAD_FIELDS_MAX = 64,   /* header lines: each costs libevent three allocations */
    HEAD_TARGET_MAX = 4096, /* bytes of path and query */
};

/* Methods that are understood; the first three and the last are http.h's. */
enum head_method {
    HEAD_GET = 1,
    HEAD_POST = 2,
    HEAD_DELETE = 4,
    HEAD_HEAD = 8,
    HEAD_OPTIONS = 16,
    HEAD_OTHER = 32, /* known to libevent, and allowed nowhere: PATCH */
    HEAD_PUT = 64,
};

/* Fields that handlers may ask for; of others nothing is kept. */
enum head_field {
    HEAD_CONTENT_TYPE,
    HEAD_ORIGIN,
    HEAD_ACCEPT_ENCODING,
    HEAD_IF_NONE_MATCH,
    HEAD_FIELD_COUNT, /* also: another one */
};
enum head_field head_field_find(struct text name);

struct head {
    enum head_method method;
    unsigned minor;     /* of HTTP/1.x: 0 or 1 */
    struct text target; /* "/path?query", or "*" for OPTIONS */
    uint64_t body_size;
    /* Values without the spaces around them; absent: data NULL. None comes twice. */
    struct text host, origin, fetch_site, authorization, cookie;
    struct text fields[HEAD_FIELD_COUNT]; /* the first of each name */
    struct text connection;               /* likewise */
    bool expects_continue;
};

/* Where the head ends: the offset behind its empty line, or 0 if it is not complete. */
size_t head_end(const char *data, size_t size);

int head_parse(struct text text, struct head *ret, const char **ret_why);

/* What is left of a head for libevent to read: where the request ends, and whether the connection
 * does. Each line of a head costs it three allocations, and the rest is read here. */
enum { HEAD_BRIEF_MAX = HEAD_SIZE_MAX + 128 };
size_t head_brief(const struct head *head, char ret[HEAD_BRIEF_MAX]);

#endif
