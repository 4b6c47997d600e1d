/* SPDX-License-Identifier: Apache-2.0 */
/* field.c: see field.h. */
#include "tools/cli/link/field.h"

#include "common/base/wall_time.h"

#include <math.h>

struct text field_text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value)) return (struct text){ "", 0 };
    return (struct text){ json_string_value(value), json_string_length(value) };
}

double field_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

double field_amount(const json_t *object, const char *key)
{
    double value = field_number(object, key);

    return isnan(value) ? 0 : value;
}

uint64_t field_count(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value > 0 ? (uint64_t)value : 0;
}

bool field_is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

uint64_t field_time_ms(const json_t *object, const char *key)
{
    uint64_t wall_ms = 0;

    if (wall_time_parse(field_text(object, key), &wall_ms) < 0) return 0;
    return wall_ms;
}

const json_t *field_array(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_array(value) ? value : NULL;
}

uint64_t field_sum(const json_t *object, const char *key)
{
    json_t *counts = json_object_get(object, key), *value;
    const char *name;
    uint64_t sum = 0;

    json_object_foreach(counts, name, value)
    {
        if (json_integer_value(value) > 0) sum += (uint64_t)json_integer_value(value);
    }
    return sum;
}
