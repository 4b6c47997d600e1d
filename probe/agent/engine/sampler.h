/* SPDX-License-Identifier: Apache-2.0 */
/* sampler.h: notices slow calls, listens to them, and keeps the books.
 *
 *     sampler_start(&(struct sampler_options){ .on_sample = queue_it, .context = link, ... });
 *     sampler_set_tasks(orders, count);               whenever the scheduler's answer changes
 *     ... on_sample(context, sample) for each slow call, later sampler_settle(...) for it ...
 *     sampler_ledgers(...), sampler_interfaces(...)   for each pulse
 *     sampler_stop();
 *
 * There is one sampler in a process. Its single thread, "stakeout-sample", sleeps while no task is
 * active. It runs with all signals blocked, shares the descriptor table of the thread that started
 * it, and calls on_sample and on_event.
 *
 * Threads: all functions may be called from any thread of the agent; they lock a mutex that no
 * thread of the host ever takes. start and stop: one at a time. The callbacks run on the sampler's
 * thread, outside of that lock, so that they may call back; they must not block, because looks
 * at other calls wait meanwhile. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_SAMPLER_H
#define STAKEOUT_PROBE_AGENT_ENGINE_SAMPLER_H

#include "common/model/histogram.h"
#include "common/model/ledger.h"
#include "common/model/sample.h"
#include "common/model/task_spec.h"

enum {
    THREAD_FILES_HELD = 256, /* of 64 threads */
    SAMPLER_TASKS_MAX = 256, /* as many as a poll's answer may hold, ended ones included */
    SAMPLER_TROUBLES_MAX = 10,
    SAMPLER_TROUBLE_SIZE_MAX = 199, /* bytes: a pulse takes 200 */
};

/* How the stacks of running threads are had. */
enum sampler_engine {
    SAMPLER_ENGINE_SIGNAL, /* each copies its own, in the handler of our signal */
    SAMPLER_ENGINE_PERF,   /* the kernel copies them (perf_event_open), if it may and does */
    SAMPLER_ENGINE_AUTO,   /* the same, if it also sees threads that run in the kernel */
};

struct sampler_options {
    void *context;

    /* A report: of a call that ended, or, with sample->running set, of one that goes on; revision
     * rises with each report of the same id. Owned by the callee, to be freed with sample_free().
     * The callee fills application, instance, host_ip and incarnation, and names the functions
     * with stack_table_name_frame(): frames come with module, offset and function_offset 0 (and,
     * where the unwinder saw the function's begin, function_offset), never with a name. */
    void (*on_sample)(void *context, struct sample *take_sample);

    /* A line for the task log: TASK_EVENT_ARMED, FIRST_TRIGGER, STRETCHED, THINNED, DROPPED,
     * DISARMED. Per task and reason at most one a second, with its count. `detail` is a drop's
     * slug, what the interval was stretched to, or "". */
    void (*on_event)(void *context, const struct task_id *task, uint32_t event, const char *detail,
                     uint64_t count);

    /* Optional. The name of the data object of a module that holds `address` ("cart_lock"), so that
     * waiting says "mutex cart_lock" and not "mutex at 0x...". Returns its size in bytes, 0 where
     * there is none. Takes no lock of the host's and does not block for long. */
    size_t (*name_data)(void *context, uint64_t address, char *ret, size_t ret_size);

    int signal_number;        /* 0: SIGURG */
    bool leaves_short_writes; /* that our signal cut: hot/transfer.h */

    /* Where perf events are not to be had, signals are sent, and a trouble says so. */
    enum sampler_engine engine;

    /* /proc files that are kept open, four to a thread: THREAD_FILES_HELD in a descriptor table of
     * our own; 0, none, in the host's. */
    uint32_t thread_files_max;
};

/* Starts the thread, takes the signal if nobody has it, and opens the hot side, so that begins are
 * kept from now on. `statistics_off`: only calls of watched interfaces are kept.
 * Returns 0, -EALREADY, or -EAGAIN / -ENOMEM; then nothing was started. */
int sampler_start(const struct sampler_options *options, bool statistics_off);

/* Closes the hot side, settles what is in flight (CALL_DROP_STOPPED) and joins the thread: within
 * 200 ms on a machine that lets it run. Samples that were handed out may still be settled and the
 * ledgers and statistics still be read afterwards, until the next start. */
void sampler_stop(void);

/* In a forked child the sampler's thread is gone and the books are the parent's: forgets both, so
 * that sampler_start() works. Call it there before anything else. */
void sampler_forget(void);

/* One task, as the scheduler's answer has it. */
struct task_order {
    struct task_id id;
    char interface[INTERFACE_SIZE_MAX + 1]; /* exact, or a prefix that ends in '*' */
    enum task_state state;                  /* SCHEDULED is not watched */
    uint64_t threshold_ns;
    uint64_t frequency_ns;
    uint32_t sample_cap;
    bool lookback;              /* looks before the threshold, too: kept if the call turns slow */
    uint64_t ends_monotonic_ns; /* its watch ends by itself then, without asking */
};

/* Replaces what is watched. Tasks are compared by id: a known one is updated (state, end), a new
 * ACTIVE one is armed, one that is not listed any more is taken as ended. EXPIRED: what triggered
 * is listened to for at most LISTEN_AFTER_END_MS more. FILLED: what is in flight and has no place
 * of the cap is counted over_cap. CANCELLED: what is in flight is dropped (CALL_DROP_CANCELLED).
 * Returns when the hot side watches accordingly. Orders beyond SAMPLER_TASKS_MAX are left out. */
void sampler_set_tasks(const struct task_order *orders, uint32_t count);

/* What watching and looking may cost from now on, in millionths of a core and of any one thread's
 * time. 0: the default, 1 % and 0.5 %; SAMPLER_BUDGET_NONE: no bound. Holds across stop and
 * start. */
#define SAMPLER_BUDGET_NONE UINT32_MAX
void sampler_set_budget(uint32_t core_ppm, uint32_t thread_ppm);

/* Off: the gate is closed, nothing is watched or counted, what is in flight is settled
 * (CALL_DROP_STOPPED), and the thread sleeps without end; its memory stays, for when it is on
 * again, and so does its priority, which a thread that we start later could not have. On at start.
 * Ignored while the sampler does not run. */
void sampler_switch(bool is_on);

/* What became of a report that on_sample handed out. An outcome (enum report_outcome) where
 * `outcome` is not 0, else a drop. Of a call that still runs, an accepted revision takes the sample
 * into `sampled`, a refused one ends the listening, and a drop is ignored, because a later revision
 * will come. Unknown ids are ignored. */
struct settlement {
    struct sample_id sample;
    uint32_t revision;
    int outcome;
    enum call_drop drop;
};
void sampler_settle(const struct settlement *settlement);

/* The books of one task. */
struct task_books {
    struct task_id task;
    bool is_armed; /* false: its watch is over */
    bool is_final; /* not armed and nothing pending: these are its last figures */
    struct ledger ledger;
};

/* Reads the books of all tasks that were armed and not released, sound at every reading
 * (ledger_is_sound). Returns how many of at most `size` were filled. */
uint32_t sampler_ledgers(struct task_books *ret, uint32_t size);

/* The final figures of a task arrived: forget them. Ignored while they are not final. */
void sampler_release(const struct task_id *task);

/* The histogram of an interface since the process began, summed over threads, with max_ns since the
 * latest sampler_interfaces_acknowledged(); `on_interface` is called for each that was ever called,
 * under the sampler's lock: copy and return. */
struct interface_statistics {
    uint32_t interface_id;
    struct text name;
    struct histogram histogram;
};
void sampler_interfaces(void (*on_interface)(void *context,
                                             const struct interface_statistics *statistics),
                        void *context);

/* The pulse that carried the latest reading arrived: maxima begin anew, from that reading on. */
void sampler_interfaces_acknowledged(void);

/* What the probe itself costs, and what it lost outside of any task. */
struct sampler_cost {
    uint64_t cpu_ns;      /* of the sampler's thread and of the handlers on the host's threads */
    uint64_t memory_size; /* bytes reserved at start, and of modules and samples in flight */
    bool is_off;          /* as sampler_switch() said */
    uint32_t thread_count, call_count;
    uint64_t notes[NOTE_COUNT]; /* since the process began */
    uint32_t trouble_count;     /* what does not work here, for `stakeout doctor` */
    char troubles[SAMPLER_TROUBLES_MAX][SAMPLER_TROUBLE_SIZE_MAX + 1];
};
void sampler_cost(struct sampler_cost *ret);

#endif
