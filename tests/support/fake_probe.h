/* SPDX-License-Identifier: Apache-2.0 */
/* fake_probe.h: speaks the probes' protocol to a real scheduler, for tests that need reports.
 *
 *     struct fake_probe probe = FAKE_PROBE(port, "shop", "host-1:17");
 *     fake_probe_poll(&probe);                                   told of its tasks
 *     fake_probe_park(&probe);                                   ... which says that it has them
 *     fake_probe_pulse(&probe, &(struct fake_calls){ ... }, 1);  statistics and ledger
 *     outcome = fake_probe_report(&probe, &(struct fake_sample){ .task = id });
 *
 * Fails the test where the scheduler refuses. */
#ifndef STAKEOUT_TESTS_SUPPORT_FAKE_PROBE_H
#define STAKEOUT_TESTS_SUPPORT_FAKE_PROBE_H

#include "common/base/random.h"
#include "common/model/id.h"
#include "common/model/ledger.h"
#include "common/wire/messages.h"

#include <stdbool.h>

struct fake_probe {
    uint16_t port;
    const char *application, *instance;
    uint64_t incarnation, sequence;
    const char *token; /* NULL: none */
    char version[65];  /* of the tasks that it was last told */
    int parked;        /* the connection of a parked poll; 0: none */
};

#define FAKE_PROBE(port_, application_, instance_) \
    ((struct fake_probe){ (port_), (application_), (instance_), random_u64(), 0, NULL, "", 0 })

/* Asks with no version, so that it is answered at once. Returns how many tasks it was told. */
size_t fake_probe_poll(struct fake_probe *probe);

/* The same where the scheduler may not know: is it told, or told to keep what it has? */
bool fake_probe_is_served(struct fake_probe *probe);

/* The same: was it told of this task, as one that is active? */
bool fake_probe_is_told(struct fake_probe *probe, const char *task);

/* Comes back with the version, and stays until fake_probe_done() or the next park. */
void fake_probe_park(struct fake_probe *probe);
void fake_probe_done(struct fake_probe *probe);

/* Calls of an interface since the process began, all of about `each_ns`; with a task, also its
 * ledger: `seen` of them while it was armed, none slow. */
struct fake_calls {
    const char *interface;
    uint64_t count, each_ns;
    const char *task; /* NULL: no ledger */
    uint64_t seen, triggered, sampled;
    uint64_t stretched_ns; /* the longest interval that its budget made */
};
void fake_probe_pulse(struct fake_probe *probe, const struct fake_calls *calls, size_t count);

/* The same, sent and not waited for: the connection, for api_receive(). */
int fake_probe_send_pulse(struct fake_probe *probe, const struct fake_calls *calls, size_t count);

/* A place in the code of a module that is really there. */
struct fake_place {
    const char *module;
    struct text build_id;
    uint64_t offset;
};

/* A sample of 100 ms listened to: of two functions, one on a CPU, the other waiting for a lock. */
struct fake_sample {
    const char *task;
    const char *interface;          /* NULL: "POST /checkout" */
    const struct sample_id *id;     /* NULL: a new one */
    const struct trace_id *trace;   /* NULL: a new one */
    uint32_t revision;              /* 0: 1 */
    uint32_t snapshot_count;        /* 0: 2; otherwise they take turns */
    const struct fake_place *place; /* where it was on a CPU; NULL: nowhere that can be read */
};
enum report_outcome fake_probe_report(struct fake_probe *probe, const struct fake_sample *sample);

/* One request of a kind ("poll", "pulse", "log", "report") about a task, and what was answered,
 * whatever that is. A poll is of a probe that was told nothing yet. */
struct api_answer;
void fake_probe_ask(struct fake_probe *probe, const char *kind, const char *task,
                    struct api_answer *ret);

/* The same where the scheduler may be away: -EAGAIN unless it was answered with 200, and then the
 * report may have been taken or not. Any thread. */
int fake_probe_try_report(const struct fake_probe *probe, const struct fake_sample *sample,
                          enum report_outcome *ret);

#endif
