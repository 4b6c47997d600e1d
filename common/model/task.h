/* SPDX-License-Identifier: Apache-2.0 */
/* task.h: a task as it stands, and what belongs to it: summaries of its samples, ledgers of its
 * instances, events of its log. Values only; who decides what is scheduler/task. */
#ifndef STAKEOUT_COMMON_MODEL_TASK_H
#define STAKEOUT_COMMON_MODEL_TASK_H

#include "common/model/ledger.h"
#include "common/model/sample.h"
#include "common/model/task_spec.h"

struct task {
    struct task_id id;
    struct task_spec spec;
    enum task_state state;
    uint64_t created_wall_ms; /* by Redis' clock, all four */
    uint64_t started_wall_ms; /* 0: not yet */
    uint64_t ends_wall_ms;    /* when its duration is over */
    uint64_t ended_wall_ms;   /* 0: not yet */
    uint32_t sample_count;
};

/* What a sample says of itself without its stacks. */
struct sample_summary {
    struct sample_id id;
    struct task_id task;
    struct trace_id trace;
    uint64_t at_wall_ms; /* when the call began, by the scheduler's clock */
    uint64_t elapsed_ns, listened_ns, threshold_ns;
    uint64_t running_ns, queued_ns, waiting_ns; /* of the listened time */
    uint64_t incarnation;
    int32_t response_code;
    uint32_t thread_id, snapshot_count, revision;
    bool running;
    char application[APPLICATION_SIZE_MAX + 1];
    char interface[INTERFACE_SIZE_MAX + 1];
    char instance[INSTANCE_SIZE_MAX + 1];
    char host_ip[HOST_IP_SIZE_MAX + 1];
    char thread_name[THREAD_NAME_SIZE_MAX + 1];
};

/* The ledger of one instance of one task; `instance` and `host_ip` as it last said. */
struct task_ledger {
    struct task_id task;
    uint64_t incarnation, sequence;
    char instance[INSTANCE_SIZE_MAX + 1];
    char host_ip[HOST_IP_SIZE_MAX + 1];
    uint64_t delivered_wall_ms; /* 0: never */
    char refused[161];          /* why the instance refused it; empty: it did not */
    bool is_gone;               /* what was pending is instance-lost now */
    struct ledger counts;
};

/* One line of a task log. */
struct task_log_event {
    struct task_id task;
    uint32_t event; /* task_event.def */
    uint64_t at_wall_ms;
    uint64_t incarnation, sequence; /* 0: the scheduler's own */
    uint64_t count;
    char instance[INSTANCE_SIZE_MAX + 1];
    char detail[257];
};

#endif
