/* SPDX-License-Identifier: Apache-2.0 */
/* encode.c: a struct as msgpack, field by field, as its table says.
 *
 * Fields come in the order of their keys, a field that may be absent and is zero is left out, and
 * numbers take the shortest form: the same value always gives the same bytes. What a decoder
 * would refuse is not written: -EINVAL. */
#include "common/wire/codec.h"

#include <errno.h>
#include <msgpack.h>

static const void *member(const void *value, size_t offset)
{
    return (const char *)value + offset;
}

static uint32_t count_of(const struct wire_field *field, const void *value)
{
    return *(const uint32_t *)member(value, field->count_offset);
}

static bool is_zero(const struct wire_field *field, const void *value)
{
    const void *at = member(value, field->offset);

    switch (field->type) {
    case WIRE_TYPE_U32:
        return *(const uint32_t *)at == 0;
    case WIRE_TYPE_U64:
        return *(const uint64_t *)at == 0;
    case WIRE_TYPE_I64:
        return *(const int64_t *)at == 0;
    case WIRE_TYPE_BOOL:
        return !*(const bool *)at;
    case WIRE_TYPE_TEXT:
    case WIRE_TYPE_BIN:
        return ((const struct text *)at)->size == 0;
    default:
        return count_of(field, value) == 0;
    }
}

static bool is_written(const struct wire_field *field, const void *value)
{
    return field->is_required || !is_zero(field, value);
}

static int write_text(msgpack_packer *packer, struct text text, uint32_t size_max)
{
    if (text.size > size_max || !text_is_utf8(text)) return -EINVAL;
    return msgpack_pack_str_with_body(packer, text.data ? text.data : "", text.size);
}

static int write_bin(msgpack_packer *packer, struct text bytes, uint32_t size_max)
{
    if (bytes.size > size_max) return -EINVAL;
    return msgpack_pack_bin_with_body(packer, bytes.data ? bytes.data : "", bytes.size);
}

static int write_message(msgpack_packer *packer, const struct wire_message *message,
                         const void *value);

static int write_list(msgpack_packer *packer, const struct wire_field *field, const void *value)
{
    const char *elements = *(const char *const *)member(value, field->offset);
    uint32_t count = count_of(field, value);
    int rc;

    if (count > field->limit) return -EINVAL;
    rc = msgpack_pack_array(packer, count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = write_message(packer, field->element, elements + i * field->element->size);
    }
    return rc;
}

static int write_texts(msgpack_packer *packer, const struct wire_field *field, const void *value)
{
    const struct text *texts = *(const struct text *const *)member(value, field->offset);
    uint32_t count = count_of(field, value);
    int rc;

    if (count > field->limit) return -EINVAL;
    rc = msgpack_pack_array(packer, count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = write_text(packer, texts[i], field->size_max);
    }
    return rc;
}

static int write_value(msgpack_packer *packer, const struct wire_field *field, const void *value)
{
    const void *at = member(value, field->offset);

    switch (field->type) {
    case WIRE_TYPE_U32:
        return msgpack_pack_uint32(packer, *(const uint32_t *)at);
    case WIRE_TYPE_U64:
        return msgpack_pack_uint64(packer, *(const uint64_t *)at);
    case WIRE_TYPE_I64:
        return msgpack_pack_int64(packer, *(const int64_t *)at);
    case WIRE_TYPE_BOOL:
        return *(const bool *)at ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    case WIRE_TYPE_TEXT:
        return write_text(packer, *(const struct text *)at, field->limit);
    case WIRE_TYPE_BIN:
        return write_bin(packer, *(const struct text *)at, field->limit);
    case WIRE_TYPE_LIST:
        return write_list(packer, field, value);
    default:
        return write_texts(packer, field, value);
    }
}

static int write_message(msgpack_packer *packer, const struct wire_message *message,
                         const void *value)
{
    uint32_t written_count = 0;
    int rc;

    for (uint32_t i = 0; i < message->field_count; i++) {
        written_count += is_written(&message->fields[i], value);
    }
    rc = msgpack_pack_map(packer, written_count);
    for (uint32_t i = 0; i < message->field_count && rc == 0; i++) {
        if (!is_written(&message->fields[i], value)) continue;
        rc = msgpack_pack_uint32(packer, message->fields[i].key);
        if (rc == 0) rc = write_value(packer, &message->fields[i], value);
    }
    return rc;
}

static int on_write(void *to, const char *data, size_t size)
{
    return buf_append(to, data, size);
}

int wire_encode(const struct wire_message *message, const void *value, struct buf *to)
{
    size_t size = to->size;
    msgpack_packer packer;
    int rc;

    msgpack_packer_init(&packer, to, on_write);
    rc = write_message(&packer, message, value);
    if (rc < 0) buf_shrink(to, size);
    return rc;
}
