/* SPDX-License-Identifier: Apache-2.0 */
/* api.c: the door: what routes.def promises is checked here, before a handler sees a request.
 *
 * A handler may rely on: the client's role, the parameters being known and given once, a body,
 * where there is one, being said to be JSON, and what the path names being of an application that
 * the client's token is for. */
#include "scheduler/api/api.h"

#include "common/base/check.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/body.h"
#include "scheduler/api/events.h"
#include "scheduler/api/offload.h"
#include "scheduler/api/openapi.h"
#include "scheduler/api/query.h"
#include "scheduler/api/scoping.h"
#include "scheduler/api/symbol_files.h"
#include "scheduler/api/turns.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
const struct route routes[] = {
#define ROUTE(method, path, role, about, body, handler, query, answer, status, summary) \
    { HTTP_##method, path,  HTTP_##role, ABOUT_##about, body, \
      handler,       query, answer,      status,         summary },
#include "scheduler/api/routes.def"
#undef ROUTE
};
/* clang-format on */
const size_t route_count = ARRAY_COUNT(routes);

/* What http hands back to us with a request: one per row. */
struct route_door {
    struct api *api;
    const struct route *route;
    struct http_route row; /* http keeps a pointer to it */
};

enum { TURNS_WAITING_MAX = 256 };

static int check_request(const struct route *route, struct http_request *request,
                         struct problem *problem)
{
    if (query_check(request, route->query, problem) < 0) return -1;
    return body_check(request, route->body, problem);
}

static void on_request(struct http_request *request, void *context)
{
    struct route_door *door = context;
    struct problem problem = { 0 };

    if (check_request(door->route, request, &problem) < 0)
        answer_problem(request, &problem);
    else
        scoping_pass(door->api, door->route, request);
}

static int on_sink_open(void *context, uint64_t body_size, void **ret_sink,
                        struct http_refusal *ret_why)
{
    struct route_door *door = context;

    return symbol_sink_open(door->api, body_size, ret_sink, ret_why);
}

static void open_doors(struct api *api)
{
    static const struct http_sink sink = { .open = on_sink_open, .drop = symbol_sink_drop };

    api->doors = mem_zalloc(route_count, sizeof *api->doors);
    for (size_t i = 0; i < route_count; i++) {
        struct route_door *door = &api->doors[i];
        const struct route *route = &routes[i];

        *door = (struct route_door){ .api = api, .route = route };
        door->row = (struct http_route){ .method = route->method,
                                         .path = route->path,
                                         .role = route->role,
                                         .body_size_max = *route->body ? JSON_SIZE_MAX : 0,
                                         .handler = on_request,
                                         .sink = body_is_bytes(route->body) ? &sink : NULL,
                                         .is_for_all = route->about == ABOUT_ALL };
        http_add_routes(api->rooms.http, &door->row, 1, door);
    }
}

struct api *api_new(const struct api_options *options)
{
    struct api *api = mem_zalloc(1, sizeof *api);

    api->rooms = *options;
    api->offloads = offloads_new(options->base);
    api->turns = turns_new(OFFLOADS_MAX, TURNS_WAITING_MAX);
    api->openapi = openapi_print(&api->openapi_size);
    open_doors(api);
    return api;
}

struct api *api_free(struct api *api)
{
    if (!api) return NULL;
    CHECK(!api->streams);
    offloads_free(api->offloads);
    turns_free(api->turns);
    free(api->openapi);
    free(api->doors);
    free(api);
    return NULL;
}

void api_task_changed(struct api *api, const struct task *task, const struct sample_summary *sample)
{
    events_publish(api, task, sample);
}

void api_tick(struct api *api, uint64_t now_ns)
{
    events_tick(api, now_ns);
}

void api_end_streams(struct api *api)
{
    events_end(api);
}
