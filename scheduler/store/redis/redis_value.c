/* SPDX-License-Identifier: Apache-2.0 */
/* redis_value.c: a struct redis_value is hiredis' redisReply under a name that tells nobody so. */
#include "scheduler/store/redis/redis_value.h"

#include <hiredis/hiredis.h>

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
