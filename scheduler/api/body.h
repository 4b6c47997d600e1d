/* SPDX-License-Identifier: Apache-2.0 */
/* body.h: is there a body, of the kind that a route takes? Asked before the handler.
 *
 * What is refused here is refused for its kind: the Content-Type of a JSON body, and any field in
 * the body of a request that has none. */
#ifndef STAKEOUT_SCHEDULER_API_BODY_H
#define STAKEOUT_SCHEDULER_API_BODY_H

#include "common/model/problem.h"
#include "scheduler/http/http.h"

#include <stdbool.h>

/* `kind` is a route's: "" takes none, "Nothing" takes none or an empty object, a content type
 * (with a '/') takes bytes, which go to a sink; anything else is a schema, in JSON. */
bool body_is_bytes(const char *kind);
bool body_is_optional(const char *kind);

/* Returns 0, or -1 with *problem. */
int body_check(struct http_request *request, const char *kind, struct problem *problem);

/* The body of a request without fields: {}. */
int body_check_empty(struct text body, struct problem *problem);

#endif
