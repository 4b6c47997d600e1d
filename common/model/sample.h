/* SPDX-License-Identifier: Apache-2.0 */
/* sample.h: one slow call that a task listened to.
 *
 *     |<------------------------------ elapsed ------------------------------>|
 *     |<---- head, not observed ---->|<------------- listened --------------->|
 *   begin                       snapshot 0     1        2         3          end
 *                                    |--w0-->|--w1--->|---w2---->|----w3----->|
 *
 * With lookback the first snapshots are of the time before the threshold, and the head is short.
 *
 * A snapshot weighs the real time until the next one, the last until the end; so the weights
 * add up to `listened`, exactly. A weight splits into CPU, queueing (runnable without a CPU) and
 * waiting (the rest): the CPU and queueing of w0 are what snapshot 1 says of "since the one
 * before", those of the last weight are end_cpu_ns and end_queue_ns.
 *
 * A snapshot that waited for a lock may say who held it at that moment, and what that thread was
 * doing: the owners are a table of their own, because many snapshots have the same one. */
#ifndef STAKEOUT_COMMON_MODEL_SAMPLE_H
#define STAKEOUT_COMMON_MODEL_SAMPLE_H

#include "common/base/own.h"
#include "common/model/call_stack.h"
#include "common/model/id.h"

/* On what a thread waited, as far as could be told. The number is the wire's. */
enum wait_kind {
    WAIT_NONE = 0, /* it did not, when it was looked at */
    WAIT_LOCK = 1,
    WAIT_NETWORK = 2,
    WAIT_DISK = 3,
    WAIT_SLEEP = 4,
    WAIT_OTHER = 5, /* cause unknown */
    WAIT_KIND_COUNT
};

enum { SYSCALL_NONE = -1 };

struct snapshot {
    uint64_t offset_ns;  /* since the call began; rises strictly */
    uint64_t cpu_ns;     /* the thread's CPU time since the snapshot before; 0 for the first */
    uint64_t queue_ns;   /* its time runnable without a CPU, likewise */
    uint32_t stack;      /* index into stacks.stacks */
    int32_t syscall;     /* the number of the system call that it was blocked in, or SYSCALL_NONE */
    enum wait_kind wait; /* WAIT_NONE if it was on a CPU or queued */
    uint32_t waiting_for; /* string: "mutex cart_lock", "detached: upstream"; 0: unknown */
    uint32_t owner;       /* of the lock: 1 + index into owners; 0: none, or not known */
};

/* A thread that held a lock for which a call waited, and its stack at that moment. */
struct lock_owner {
    uint32_t thread_id;
    uint32_t thread_name; /* string */
    uint32_t stack;       /* 1 + index into stacks.stacks; 0: not known */
};

struct sample {
    struct sample_id id;
    struct task_id task;
    struct trace_id trace;
    uint32_t revision; /* 1 is the first report; a call still running is reported again */
    bool running;      /* elapsed and listened are "so far" */
    uint64_t incarnation;
    char application[APPLICATION_SIZE_MAX + 1];
    char instance[INSTANCE_SIZE_MAX + 1];
    char host_ip[HOST_IP_SIZE_MAX + 1];
    char interface[INTERFACE_SIZE_MAX + 1];
    char thread_name[THREAD_NAME_SIZE_MAX + 1];
    uint32_t thread_id;
    int32_t response_code;  /* 0: not told */
    uint64_t began_wall_ns; /* by the instance's clock */
    uint64_t elapsed_ns;
    uint64_t listened_ns;
    uint64_t threshold_ns;
    uint64_t frequency_ns; /* as ordered */
    uint64_t interval_ns;  /* the longest: more than ordered if it was thinned or stretched */
    uint64_t end_cpu_ns;   /* CPU and queueing from the last snapshot to the end */
    uint64_t end_queue_ns;
    uint32_t merged_count; /* snapshots that were merged into their neighbours */
    struct stack_table stacks;
    struct snapshot *snapshots; /* owned; malloc()ed */
    uint32_t snapshot_count;
    struct lock_owner *owners; /* owned; malloc()ed; NULL: none */
    uint32_t owner_count;
    uint32_t owners_dropped; /* snapshots whose lock's owner found no place in `owners` */
};

struct sample *sample_new(void); /* NULL without memory; all zero, stacks initialised */
struct sample *sample_free(struct sample *sample);
OWN_TYPE(sample)

/* What a snapshot weighs, and how that splits. cpu + queue + wait = weight, always: what the
 * clocks report beyond the weight is cut, CPU first in line. */
struct weight {
    uint64_t weight_ns, cpu_ns, queue_ns, wait_ns;
};
struct weight sample_weight(const struct sample *sample, uint32_t snapshot);

/* The owner of the lock that a snapshot waited for, or NULL. */
const struct lock_owner *sample_owner(const struct sample *sample, uint32_t snapshot);

/* Puts an owner in, or finds it: *ret is what a snapshot's `owner` shall be. Returns 0, -ENOMEM, or
 * -ENOBUFS: there are OWNERS_MAX of others. Changes nothing else then. */
int sample_add_owner(struct sample *sample, const struct lock_owner *owner, uint32_t *ret);

/* Are all indices, orders and sums right? For decoders and tests; -1 with *problem if not. */
struct problem;
int sample_check(const struct sample *sample, struct problem *problem);

/* Drops every other snapshot (the odd ones), merges their CPU and queueing into the next ones,
 * and doubles interval_ns. The sum of the weights stays. Returns how many were merged. */
uint32_t sample_thin(struct sample *sample);

const char *wait_kind_name(enum wait_kind kind); /* "none", "lock", "network", ... */

#endif
