/* SPDX-License-Identifier: Apache-2.0 */
/* scoping.h: what is of another application is as if it were not there.
 *
 * A token may be for some applications (access/scope.h). What a route is about is its word in
 * routes.def; where that is one thing, it is found and looked at here, before the handler runs, so
 * that no handler can forget to. Lists, and what a body names, are the handlers' own: they ask
 * request_scope(). */
#ifndef STAKEOUT_SCHEDULER_API_SCOPING_H
#define STAKEOUT_SCHEDULER_API_SCOPING_H

#include "common/model/problem.h"
#include "scheduler/access/scope.h"
#include "scheduler/api/state.h"

/* Runs the handler, now or later, or answers as if there were no such thing. */
void scoping_pass(struct api *api, const struct route *route, struct http_request *request);

/* Of the token that the request came with; NULL: all applications. Lives as long as the request;
 * of a request that is gone (NULL) it is NULL as well, and nobody hears the answer. */
struct scope *request_scope(struct http_request *request);

/* 0, or -1 with *problem: 404, the same whether there is such an application or not. */
int scoping_check(struct http_request *request, struct text application, struct problem *problem);

#endif
