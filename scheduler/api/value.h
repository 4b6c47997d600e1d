/* SPDX-License-Identifier: Apache-2.0 */
/* value.h: our values as JSON: names, dates, durations, ids. Each returns a new reference that the
 * caller gives away with json_object_set_new() or json_array_append_new(). Never NULL. */
#ifndef STAKEOUT_SCHEDULER_API_VALUE_H
#define STAKEOUT_SCHEDULER_API_VALUE_H

#include "common/base/text.h"

#include <jansson.h>

json_t *value_text(const char *terminated);
json_t *value_text_of(struct text text);      /* what is not UTF-8 is said to be so */
json_t *value_text_or_null(struct text text); /* null for the empty text */
json_t *value_count(uint64_t count);          /* beyond 2^63 - 1: that */
json_t *value_ms(uint64_t ns);                /* milliseconds with their fraction, exact */
json_t *value_signed_ms(int64_t ns);
json_t *value_time(uint64_t wall_ms);         /* RFC 3339 UTC with milliseconds */
json_t *value_time_or_null(uint64_t wall_ms); /* null for 0 */
json_t *value_incarnation(uint64_t incarnation);

/* Sets without looking at the result: our keys are UTF-8 and our values not NULL. */
void value_set(json_t *object, const char *key, json_t *take_value);
void value_append(json_t *array, json_t *take_value);

/* The text of a document: freed with free(). */
char *value_print(json_t *document, size_t *ret_size);

#endif
