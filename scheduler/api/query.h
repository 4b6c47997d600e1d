/* SPDX-License-Identifier: Apache-2.0 */
/* query.h: what stands behind the "?": checked strictly, like everything from outside.
 *
 * Each returns 0 and fills *ret, or returns -1 with *problem naming the parameter. An absent one
 * leaves *ret alone, which holds the default. */
#ifndef STAKEOUT_SCHEDULER_API_QUERY_H
#define STAKEOUT_SCHEDULER_API_QUERY_H

#include "common/model/problem.h"
#include "scheduler/http/http.h"

/* "'NAME' is 'VALUE'; it must be ACCEPTS.": returns -1. A value that was not given (data NULL) is
 * missing; one that is long, or cannot be shown, is not shown. */
int query_refuse(const char *name, struct text value, const char *accepts, struct problem *problem);

/* Refuses parameters that `known` (separated by spaces) does not list, repeated and empty ones. */
int query_check(struct http_request *request, const char *known, struct problem *problem);

int query_limit(struct http_request *request, uint32_t *ret, struct problem *problem);
/* "from" and "to": the first may not be after the second. */
int query_times(struct http_request *request, uint64_t *ret_from, uint64_t *ret_to,
                struct problem *problem);
int query_state(struct http_request *request, int *ret, struct problem *problem);

/* The same, of texts: for tests and for whoever has the text already. */
int limit_parse(struct text text, uint32_t *ret, struct problem *problem);

#endif
