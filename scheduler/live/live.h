/* SPDX-License-Identifier: Apache-2.0 */
/* live.h: who waits for what: parked polls of probes, and the streams of consoles.
 *
 * A poll that knows the version of its application's tasks is parked until the version differs
 * or POLL_PARK_MS passed. Waking thousands is done in turns of 64, so that others are served
 * meanwhile. Knows nothing of HTTP: it is given functions to call. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_LIVE_LIVE_H
#define STAKEOUT_SCHEDULER_LIVE_LIVE_H

#include "common/base/text.h"

struct event_base;
struct live;
struct live_poll;
struct live_stream;

struct live *live_new(struct event_base *base);
struct live *live_free(struct live *live);

/* The poll is to be answered now, with what is true now. It is no longer parked. */
typedef void (*live_wake_fn)(void *context);
struct live_poll *live_park(struct live *live, struct text application, uint64_t park_ms,
                            live_wake_fn wake, void *context);
void live_unpark(struct live *live, struct live_poll *poll); /* its client is gone */
void live_wake(struct live *live, struct text application);  /* its tasks have changed */
void live_wake_all(struct live *live);                       /* before a stop */
size_t live_parked_count(const struct live *live);

/* Consoles. An event is of an application, and has a type ("task", "sample") and a line of JSON. */
struct live_event {
    struct text application, type, json;
};
typedef void (*live_event_fn)(void *context, const struct live_event *event);
struct live_stream *live_stream_open(struct live *live, live_event_fn on_event, void *context);
void live_stream_close(struct live *live, struct live_stream *stream);
void live_publish(struct live *live, const struct live_event *event);
size_t live_stream_count(const struct live *live);

#endif
