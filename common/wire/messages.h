/* SPDX-License-Identifier: Apache-2.0 */
/* messages.h: the messages of messages.def as C structs, and their bytes.
 *
 *     OWN(wire_arena_done) struct wire_arena arena = { 0 };
 *     struct wire_poll poll;
 *     if (wire_poll_decode(body, &arena, &poll, &problem) < 0) refuse;
 *     ... texts of `poll` point into `body`, lists into the arena ...
 *
 *     wire_poll_encode(&poll, &buf);      0, or -ENOBUFS / -ENOMEM; -EINVAL for what the decoder
 *                                         would refuse: a text or list over its limit, not UTF-8
 *
 * A field of type TEXT or BIN is a struct text; a list `x` is a pointer with x_count.
 *
 * Decoders are total: any bytes give a value or a problem (PROBLEM_BAD_BODY with the message,
 * field and reason; PROBLEM_BAD_PROTOCOL for a version that is not spoken). A body is scanned
 * whole, without allocating, before anything is decoded: depth, object count and lengths are
 * bounded by what is really there. Unknown keys are skipped. TEXT is checked to be UTF-8.
 *
 * Threads: any; the functions share nothing. */
#ifndef STAKEOUT_COMMON_WIRE_MESSAGES_H
#define STAKEOUT_COMMON_WIRE_MESSAGES_H

#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/model/id.h"
#include "common/model/limits.h"

struct problem;

enum {
    WIRE_PROTOCOL = 1,     /* what this build speaks */
    WIRE_PROTOCOL_MIN = 1, /* and the oldest that its scheduler still understands */
};

/* What the scheduler decided about a report. */
enum report_outcome {
    REPORT_ACCEPTED = 1,
    REPORT_REPLACED = 2, /* a higher revision of one that is here */
    REPORT_KNOWN = 3,    /* this revision, or a later one, is here already */
    REPORT_OVER_CAP = 4,
    REPORT_TASK_OVER = 5, /* it came too late */
    REPORT_NO_TASK = 6,   /* no such task, or a cancelled one */
};

#define WIRE_C_U32  uint32_t
#define WIRE_C_U64  uint64_t
#define WIRE_C_I64  int64_t
#define WIRE_C_BOOL bool
#define WIRE_C_TEXT struct text
#define WIRE_C_BIN  struct text

#define WIRE_BEGIN(message)                                  struct wire_##message {
#define WIRE_FIELD(message, key, field, type, absent, limit) WIRE_C_##type field;
#define WIRE_LIST(message, key, field, element, limit) \
    struct wire_##element *field;                      \
    uint32_t field##_count;
#define WIRE_TEXTS(message, key, field, size_max, limit) \
    struct text *field;                                  \
    uint32_t field##_count;
#define WIRE_END(message) \
    }                     \
    ;
#include "common/wire/messages.def"
#undef WIRE_BEGIN
#undef WIRE_FIELD
#undef WIRE_LIST
#undef WIRE_TEXTS
#undef WIRE_END

/* Where the lists of decoded messages live. */
struct wire_arena {
    void *private;
};
void wire_arena_done(struct wire_arena *arena); /* accepts a zeroed struct */
/* What was decoded is no more; the memory is kept for the next. For messages that come often. */
void wire_arena_reset(struct wire_arena *arena);

#define WIRE_BEGIN(message)                                                            \
    int wire_##message##_encode(const struct wire_##message *message, struct buf *to); \
    int wire_##message##_decode(struct text body, struct wire_arena *arena,            \
                                struct wire_##message *ret, struct problem *problem);
#define WIRE_FIELD(message, key, field, type, absent, limit)
#define WIRE_LIST(message, key, field, element, limit)
#define WIRE_TEXTS(message, key, field, size_max, limit)
#define WIRE_END(message)
#include "common/wire/messages.def"
#undef WIRE_BEGIN
#undef WIRE_FIELD
#undef WIRE_LIST
#undef WIRE_TEXTS
#undef WIRE_END

#endif
