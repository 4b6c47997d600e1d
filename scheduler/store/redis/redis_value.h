/* SPDX-License-Identifier: Apache-2.0 */
/* redis_value.h: what an answer of Redis is.
 *
 * A value lives until the callback that is given it returns. Accessors are total: NULL and a value
 * of another kind read as empty, 0 or nil. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_VALUE_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_VALUE_H

#include "common/base/text.h"

struct redis_value;

bool redis_value_is_nil(const struct redis_value *value);
bool redis_value_is_error(const struct redis_value *value);
struct text redis_value_text(const struct redis_value *value); /* strings, states, errors */
uint64_t redis_value_u64(const struct redis_value *value);     /* integers, and digits in strings */
size_t redis_value_count(const struct redis_value *value);
const struct redis_value *redis_value_at(const struct redis_value *value, size_t index);

/* For who must keep one: it lives until it is freed. NULL is copied to NULL, and freed. */
struct redis_value *redis_value_copy(const struct redis_value *value);
void redis_value_free(struct redis_value *value);

#endif
