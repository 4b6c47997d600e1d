/* SPDX-License-Identifier: Apache-2.0 */
/* redis_value.c: a struct redis_value is hiredis' redisReply under a name that tells nobody so. */
#include "scheduler/store/redis/redis_value.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "common/base/check.h"

static const redisReply *reply_of(const struct redis_value *value)
{
    return (const redisReply *)(const void *)value;
}

bool redis_value_is_nil(const struct redis_value *value)
{
    return !value || reply_of(value)->type == REDIS_REPLY_NIL;
}

bool redis_value_is_error(const struct redis_value *value)
{
    return value && reply_of(value)->type == REDIS_REPLY_ERROR;
}

struct text redis_value_text(const struct redis_value *value)
{
    const redisReply *reply = reply_of(value);

    if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
                   reply->type != REDIS_REPLY_ERROR)) {
        return TEXT("");
    }
    return (struct text){ reply->str, reply->len };
}

uint64_t redis_value_u64(const struct redis_value *value)
{
    const redisReply *reply = reply_of(value);
    uint64_t number = 0;

    if (!reply) return 0;
    if (reply->type == REDIS_REPLY_INTEGER) {
        return reply->integer > 0 ? (uint64_t)reply->integer : 0;
    }
    return text_to_u64(redis_value_text(value), &number) < 0 ? 0 : number;
}

size_t redis_value_count(const struct redis_value *value)
{
    const redisReply *reply = reply_of(value);

    return reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const struct redis_value *redis_value_at(const struct redis_value *value, size_t index)
{
    if (index >= redis_value_count(value)) return NULL;
    return (const struct redis_value *)(const void *)reply_of(value)->element[index];
}

/* Copies are ours, not the parser's: they are freed here, whatever it allocates with. */
static void reply_copy(const redisReply *from, redisReply *to)
{
    to->type = from->type;
    to->integer = from->integer;
    if (from->str) {
        to->str = mem_text(from->str, from->len);
        to->len = from->len;
    }
    if (from->elements == 0) return;
    to->element = mem_zalloc(from->elements, sizeof(redisReply *));
    to->elements = from->elements;
    for (size_t i = 0; i < from->elements; i++) {
        to->element[i] = mem_zalloc(1, sizeof(redisReply));
        reply_copy(from->element[i], to->element[i]);
    }
}

static void reply_free(redisReply *reply)
{
    for (size_t i = 0; i < reply->elements; i++) {
        reply_free(reply->element[i]);
    }
    free((void *)reply->element);
    free(reply->str);
    free(reply);
}

struct redis_value *redis_value_copy(const struct redis_value *value)
{
    redisReply *copy;

    if (!value) return NULL;
    copy = mem_zalloc(1, sizeof(*copy));
    reply_copy(reply_of(value), copy);
    return (struct redis_value *)(void *)copy;
}

void redis_value_free(struct redis_value *value)
{
    if (value) reply_free((redisReply *)(void *)value);
}
