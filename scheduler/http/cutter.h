/* SPDX-License-Identifier: Apache-2.0 */
/* cutter.h: cuts the bytes of a connection into heads and bodies.
 *
 *     struct cutter cutter = CUTTER_INIT;
 *     while (bytes.size > 0) {
 *         cut = cutter_next(&cutter, bytes);
 *         if (cut.kind == CUT_HEAD) ... cutter_expect(&cutter, size_of_its_body);
 *         bytes.data += cut.used_size, bytes.size -= cut.used_size;
 *     }
 *     cutter_done(&cutter);
 *
 * INVARIANT: each byte belongs to exactly one head or body, whatever parts it comes in; a part of a
 * head is kept here until it is whole. What a head says is not looked at: head.h does.
 *
 * Limits: a head has HEAD_SIZE_MAX bytes. No threads, no sockets, no clock. */
#ifndef STAKEOUT_SCHEDULER_HTTP_CUTTER_H
#define STAKEOUT_SCHEDULER_HTTP_CUTTER_H

#include "common/base/buf.h"
#include "scheduler/http/head.h"

struct cutter {
    struct buf part;    /* the beginning of a head whose rest has not come */
    uint64_t body_left; /* bytes still to come of the body */
};

#define CUTTER_INIT ((struct cutter){ .part = BUF_INIT(HEAD_SIZE_MAX) })

enum cut_kind {
    CUT_HEAD,     /* a whole one, its empty line included */
    CUT_BODY,     /* all of a body that is here */
    CUT_KEPT,     /* a part of a head: more must come */
    CUT_TOO_LONG, /* a head that is longer than any may be */
    CUT_NO_HEAD,  /* no head begins so */
};

struct cut {
    enum cut_kind kind;
    struct text text; /* of HEAD and BODY; lives until the cutter's next change */
    size_t used_size; /* of the bytes given */
};

void cutter_done(struct cutter *cutter);

/* The first piece of what came. `bytes` is not empty. After CUT_HEAD call cutter_expect(). */
struct cut cutter_next(struct cutter *cutter, struct text bytes);

/* The head was taken: so many bytes of body follow it. */
void cutter_expect(struct cutter *cutter, uint64_t body_size);

/* Is the next byte the first of a head? */
bool cutter_is_between(const struct cutter *cutter);

#endif
