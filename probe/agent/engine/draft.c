/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/draft.h"

#include "probe/agent/unwind/modules.h"
#include "probe/hot/call.h"
#include "probe/hot/index_stack.h"
#include "probe/hot/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REPORT_INTERVAL_NS (RUNNING_AFTER_MS * NS_PER_MS) /* while the call goes on */

/* ---- begin ---- */

static void thread_name_read(uint32_t tid, char ret[THREAD_NAME_SIZE_MAX + 1])
{
    char path[64];
    ssize_t size = 0;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/comm", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        size = read(fd, ret, THREAD_NAME_SIZE_MAX);
        close(fd);
    }
    ret[size > 0 ? size : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
}

static struct sample *sample_make(const struct watch *watch, const struct record_view *view,
                                  uint64_t began_ns)
{
    struct sample *sample = sample_new();
    struct text name = registry_name(view->interface_id);
    uint32_t tid =
        atomic_load_explicit(&hot.slots[state_slot(view->state)].tid, memory_order_relaxed);
    uint64_t trace[2];

    if (!sample) return NULL;
    call_trace(view, trace);
    sample->id = sample_id_make();
    sample->task = watch->order.id;
    snprintf(sample->trace.text, sizeof sample->trace.text, "%016" PRIx64 "%016" PRIx64, trace[0],
             trace[1]);
    snprintf(sample->interface, sizeof sample->interface, "%.*s", TEXT_ARGS(name));
    sample->thread_id = tid;
    sample->began_wall_ns = clock_wall_ns() - (clock_monotonic_ns() - began_ns);
    sample->threshold_ns = watch->order.threshold_ns;
    sample->frequency_ns = watch->order.frequency_ns;
    return sample;
}

int draft_begin(struct draft *draft, struct watch *watch, const struct record_view *view,
                uint64_t began_ns)
{
    struct sample *sample = sample_make(watch, view, began_ns);

    if (!sample) return -ENOMEM;
    *draft = (struct draft){ .watch = watch, .due_ns = watch_due_ns(watch, began_ns) };
    builder_init(&draft->builder, sample, began_ns);
    return 0;
}

void draft_trigger(struct draft *draft)
{
    struct sample *sample = draft->builder.sample;
    struct ledger *counts = &draft->watch->counts;

    draft->is_lookback = false;
    thread_name_read(sample->thread_id, sample->thread_name);
    counts->snapshots += sample->snapshot_count;
    counts->signals += draft->early_signals;
    counts->perf += draft->early_perf;
    counts->reads += draft->early_reads;
    counts->repeats += draft->early_repeats;
    if (draft->watch->order.lookback && sample->snapshot_count == 0)
        draft_drop(draft, SNAPSHOT_DROP_NO_LOOKBACK);
}

void draft_put_off(struct draft *draft, uint64_t interval_ns)
{
    struct ledger *counts = &draft->watch->counts;

    if (interval_ns > counts->stretched_ns) counts->stretched_ns = interval_ns;
}

void draft_stretch(struct draft *draft, uint64_t interval_ns)
{
    builder_stretch(&draft->builder, interval_ns);
    draft_put_off(draft, interval_ns);
}

void draft_done(struct draft *draft)
{
    builder_done(&draft->builder);
    *draft = (struct draft){ 0 };
}

/* ---- looks ---- */

void draft_drop(struct draft *draft, enum snapshot_drop drop)
{
    draft->watch->counts.snapshot_drops[drop]++;
}

/* The first snapshot since it turned slow is of this moment: reports begin. */
static void draft_first(struct draft *draft, uint64_t at_ns)
{
    struct ledger *counts = &draft->watch->counts;
    uint64_t late_ns = at_ns > draft->due_ns ? at_ns - draft->due_ns : 0;

    if (late_ns > counts->late_ns_max) counts->late_ns_max = late_ns;
    draft->next_report_ns = at_ns + REPORT_INTERVAL_NS;
}

/* Adds a snapshot, and books it. `still_clock_ns`: as in a sighting. */
static bool look_add(struct draft *draft, const struct look *look, uint64_t still_clock_ns)
{
    struct ledger *counts = &draft->watch->counts;
    struct sample_builder *builder = &draft->builder;
    uint32_t thinned = builder->thinned_count;
    bool is_first = draft_is_new(draft);
    int rc = builder_add(builder, look);

    if (rc < 0) {
        builder_add_queue(builder, look->queue_ns);
        if (rc == -ENOMEM) draft_drop(draft, SNAPSHOT_DROP_NO_BUFFER);
        return false;
    }
    counts->snapshots++;
    draft->last = *look;
    draft->still_clock_ns = still_clock_ns;
    if (is_first) draft_first(draft, look->at_ns);
    if (builder->thinned_count != thinned) {
        counts->snapshot_drops[SNAPSHOT_DROP_THINNED] += builder->thinned_count - thinned;
        draft->watch->thinned_count++;
        draft->still_clock_ns = 0; /* the stack's number is another one now */
    }
    return true;
}

static void waiting_for_put(struct draft *draft, const char *text, struct look *look)
{
    look->waiting_for = 0;
    stack_table_string(&draft->builder.sample->stacks, text_of(text), &look->waiting_for);
}

static void wait_describe(struct draft *draft, const struct engine *engine, uint32_t tid,
                          const struct wait_view *wait, struct look *look)
{
    struct blocked_names names = { .context = engine->options.context,
                                   .name_data = engine->options.name_data,
                                   .descriptors = &engine->descriptors,
                                   .tid = tid };
    struct wait_account account;

    blocked_describe(&names, wait, &engine->walk, &account);
    look->syscall = wait->syscall;
    look->wait = account.kind;
    draft->owner_at = lock_owner_at(account.lock, wait);
    waiting_for_put(draft, account.waiting_for, look);
}

bool draft_add_sighting(struct draft *draft, const struct engine *engine, uint32_t tid,
                        const struct sighting *sighting, const struct look_times *times)
{
    struct look look = { .at_ns = sighting->at_ns,
                         .cpu_ns = times->cpu_ns,
                         .queue_ns = times->queue_ns,
                         .syscall = SYSCALL_NONE };
    int rc = builder_stack(&draft->builder, &engine->walk, unwinder_modules(engine->unwinder),
                           &look.stack);

    if (rc < 0) {
        builder_add_queue(&draft->builder, look.queue_ns);
        draft_drop(draft, SNAPSHOT_DROP_NO_BUFFER);
        return false;
    }
    draft->owner_at = 0;
    if (sighting->wait.sp != 0) wait_describe(draft, engine, tid, &sighting->wait, &look);
    return look_add(draft, &look, sighting->still_clock_ns);
}

bool draft_add_detached(struct draft *draft, const char *waiting_for, uint64_t now_ns,
                        uint64_t cpu_ns)
{
    struct look look = {
        .at_ns = now_ns, .cpu_ns = cpu_ns, .syscall = SYSCALL_NONE, .wait = WAIT_OTHER
    };
    char text[WAITING_FOR_SIZE_MAX];

    draft->owner_at = 0;
    snprintf(text, sizeof text, "%s%s", waiting_for[0] != '\0' ? "detached: " : "detached",
             waiting_for);
    waiting_for_put(draft, text, &look);
    if (builder_detached_stack(&draft->builder, &look.stack) < 0) {
        draft_drop(draft, SNAPSHOT_DROP_NO_BUFFER);
        return false;
    }
    return look_add(draft, &look, 0);
}

bool draft_add_unchanged(struct draft *draft, uint64_t now_ns, const struct look_times *times)
{
    struct look look = draft->last;

    look.at_ns = now_ns;
    look.cpu_ns = times->cpu_ns;
    look.queue_ns = times->queue_ns;
    return look_add(draft, &look, draft->still_clock_ns);
}

/* ---- owners of locks ---- */

uint32_t draft_newest(const struct draft *draft)
{
    const struct sample *sample = draft->builder.sample;
    uint32_t newest = sample->snapshot_count - 1;

    if (sample->snapshot_count == 0) return INDEX_NONE;
    if (draft->builder.began_ns + sample->snapshots[newest].offset_ns != draft->last.at_ns)
        return INDEX_NONE; /* it was merged when the sample was thinned */
    return newest;
}

/* A thread of that number and name that is known already, with or without its stack. */
static uint32_t owner_find(const struct sample *sample, uint32_t tid)
{
    uint32_t i = sample->owner_count;

    while (i > 0 && sample->owners[i - 1].thread_id != tid) {
        i--;
    }
    return i;
}

static uint32_t owner_name(struct sample *sample, uint32_t tid)
{
    uint32_t known = owner_find(sample, tid), name = 0;
    char text[THREAD_NAME_SIZE_MAX + 1];

    if (known > 0) return sample->owners[known - 1].thread_name;
    thread_name_read(tid, text);
    stack_table_string(&sample->stacks, text_of(text), &name);
    return name;
}

uint32_t draft_add_owner(struct draft *draft, const struct engine *engine, uint32_t snapshot,
                         const struct owner_view *view)
{
    struct sample *sample = draft->builder.sample;
    struct lock_owner owner = { .thread_id = view->tid,
                                .thread_name = owner_name(sample, view->tid) };
    uint32_t stack, number = 0;

    if (view->has_walk && builder_stack(&draft->builder, &engine->walk,
                                        unwinder_modules(engine->unwinder), &stack) == 0)
        owner.stack = 1 + stack;
    if (sample_add_owner(sample, &owner, &number) < 0) {
        number = owner_find(sample, view->tid); /* better the thread alone than nothing */
        sample->owners_dropped++;
    }
    draft_set_owner(draft, snapshot, number);
    return number;
}

void draft_set_owner(struct draft *draft, uint32_t snapshot, uint32_t owner)
{
    struct sample *sample = draft->builder.sample;

    if (snapshot < sample->snapshot_count && sample->snapshots[snapshot].wait == WAIT_LOCK)
        sample->snapshots[snapshot].owner = owner;
}

void draft_count_pause(struct draft *draft, uint64_t pause_ns)
{
    struct watch *watch = draft->watch;

    watch->pauses.count++;
    watch->pauses.buckets[histogram_bucket(pause_ns)]++;
    if (pause_ns > watch->pauses.max_ns) watch->pauses.max_ns = pause_ns;
}

struct sample *draft_report(struct draft *draft, uint64_t now_ns, uint64_t cpu_ns)
{
    draft->next_report_ns = now_ns + REPORT_INTERVAL_NS;
    return builder_report(&draft->builder, now_ns, cpu_ns);
}

struct sample *draft_end(struct draft *draft, const struct call_end *end)
{
    return builder_end(&draft->builder, end);
}
