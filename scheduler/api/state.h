/* SPDX-License-Identifier: Apache-2.0 */
/* state.h: what the files of this folder share: the rooms next door, and the rows of routes.def
 * as structs and declarations. */
#ifndef STAKEOUT_SCHEDULER_API_STATE_H
#define STAKEOUT_SCHEDULER_API_STATE_H

#include "scheduler/api/api.h"
#include "scheduler/http/http.h"

struct offloads;
struct stream; /* events.c */
struct turns;

struct api {
    struct api_options rooms;
    struct stream *streams;    /* of /events, a list */
    uint64_t streams_tick_ns;  /* when they were last told that we live */
    struct offloads *offloads; /* of analyses and long lists; each holds a turn */
    struct turns *turns;       /* OFFLOADS_MAX at once */
    struct route_door *doors;  /* one per row of routes.def, what http hands back to us */
    char *openapi;             /* the description, made once */
    size_t openapi_size;
};

typedef void (*route_fn)(struct api *api, struct http_request *request);

/* What of an application is in a route; as routes.def explains. */
enum route_about {
    ABOUT_NONE = 1,
    ABOUT_TASK,
    ABOUT_SAMPLE,
    ABOUT_SUBJECTS,
    ABOUT_APPLICATION,
    ABOUT_BODY,
    ABOUT_LIST,
    ABOUT_ALL,
};

/* A row of routes.def. */
struct route {
    enum http_method method;
    const char *path;
    enum http_role role;
    enum route_about about;
    const char *body; /* schema of the request's body, or a content type with a '/', which goes to
                         a sink as it comes; empty: none is accepted */
    route_fn handler;
    const char *query;  /* the parameters that may be given, separated by spaces */
    const char *answer; /* schema of the answer, or a content type with a '/' */
    int status;         /* of success */
    const char *summary;
};

/* Their count is behind the last one's NULL path. */
extern const struct route routes[];
extern const size_t route_count;

#define ROUTE(method, path, role, about, body, handler, query, answer, status, summary) \
    void handler(struct api *api, struct http_request *request);
#include "scheduler/api/routes.def"
#undef ROUTE

#endif
