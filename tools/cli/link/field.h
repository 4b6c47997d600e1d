/* SPDX-License-Identifier: Apache-2.0 */
/* field.h: reading the API's answers: absent, null and of another type are all "unknown".
 *
 * A scheduler of another version may leave fields out or add some; what is unknown is shown as
 * unknown, never guessed. */
#ifndef STAKEOUT_TOOLS_CLI_LINK_FIELD_H
#define STAKEOUT_TOOLS_CLI_LINK_FIELD_H

#include "common/base/text.h"

#include <jansson.h>

/* Lives as long as the object. Unknown: size 0. */
struct text field_text(const json_t *object, const char *key);
double field_number(const json_t *object, const char *key);       /* unknown: NAN */
double field_amount(const json_t *object, const char *key);       /* unknown: 0 */
uint64_t field_count(const json_t *object, const char *key);      /* unknown or negative: 0 */
bool field_is_true(const json_t *object, const char *key);        /* unknown: false */
uint64_t field_time_ms(const json_t *object, const char *key);    /* RFC 3339; unknown: 0 */
const json_t *field_array(const json_t *object, const char *key); /* unknown: NULL */

/* The sum of an object's integers: drops by reason. */
uint64_t field_sum(const json_t *object, const char *key);

#endif
