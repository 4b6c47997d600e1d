/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h: is a JSON value as a schema of our OpenAPI document says? Knows the part of JSON
 * Schema that scheduler/api/openapi.c writes, and fails on any other word. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_API_SCHEMA_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_API_SCHEMA_H

#include <jansson.h>

/* Fails the test, naming the place, if `value` is not as `schema` says, or has properties that
 * it does not name. `document` resolves references. */
void schema_check(const json_t *document, const json_t *schema, const json_t *value,
                  const char *place);

#endif
