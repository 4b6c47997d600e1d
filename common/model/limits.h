/* SPDX-License-Identifier: Apache-2.0 */
/* limits.h: every bound on what comes from outside, and on what we reserve, with its reason.
 *
 * One list, many uses: the rules that check it, the sentences that name it, the API's
 * description, the CLI's help and the tests of both sides of each edge read it from here. */
#ifndef STAKEOUT_COMMON_MODEL_LIMITS_H
#define STAKEOUT_COMMON_MODEL_LIMITS_H

#include <assert.h>

enum {
    /* A task (its rules: task_spec.h) */
    APPLICATION_SIZE_MAX = 128, /* bytes: part of every key in the store */
    INTERFACE_SIZE_MAX = 512,   /* bytes: a method and a route pattern, generously */
    NOTE_SIZE_MAX = 500,        /* bytes: a sentence or two of why */
    AUTHOR_SIZE_MAX = 64,       /* bytes: a token's name */
    THRESHOLD_MS_MIN = 50,      /* below this the look itself is in the picture */
    THRESHOLD_MS_MAX = 30000,   /* what takes longer than this is hung, not slow */
    FREQUENCY_MS_MIN = 5,       /* 200 looks a second: about 0.4 % of a core per thread */
    FREQUENCY_MS_MAX = 1000,    /* above this a call of a few seconds has no shape */
    FREQUENCY_MS_DEFAULT = 100,
    LOOKBACK_MS_MIN = 5, /* the first look of lookback: earlier, most calls are not over yet */
    LOOKBACK_PART = 64,  /* or this part of the threshold; then doubling: at most 7 looks */
    SAMPLE_CAP_MIN = 1,
    SAMPLE_CAP_MAX = 100, /* what a person will compare, and 100 MB at the most */
    SAMPLE_CAP_DEFAULT = 10,
    START_AHEAD_S_MAX = 30 * 86400, /* a start further away is a mistyped date */
    TASK_INSTANCES_MAX = 64,        /* hosts or instances that a task may be limited to */
    INSTANCE_SIZE_MAX = 255,        /* bytes: a host name and a pid */
    TASKS_ACTIVE_MAX = 64,          /* of one application: each costs every begin a comparison */
    TASK_EVENTS_MAX = 10000,        /* log events that a task keeps */
    LEDGER_INSTANCES_MAX = 1000,    /* of a task; ended ones are folded beyond it */

    /* A sample */
    SNAPSHOTS_MAX = 4096,          /* then every other one goes, and the interval doubles */
    STACK_FRAMES_MAX = 512,        /* deeper stacks lose their middle, its count marked */
    REPORT_SIZE_MAX = 1024 * 1024, /* bytes: what one report may weigh on the wire */
    STRING_SIZE_MAX = 4096,        /* bytes of one name (C++ templates reach 10 KB; cut there) */
    REPORT_FRAMES_MAX = 65536,     /* distinct frames of one report */
    REPORT_STACKS_MAX = 5120,      /* distinct stacks: of every snapshot and every owner */
    OWNERS_MAX = 1024,             /* threads with stacks that held locks; more are counted */
    REPORT_STRINGS_MAX = 65536,    /* beside the empty one */
    REPORT_MODULES_MAX = 4096,     /* executables and libraries that its stacks met */
    THREAD_NAME_SIZE_MAX = 63,     /* bytes: the kernel's 15, and what Python may add */
    HOST_IP_SIZE_MAX = 45,         /* bytes: the longest IPv6 address in text */
    RUNNING_AFTER_MS = 30000,      /* a call this long past its first snapshot is reported */
    BUDGET_PPM_MIN = 1000,         /* 0.1 %: below that a look is more than the budget of seconds */
    BUDGET_PPM_MAX = 1000000,
    LISTEN_AFTER_END_MS = 60000,  /* what triggered before a task's end is heard this long */
    ACCEPT_AFTER_END_MS = 120000, /* and its report is taken this long after the end */
    BOOKS_AFTER_END_MS = 210000,  /* log and ledger, too: who dies last is noticed 45 s later */

    /* A process with a probe in it: 8 MB, fixed at start */
    THREADS_MAX = 4096,              /* slots */
    CALLS_MAX = 16384,               /* records: calls in flight */
    NESTING_MAX = 8,                 /* calls within calls, of one thread */
    INTERFACES_MAX = 4096,           /* then (other), and a warning: raw URLs as names */
    STACK_COPY_SIZE_MAX = 64 * 1024, /* bytes that one handler may copy: about 10 us */
    STACK_COPIES_MAX = 16,           /* buffers that can be lent to handlers at once */
    SAMPLES_IN_FLIGHT_MAX = 128,     /* calls listened to at once: the cap, and a little */
    LOOKBACKS_MAX = 64,              /* beside them, calls that may turn slow: 750 bytes each */
    REPORTS_QUEUED_SIZE_MAX = 4 * 1024 * 1024, /* bytes waiting for the scheduler */
    DESCRIPTORS_MAX = 32,                      /* held, where the agent has no table of its own */

    /* Beside that, what is known of the modules that snapshots met; evicted above 32 MB */
    MODULES_SIZE_MAX = 32 * 1024 * 1024,       /* bytes: unwind tables and symbol indexes */
    UNWIND_TABLES_SIZE_MAX = 16 * 1024 * 1024, /* bytes of it: twice libLLVM's, the largest met */
    UNWIND_SECTION_SIZE_MAX =
        16 * 1024 * 1024,    /* bytes of .eh_frame: a larger one's table is too */
    UNWIND_TABLES_MAX = 512, /* modules; a browser has about 200 */

    /* A scheduler */
    POLL_PARK_MS = 30000, /* a poll with nothing new is answered after this */
    PULSE_INTERVAL_MS = 10000,
    PULSE_ACTIVE_INTERVAL_MS = 1000, /* while a task of the application is active */
    PULSE_SIZE_MAX = 1024 * 1024,
    POLL_SIZE_MAX = 4096,
    LOG_SIZE_MAX = 64 * 1024,
    JSON_SIZE_MAX = 64 * 1024, /* bytes of an operator's request body */
    EVENT_STREAMS_MAX = 256,   /* consoles that listen; each may have 1 MB unread */
    PAGE_LIMIT_MAX = 1000,
    PAGE_LIMIT_DEFAULT = 100,
    INSTANCES_KNOWN_MAX = 20000,  /* instances that a scheduler remembers */
    INTERFACES_KNOWN_MAX = 50000, /* interfaces, of all applications */
    RETENTION_DAYS_DEFAULT = 7,
    WIRE_DEPTH_MAX = 16,       /* nesting of a msgpack body */
    WIRE_OBJECTS_MAX = 400000, /* of a msgpack body: 24 bytes each once decoded */
};

static_assert(REPORT_STACKS_MAX >= SNAPSHOTS_MAX + OWNERS_MAX, "each may have a stack of its own");
static_assert(SAMPLES_IN_FLIGHT_MAX >= SAMPLE_CAP_MAX, "one process can fill any task alone");

static_assert(UNWIND_TABLES_SIZE_MAX < MODULES_SIZE_MAX, "symbol indexes have the rest");

/* The durations that a task may have, in minutes. */
#define DURATIONS_MIN(X) X(5) X(10) X(15)

#endif
