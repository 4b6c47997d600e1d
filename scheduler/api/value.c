/* SPDX-License-Identifier: Apache-2.0 */
/* value.c: numbers are printed with 15 significant digits: a time in ns divided by 10^6 comes out
 * with exactly its decimals up to eleven days, and never as 0.30000000000000004. */
#include "scheduler/api/value.h"

#include "common/base/check.h"
#include "common/base/wall_time.h"
#include "common/model/id.h"

#include <string.h>

enum { DIGITS = 15 };

json_t *value_text_of(struct text text)
{
    json_t *value = json_stringn(text.data ? text.data : "", text.size);

    if (!value) value = json_string("(not UTF-8)");
    CHECK(value);
    return value;
}

json_t *value_text(const char *terminated)
{
    return value_text_of(text_of(terminated));
}

json_t *value_text_or_null(struct text text)
{
    return text.size == 0 ? json_null() : value_text_of(text);
}

json_t *value_count(uint64_t count)
{
    return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

json_t *value_ms(uint64_t ns)
{
    return json_real((double)ns / 1e6);
}

json_t *value_signed_ms(int64_t ns)
{
    return json_real((double)ns / 1e6);
}

json_t *value_time(uint64_t wall_ms)
{
    char text[WALL_TIME_SIZE];

    wall_time_format(wall_ms, text);
    return value_text(text);
}

json_t *value_time_or_null(uint64_t wall_ms)
{
    return wall_ms == 0 ? json_null() : value_time(wall_ms);
}

json_t *value_incarnation(uint64_t incarnation)
{
    char text[INCARNATION_SIZE + 1];

    incarnation_format(incarnation, text);
    return value_text(text);
}

void value_set(json_t *object, const char *key, json_t *take_value)
{
    CHECK(json_object_set_new(object, key, take_value) == 0);
}

void value_append(json_t *array, json_t *take_value)
{
    CHECK(json_array_append_new(array, take_value) == 0);
}

char *value_print(json_t *document, size_t *ret_size)
{
    char *text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));

    CHECK(text);
    *ret_size = strlen(text);
    return text;
}
