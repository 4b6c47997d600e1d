/* SPDX-License-Identifier: Apache-2.0 */
/* decode.c: msgpack as a struct, field by field, as its table says.
 *
 * ALGORITHM
 *
 * (1) scan.c walks over the whole body. From here on every header is true: there are as many
 *     objects as it says, and no more of them than the body has bytes.
 * (2) msgpack-c unpacks it into the arena's zone: 24 bytes for each object. Texts stay in the
 *     body and are pointed at.
 * (3) Of a message with a `protocol`, that is looked at first: another version's fields need not
 *     make sense to us, and its sender should hear about the version and nothing else.
 * (4) The map is walked, each known key is checked against its field and stored; then what is
 *     required must have been there. The struct is copied out at the very end, so that *ret is
 *     untouched on failure. */
#include "common/wire/codec.h"

#include "common/model/problem.h"
#include "common/wire/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <msgpack.h>
#include <string.h>

enum { ZONE_CHUNK_SIZE = 8192 };

struct decoder {
    msgpack_zone *zone;
    struct problem *problem;
};

void wire_arena_done(struct wire_arena *arena)
{
    if (arena->private) msgpack_zone_free(arena->private);
    arena->private = NULL;
}

void wire_arena_reset(struct wire_arena *arena)
{
    if (arena->private) msgpack_zone_clear(arena->private);
}

/* "'MESSAGE.FIELD' WHY." */
static int refuse(const struct decoder *decoder, const struct wire_message *message,
                  const struct wire_field *field, const char *why)
{
    return problem_set_body(decoder->problem, field->name, "'%s.%s' %s.", message->name,
                            field->name, why);
}

static int refuse_size(const struct decoder *decoder, const struct wire_message *message,
                       const struct wire_field *field, uint64_t size, const char *unit)
{
    return problem_set_body(decoder->problem, field->name,
                            "'%s.%s' has %" PRIu64 " %s; at most %" PRIu32 " are accepted.",
                            message->name, field->name, size, unit, field->limit);
}

static int no_memory(struct problem *problem)
{
    return problem_set(problem, PROBLEM_BUSY, "There is no memory to read this body now.");
}

/* `count` zeroed elements; NULL without memory. */
static void *zone_zalloc(msgpack_zone *zone, size_t count, size_t size)
{
    void *memory = msgpack_zone_malloc(zone, count * size);

    if (memory) memset(memory, 0, count * size);
    return memory;
}

static void *member(void *value, size_t offset)
{
    return (char *)value + offset;
}

static int read_number(const struct decoder *decoder, const struct wire_message *message,
                       const struct wire_field *field, const msgpack_object *object, void *value)
{
    void *at = member(value, field->offset);

    if (field->type == WIRE_TYPE_I64 && object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *(int64_t *)at = object->via.i64;
        return 0;
    }
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return refuse(decoder, message, field,
                      field->type == WIRE_TYPE_I64 ? "is not an integer"
                                                   : "is not an integer from 0 on");
    if (field->type == WIRE_TYPE_U64) {
        *(uint64_t *)at = object->via.u64;
    } else if (field->type == WIRE_TYPE_I64) {
        if (object->via.u64 > INT64_MAX)
            return refuse(decoder, message, field, "needs more than 63 bits");
        *(int64_t *)at = (int64_t)object->via.u64;
    } else {
        if (object->via.u64 > UINT32_MAX)
            return refuse(decoder, message, field, "needs more than 32 bits");
        *(uint32_t *)at = (uint32_t)object->via.u64;
    }
    return 0;
}

static int read_bool(const struct decoder *decoder, const struct wire_message *message,
                     const struct wire_field *field, const msgpack_object *object, void *value)
{
    if (object->type != MSGPACK_OBJECT_BOOLEAN)
        return refuse(decoder, message, field, "is not true or false");
    *(bool *)member(value, field->offset) = object->via.boolean;
    return 0;
}

static int read_text(const struct decoder *decoder, const struct wire_message *message,
                     const struct wire_field *field, const msgpack_object *object, void *value)
{
    struct text text;

    if (object->type != MSGPACK_OBJECT_STR)
        return refuse(decoder, message, field, "is not a string");
    text = (struct text){ object->via.str.ptr, object->via.str.size };
    if (text.size > field->limit) return refuse_size(decoder, message, field, text.size, "bytes");
    if (!text_is_utf8(text)) return refuse(decoder, message, field, "is not UTF-8");
    *(struct text *)member(value, field->offset) = text;
    return 0;
}

static int read_bin(const struct decoder *decoder, const struct wire_message *message,
                    const struct wire_field *field, const msgpack_object *object, void *value)
{
    struct text bytes;

    if (object->type != MSGPACK_OBJECT_BIN) return refuse(decoder, message, field, "is not binary");
    bytes = (struct text){ object->via.bin.ptr, object->via.bin.size };
    if (bytes.size > field->limit) return refuse_size(decoder, message, field, bytes.size, "bytes");
    *(struct text *)member(value, field->offset) = bytes;
    return 0;
}

static int read_message(const struct decoder *decoder, const struct wire_message *message,
                        const msgpack_object *object, void *value);

static int read_texts(const struct decoder *decoder, const struct wire_message *message,
                      const struct wire_field *field, const msgpack_object_array *array,
                      struct text *texts)
{
    for (uint32_t i = 0; i < array->size; i++) {
        const msgpack_object *object = &array->ptr[i];

        if (object->type != MSGPACK_OBJECT_STR)
            return refuse(decoder, message, field, "has an element that is not a string");
        texts[i] = (struct text){ object->via.str.ptr, object->via.str.size };
        if (texts[i].size > field->size_max)
            return refuse(decoder, message, field, "has a string that is too long");
        if (!text_is_utf8(texts[i]))
            return refuse(decoder, message, field, "has a string that is not UTF-8");
    }
    return 0;
}

static int read_elements(const struct decoder *decoder, const struct wire_message *message,
                         const struct wire_field *field, const msgpack_object_array *array,
                         char *elements)
{
    if (field->type == WIRE_TYPE_TEXTS)
        return read_texts(decoder, message, field, array, (struct text *)elements);
    for (uint32_t i = 0; i < array->size; i++) {
        char *element = elements + i * field->element->size;

        if (read_message(decoder, field->element, &array->ptr[i], element) < 0) return -1;
    }
    return 0;
}

static int read_list(const struct decoder *decoder, const struct wire_message *message,
                     const struct wire_field *field, const msgpack_object *object, void *value)
{
    size_t size = field->type == WIRE_TYPE_TEXTS ? sizeof(struct text) : field->element->size;
    const msgpack_object_array *array = &object->via.array;
    char *elements;

    if (object->type != MSGPACK_OBJECT_ARRAY)
        return refuse(decoder, message, field, "is not an array");
    if (array->size > field->limit)
        return refuse_size(decoder, message, field, array->size, "elements");
    if (array->size == 0) return 0;
    elements = zone_zalloc(decoder->zone, array->size, size);
    if (!elements) return no_memory(decoder->problem);
    if (read_elements(decoder, message, field, array, elements) < 0) return -1;
    *(char **)member(value, field->offset) = elements;
    *(uint32_t *)member(value, field->count_offset) = array->size;
    return 0;
}

static int read_value(const struct decoder *decoder, const struct wire_message *message,
                      const struct wire_field *field, const msgpack_object *object, void *value)
{
    switch (field->type) {
    case WIRE_TYPE_U32:
    case WIRE_TYPE_U64:
    case WIRE_TYPE_I64:
        return read_number(decoder, message, field, object, value);
    case WIRE_TYPE_BOOL:
        return read_bool(decoder, message, field, object, value);
    case WIRE_TYPE_TEXT:
        return read_text(decoder, message, field, object, value);
    case WIRE_TYPE_BIN:
        return read_bin(decoder, message, field, object, value);
    default:
        return read_list(decoder, message, field, object, value);
    }
}

/* The index of the field with this key, or field_count. */
static uint32_t field_index(const struct wire_message *message, uint64_t key)
{
    uint32_t i = 0;

    while (i < message->field_count && message->fields[i].key != key) {
        i++;
    }
    return i;
}

static int read_message(const struct decoder *decoder, const struct wire_message *message,
                        const msgpack_object *object, void *value)
{
    const msgpack_object_map *map = &object->via.map;
    uint64_t seen = 0; /* a bit for each field */

    if (object->type != MSGPACK_OBJECT_MAP)
        return problem_set_body(decoder->problem, message->name, "'%s' is not a map.",
                                message->name);
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        uint32_t index;

        if (key->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return problem_set_body(decoder->problem, message->name,
                                    "'%s' has a key that is not a number.", message->name);
        index = field_index(message, key->via.u64);
        if (index == message->field_count) continue;
        if (seen & UINT64_C(1) << index)
            return refuse(decoder, message, &message->fields[index], "is there twice");
        seen |= UINT64_C(1) << index;
        if (read_value(decoder, message, &message->fields[index], &map->ptr[i].val, value) < 0)
            return -1;
    }
    for (uint32_t i = 0; i < message->field_count; i++) {
        if (message->fields[i].is_required && !(seen & UINT64_C(1) << i))
            return refuse(decoder, message, &message->fields[i], "is missing");
    }
    return 0;
}

/* Refuses a version that is not spoken; leaves everything else to read_message(). */
static int check_protocol(const struct wire_message *message, const msgpack_object *object,
                          struct problem *problem)
{
    const msgpack_object_map *map = &object->via.map;
    const struct wire_field *field = &message->fields[0];

    if (strcmp(field->name, "protocol") != 0 || object->type != MSGPACK_OBJECT_MAP) return 0;
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key, *value = &map->ptr[i].val;

        if (key->type != MSGPACK_OBJECT_POSITIVE_INTEGER || key->via.u64 != field->key) continue;
        if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER) return 0;
        if (value->via.u64 >= WIRE_PROTOCOL_MIN && value->via.u64 <= WIRE_PROTOCOL) return 0;
        return problem_set(problem, PROBLEM_BAD_PROTOCOL,
                           "The protocol version is %" PRIu64 "; spoken here are %d to %d.",
                           value->via.u64, WIRE_PROTOCOL_MIN, WIRE_PROTOCOL);
    }
    return 0;
}

static int unpack(struct text body, msgpack_zone *zone, msgpack_object *ret,
                  struct problem *problem)
{
    const char *why;
    size_t at = 0;

    if (wire_scan(body, &why) < 0)
        return problem_set(problem, PROBLEM_BAD_BODY, "The body %s.", why);
    if (msgpack_unpack(body.data, body.size, &at, zone, ret) != MSGPACK_UNPACK_SUCCESS)
        return no_memory(problem); /* the one way to fail that the scan leaves */
    return 0;
}

int wire_decode(const struct wire_message *message, struct text body, struct wire_arena *arena,
                void *ret, struct problem *problem)
{
    struct decoder decoder = { .problem = problem };
    msgpack_object object;
    void *value;

    if (!arena->private) arena->private = msgpack_zone_new(ZONE_CHUNK_SIZE);
    decoder.zone = arena->private;
    if (!decoder.zone) return no_memory(problem);
    if (unpack(body, decoder.zone, &object, problem) < 0) return -1;
    if (check_protocol(message, &object, problem) < 0) return -1;
    value = zone_zalloc(decoder.zone, 1, message->size);
    if (!value) return no_memory(problem);
    if (read_message(&decoder, message, &object, value) < 0) return -1;
    memcpy(ret, value, message->size);
    return 0;
}
