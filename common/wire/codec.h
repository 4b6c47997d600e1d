/* SPDX-License-Identifier: Apache-2.0 */
/* codec.h: how a message described by a table becomes bytes, and back. Private to common/wire:
 * messages.c makes the tables from messages.def, messages.h is what others call. */
#ifndef STAKEOUT_COMMON_WIRE_CODEC_H
#define STAKEOUT_COMMON_WIRE_CODEC_H

#include "common/wire/messages.h"

enum wire_type {
    WIRE_TYPE_U32,
    WIRE_TYPE_U64,
    WIRE_TYPE_I64,
    WIRE_TYPE_BOOL,
    WIRE_TYPE_TEXT,
    WIRE_TYPE_BIN,
    WIRE_TYPE_LIST,  /* of messages */
    WIRE_TYPE_TEXTS, /* of strings */
};

struct wire_message;

/* Where a field lies in its struct, and what it accepts. */
struct wire_field {
    const char *name;
    uint32_t key;
    enum wire_type type;
    bool is_required;
    uint32_t limit;    /* bytes of a TEXT or BIN, elements of a LIST or TEXTS */
    uint32_t size_max; /* bytes of each element of TEXTS */
    size_t offset;
    size_t count_offset;                /* of a LIST's or TEXTS' count */
    const struct wire_message *element; /* of a LIST */
};

struct wire_message {
    const char *name;
    size_t size; /* of the struct */
    const struct wire_field *fields;
    uint32_t field_count; /* at most 64; keys rise */
};

/* As wire_MESSAGE_encode() and wire_MESSAGE_decode() of messages.h. */
int wire_encode(const struct wire_message *message, const void *value, struct buf *to);
int wire_decode(const struct wire_message *message, struct text body, struct wire_arena *arena,
                void *ret, struct problem *problem);

#endif
