/* SPDX-License-Identifier: Apache-2.0 */
/* census.h: what has reported: applications, their instances, their interfaces and how long the
 * calls took in the last 1, 5 and 15 minutes.
 *
 * In memory alone: it fills again within a pulse of a scheduler's start. Pulses carry absolute
 * counts, so a resend adds nothing; the differences go into ring buffers of 10 s. `now_ns` is
 * the monotonic clock, given so that tests own the time. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_LIVE_CENSUS_H
#define STAKEOUT_SCHEDULER_LIVE_CENSUS_H

#include "common/model/histogram.h"
#include "common/model/ledger.h"
#include "common/model/problem.h"
#include "common/wire/messages.h"

struct census;

struct census *census_new(void);
struct census *census_free(struct census *census);

/* Random per scheduler: a probe that sees another one sends all its interfaces. */
uint64_t census_epoch(const struct census *census);

/* How often something was not kept for want of room: an interface beyond INTERFACES_KNOWN_MAX, or
 * the oldest turns of one when the counts of all take more than 256 MB. */
uint64_t census_lost_count(const struct census *census);
size_t census_instance_count(const struct census *census); /* that are known, gone ones too */

struct census_instance {
    char instance[INSTANCE_SIZE_MAX + 1];
    char host_ip[HOST_IP_SIZE_MAX + 1];
    char library[33], language[33];
    uint64_t incarnation;
    uint32_t pid, protocol;
    int64_t clock_offset_ns; /* the instance's wall clock less ours, as last measured */
    uint64_t first_seen_ns, last_seen_ns; /* monotonic */
    uint64_t last_poll_ns, last_pulse_ns;
    uint64_t cpu_ns, uptime_ns, memory_size;
    uint64_t cpu_ppm; /* of one core, in the last 10 to 20 s */
    uint32_t thread_count, call_count;
    bool is_refused; /* it speaks a protocol that we do not */
    bool is_off;     /* it watches nothing, because an operator said so */
    bool is_gone;
    uint64_t notes[NOTE_COUNT];
    char troubles[16][201];
    uint32_t trouble_count;
};

struct census_interface {
    char name[INTERFACE_SIZE_MAX + 1];
    uint64_t total_count;       /* since the census began */
    struct histogram window[3]; /* the last 1, 5 and 15 minutes */
    uint64_t last_seen_ns;
};

/* What polls and pulses say. `peer` is the connection's other end. census_poll returns the
 * instance's previous state: true if it is new (or was gone). */
bool census_poll(struct census *census, const struct wire_poll *poll, struct text peer,
                 uint64_t now_ns, uint64_t now_wall_ns);
int census_pulse(struct census *census, const struct wire_pulse *pulse, struct text peer,
                 uint64_t now_ns, uint64_t now_wall_ns, struct problem *problem);
/* The instance has the tasks of this version (its hash). True if it is told for the first time. */
bool census_delivered(struct census *census, struct text application, uint64_t incarnation,
                      uint64_t version_hash);
void census_refused(struct census *census, struct text application, struct text instance,
                    uint64_t incarnation, uint32_t protocol, uint64_t now_ns);

/* Marks instances without poll or pulse for 45 s as gone and calls on_gone for each; forgets
 * what is gone for 15 minutes. Call it every second or so. */
typedef void (*census_gone_fn)(void *context, struct text application,
                               const struct census_instance *instance);
void census_sweep(struct census *census, uint64_t now_ns, census_gone_fn on_gone, void *context);

/* Every instance that is not gone, in no order. */
typedef void (*census_heard_fn)(void *context, struct text application, uint64_t incarnation,
                                uint64_t last_seen_ns);
void census_heard(struct census *census, census_heard_fn each, void *context);

/* Reading. The callbacks run before the function returns. Order: by name. */
typedef void (*census_application_fn)(void *context, struct text application, size_t instance_count,
                                      size_t interface_count, uint64_t last_seen_ns);
typedef void (*census_instance_fn)(void *context, struct text application,
                                   const struct census_instance *instance);
typedef void (*census_interface_fn)(void *context, struct text application,
                                    const struct census_interface *interface);
void census_applications(struct census *census, census_application_fn each, void *context);
void census_instances(struct census *census, struct text application, census_instance_fn each,
                      void *context); /* application size 0: all */
void census_interfaces(struct census *census, struct text application, uint64_t now_ns,
                       census_interface_fn each, void *context);
const struct census_instance *census_instance_find(struct census *census, struct text application,
                                                   uint64_t incarnation);

/* Has anybody reported an interface that this pattern (exact, or a prefix that ends in '*')
 * matches? Costs a look-up, or for a prefix a comparison per name. */
bool census_interface_is_known(struct census *census, struct text application, struct text pattern);

/* Of one interface, exact. -ENOENT: no data. window: 0, 1, 2 for 1, 5, 15 minutes. */
int census_percentile_ns(struct census *census, struct text application, struct text interface,
                         unsigned window, unsigned percent, uint64_t now_ns, uint64_t *ret);

/* The known names that are most like this one, at most `max`, nearest first, with their calls and
 * slowest time of the last 15 minutes. Returns how many. */
struct census_nearest {
    char name[INTERFACE_SIZE_MAX + 1];
    uint64_t count, max_ns;
};
size_t census_nearest(struct census *census, struct text application, struct text name,
                      uint64_t now_ns, struct census_nearest *ret, size_t max);

/* Has anybody reported under this name, in the last 15 minutes; and the names that have, and are
 * most like it. As above. */
bool census_application_is_known(struct census *census, struct text application);
struct census_application_name {
    char name[APPLICATION_SIZE_MAX + 1];
};
size_t census_nearest_applications(struct census *census, struct text name,
                                   struct census_application_name *ret, size_t max);

#endif
