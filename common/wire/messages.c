/* SPDX-License-Identifier: Apache-2.0 */
/* messages.c: messages.def as tables for codec.h, and one pair of functions for each message. */
#include "common/wire/messages.h"

#include "common/base/check.h"
#include "common/wire/codec.h"

/* clang-format off */
#define ABSENT_REQUIRED true
#define ABSENT_ZERO     false

/* First the descriptions: messages.def names the elements of a list before the list. */
#define WIRE_BEGIN(message) static const struct wire_field message##_fields[] = {
#define WIRE_FIELD(message, key, field, type, absent, limit)                                      \
    { #field, key, WIRE_TYPE_##type, ABSENT_##absent, limit, 0,                                   \
      offsetof(struct wire_##message, field), 0, NULL },
#define WIRE_LIST(message, key, field, element, limit)                                            \
    { #field, key, WIRE_TYPE_LIST, false, limit, 0, offsetof(struct wire_##message, field),       \
      offsetof(struct wire_##message, field##_count), &message_##element },
#define WIRE_TEXTS(message, key, field, size_max, limit)                                          \
    { #field, key, WIRE_TYPE_TEXTS, false, limit, size_max,                                       \
      offsetof(struct wire_##message, field), offsetof(struct wire_##message, field##_count),     \
      NULL },
#define WIRE_END(message)                                                                         \
    };                                                                                            \
    static const struct wire_message message_##message = {                                        \
        #message, sizeof(struct wire_##message), message##_fields, ARRAY_COUNT(message##_fields)  \
    };                                                                                            \
    static_assert(ARRAY_COUNT(message##_fields) <= 64, "one bit of a word for each field");
#include "common/wire/messages.def"
#undef WIRE_BEGIN
#undef WIRE_FIELD
#undef WIRE_LIST
#undef WIRE_TEXTS
#undef WIRE_END

/* Then the functions. */
#define WIRE_BEGIN(message)                                                                       \
    int wire_##message##_encode(const struct wire_##message *value, struct buf *to)               \
    {                                                                                             \
        return wire_encode(&message_##message, value, to);                                        \
    }                                                                                             \
    int wire_##message##_decode(struct text body, struct wire_arena *arena,                       \
                                struct wire_##message *ret, struct problem *problem)              \
    {                                                                                             \
        return wire_decode(&message_##message, body, arena, ret, problem);                        \
    }
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
/* clang-format on */
