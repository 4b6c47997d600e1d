/* SPDX-License-Identifier: Apache-2.0 */
/* private.h: what the files of scheduler/intake share.
 *
 *   intake.c   the routes, and the way of a request through the door
 *   poll.c     parked until the tasks change
 *   pulse.c    census and ledgers
 *   report.c   samples and log events, to the store
 *   drop_counts.c   ledgers as metrics */
#ifndef STAKEOUT_SCHEDULER_INTAKE_PRIVATE_H
#define STAKEOUT_SCHEDULER_INTAKE_PRIVATE_H

#include "scheduler/intake/intake.h"

#include "common/base/buf.h"
#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "scheduler/http/http.h"
#include "scheduler/live/census.h"
#include "scheduler/live/live.h"
#include "scheduler/metrics/metrics.h"
#include "scheduler/task/tasks.h"

#include <sys/queue.h>

enum {
    POLL_TASKS_MAX = 256, /* of messages.def: the active ones and those that just ended */
    /* Requests that wait for the store. Reports: bodies of 1 MB each, and their samples beside
     * them. Pulses and log events are small, and a task's begin makes all instances speak. */
    REPORTS_IN_FLIGHT_MAX = 64,
    WORDS_IN_FLIGHT_MAX = 512,
    /* After a start; a probe that lives has polled by then, also at the end of its back-off. */
    STRANGERS_AFTER_MS = 60000,
};

/* The last poll's answer: during a wake-up all of them are equal, and a few ms old at most. */
struct poll_cache {
    char application[APPLICATION_SIZE_MAX + 1];
    char version[65];
    const struct task *tasks[POLL_TASKS_MAX];
    size_t task_count;
    uint64_t built_ns; /* 0: empty */
    struct buf bytes;
};

/* A request that the store has been asked about. */
struct in_flight {
    TAILQ_ENTRY(in_flight) link;
    struct intake *intake;
    struct http_request *request; /* NULL: its client has gone */
    const char *kind;             /* for the metrics */
    size_t *count;                /* of those in flight that it belongs to */
    struct sample *sample;        /* of a report; owned */
};

struct drop_counts;

struct intake {
    struct tasks *tasks;
    struct live *live;
    struct census *census;
    struct metrics *metrics;
    struct drop_counts *drop_counts;
    struct poll_cache cache;
    struct wire_arena arena; /* of the poll that is being read */
    TAILQ_HEAD(, in_flight) in_flight;
    size_t report_count, word_count; /* in flight */
    uint64_t heard_ns;               /* when tasks were last told who is here */
    uint64_t strangers_due_ns;       /* 0: not set yet; UINT64_MAX: swept */
};

/* Who sends: the head of each message, checked. */
struct sender {
    struct text application, instance;
    uint64_t incarnation;
};
/* Also: does the token that it came with serve this application? (403) */
int sender_check(struct http_request *request, const struct sender *sender,
                 struct problem *problem);

/* Answers. Each counts `kind` with its outcome and consumes the request. */
void intake_refuse(struct intake *intake, struct http_request *request, const char *kind,
                   const struct problem *problem);
void intake_answer(struct intake *intake, struct http_request *request, const char *kind,
                   const char *outcome, struct text body);

/* Parks the request until the store answers; NULL after refusing it when too many wait. */
struct in_flight *in_flight_begin(struct intake *intake, struct http_request *request,
                                  const char *kind);

/* The store has answered: frees the record and returns the request, NULL if its client is gone. */
struct http_request *in_flight_end(struct in_flight *it);

/* The handlers. The body's type and the sender's protocol are checked before; each decodes. */
void poll_take(struct intake *intake, struct http_request *request);
void pulse_take(struct intake *intake, struct http_request *request);
void report_take(struct intake *intake, struct http_request *request);
void log_take(struct intake *intake, struct http_request *request);

#endif
