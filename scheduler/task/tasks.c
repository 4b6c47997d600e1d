/* SPDX-License-Identifier: Apache-2.0 */
/* tasks.c: memory that follows Redis, and the clock that moves tasks.
 *
 * Loading. At every connection the list of applications is read, then what lives of each; then
 * we are ready. What other schedulers change we are told (store_on_news). Besides, the list is
 * read again every LIST_MS, or LIST_FAST_MS while nobody tells us: an application whose version is
 * not the one that we know was changed by one that could not tell (it ended first, or is of a
 * release that does not), or by an older Redis, and is loaded again. What we learn from our own
 * calls' answers counts as known.
 *
 * Moving. Redis moves tasks; of all schedulers, the one that has the lease asks it to as soon as
 * one is due, by its clock, and the others are given news of it. While Redis is away, or the lease
 * is another's, we move our copies by ourselves, so that polls start and end on time; what Redis
 * says later is taken over, and moved on at once if it is due. A task that nobody has moved
 * MOVE_GRACE_MS after it was due is moved by whoever sees that: moving twice does nothing.
 *
 * INVARIANT: an answer never overwrites a newer one. Answers to loads carry the stamp of their
 * beginning; tasks that were put later are left alone. Reports are answered by connections of their
 * own, so that of two other answers the older may come later: what is over is over, and samples
 * only become more, unless a load says that Redis is an older one. */
#include "scheduler/task/tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/task/tasks_private.h"

enum {
    TICK_MS_MAX = 1000,
    LIST_MS = 5000,
    LIST_FAST_MS = 1000,
    MOVE_GRACE_MS = 3000,
};

static void tell(struct tasks *tasks, const struct task *task, const struct sample_summary *sample)
{
    if (tasks->options.on_change) tasks->options.on_change(tasks->options.context, task, sample);
}

struct cached_task *tasks_learn(struct tasks *tasks, const struct task *task, uint64_t version,
                                const struct sample_summary *sample)
{
    struct task now = *task;
    struct cached_task *cached;
    bool is_ahead = task_advance(&now, store_now_wall_ms(tasks->store)), changed;

    cached = cache_task_find(&tasks->cache, &task->id);
    if (cached && cache_task_has_overtaken(cached, task)) {
        now = cached->task;
        is_ahead = false;
        version = 0;
    }
    cached = cache_task_put(&tasks->cache, &now, &changed);
    cached->is_ahead = is_ahead;
    /* Ours was the only change since: then we need not load. */
    if (version == cached->application->store_version + 1) {
        cached->application->store_version = version;
    } else if (version != 0 && version < cached->application->store_version) {
        cached->application->is_loaded = false; /* versions never fall: Redis lost what it had */
    }
    if (changed || sample) tell(tasks, &cached->task, sample);
    return cached;
}

/* Loading ----------------------------------------------------------------------------------- */

struct load {
    struct tasks *tasks;
    struct cached_application *application;
    uint64_t stamp; /* what was put later is newer than this load's answer */
};

static void check_ready(struct tasks *tasks)
{
    void (*on_ready)(void *context) = tasks->on_ready;

    if (tasks->is_loaded || tasks->open_loads > 0 || !store_is_up(tasks->store)) return;
    for (size_t i = 0; i < tasks->cache.application_count; i++) {
        if (!tasks->cache.applications[i]->is_loaded) return;
    }
    tasks->is_loaded = true;
    tasks->on_ready = NULL;
    if (on_ready) on_ready(tasks->options.context);
}

static bool is_listed(const struct store_live *live, const struct task_id *id)
{
    for (size_t i = 0; i < live->count; i++) {
        if (strcmp(live->tasks[i].id.text, id->text) == 0) return true;
    }
    return false;
}

/* Those that Redis does not know any more: it is an older one, or others forgot them. */
static void drop_unlisted(const struct load *load, const struct store_live *live)
{
    struct cached_application *application = load->application;

    for (size_t i = application->task_count; i-- > 0;) {
        struct cached_task *cached = application->tasks[i];
        struct task gone = cached->task;
        if (cached->stamp > load->stamp || is_listed(live, &gone.id)) continue;
        cache_task_drop(cached);
        if (task_is_visible(&gone, store_now_wall_ms(load->tasks->store))) {
            tell(load->tasks, &gone, NULL);
        }
    }
}

static void take_loaded(const struct load *load, const struct store_live *live)
{
    struct tasks *tasks = load->tasks;

    drop_unlisted(load, live);
    for (size_t i = 0; i < live->count; i++) {
        struct cached_task *known = cache_task_find(&tasks->cache, &live->tasks[i].id);
        if (known && known->stamp > load->stamp) continue;
        if (known && cache_task_has_overtaken(known, &live->tasks[i])) cache_task_drop(known);
        tasks_learn(tasks, &live->tasks[i], 0, NULL);
    }
    load->application->store_version = live->version;
    load->application->is_loaded = true;
}

static void on_loaded(void *context, const struct store_live *live, const struct problem *problem)
{
    struct load *load = context;
    struct tasks *tasks = load->tasks;

    load->application->is_loading = false;
    tasks->open_loads--;
    if (!problem) take_loaded(load, live);
    check_ready(tasks);
    free(load);
}

static void load_application(struct tasks *tasks, struct cached_application *application)
{
    struct load *load = mem_alloc(sizeof(*load));

    *load = (struct load){ tasks, application, tasks->cache.stamp };
    application->is_loading = true;
    tasks->open_loads++;
    store_live(tasks->store, text_of(application->name), CACHE_AFTER_END_MS, on_loaded, load);
}

static int compare_names(const void *left, const void *right)
{
    return text_compare(*(const struct text *)left, *(const struct text *)right);
}

static bool is_named(const struct store_applications *all, struct text name)
{
    return all->count > 0 &&
           bsearch(&name, all->names, all->count, sizeof(*all->names), compare_names);
}

/* Redis lists no application of this name: it has lost what we know, or it never heard of it. */
static bool must_ask(const struct cached_application *application,
                     const struct store_applications *all)
{
    if (application->is_loading) return false;
    if (!application->is_loaded) return true;
    return application->task_count > 0 && !is_named(all, text_of(application->name));
}

static void on_listed(void *context, const struct store_applications *all,
                      const struct problem *problem)
{
    struct tasks *tasks = context;

    tasks->is_listing = false;
    if (problem) return;
    for (size_t i = 0; i < all->count; i++) {
        struct cached_application *application =
            cache_application_open(&tasks->cache, all->names[i]);
        bool is_known = application->is_loaded && application->store_version == all->versions[i];
        if (!is_known && !application->is_loading) load_application(tasks, application);
    }
    for (size_t i = 0; i < tasks->cache.application_count; i++) {
        struct cached_application *application = tasks->cache.applications[i];
        if (must_ask(application, all)) load_application(tasks, application);
    }
    check_ready(tasks);
}

static void list_applications(struct tasks *tasks)
{
    if (tasks->is_listing || !store_is_up(tasks->store)) return;
    tasks->is_listing = true;
    tasks->listed_ns = clock_monotonic_ns();
    store_applications(tasks->store, on_listed, tasks);
}

/* Redis may be another one, or an older one: what we knew of it counts no more. */
static void on_up(void *context)
{
    struct tasks *tasks = context;

    tasks->is_loaded = false;
    for (size_t i = 0; i < tasks->cache.application_count; i++) {
        tasks->cache.applications[i]->is_loaded = false;
    }
    list_applications(tasks);
}

/* What another scheduler changed. What we have loaded since counts more. */
static void on_news(void *context, const struct task *task, uint64_t version,
                    const struct sample_summary *sample)
{
    struct tasks *tasks = context;
    const struct cached_application *application =
        cache_application_open(&tasks->cache, text_of(task->spec.application));

    tasks_learn(tasks, task, version == application->store_version + 1 ? version : 0, sample);
}

static void on_gap(void *context, bool has_missed)
{
    struct tasks *tasks = context;

    for (size_t i = 0; has_missed && i < tasks->cache.application_count; i++) {
        tasks->cache.applications[i]->is_loaded = false;
    }
    list_applications(tasks);
}

/* Moving ------------------------------------------------------------------------------------ */

struct question {
    struct tasks *tasks;
    struct task_id id;
};

static void on_settled(void *context, const struct store_answer *answer,
                       const struct problem *problem)
{
    struct question *question = context;
    struct cached_task *cached = cache_task_find(&question->tasks->cache, &question->id);

    if (cached) cached->is_asking = false;
    if (!problem && answer->task) tasks_learn(question->tasks, answer->task, answer->version, NULL);
    free(question);
}

static void ask_to_move(struct tasks *tasks, struct cached_task *cached)
{
    struct question *question;

    if (cached->is_asking) return;
    cached->is_asking = true;
    question = mem_alloc(sizeof(*question));
    *question = (struct question){ tasks, cached->task.id };
    store_task_settle(tasks->store, text_of(cached->application->name), &cached->task.id,
                      on_settled, question);
}

/* When our copy was moved as far as it is. */
static uint64_t moved_ms(const struct task *task)
{
    return task_state_is_final(task->state) ? task->ended_wall_ms : task->started_wall_ms;
}

/* When the task next wants something, by Redis' clock; UINT64_MAX: nothing. */
static uint64_t next_due_ms(const struct task *task)
{
    if (task->state == TASK_SCHEDULED) return task->spec.start_wall_ms;
    if (task->state == TASK_ACTIVE) return task->ends_wall_ms;
    return UINT64_MAX;
}

/* Returns when it next wants something. The task may be dropped. */
static uint64_t move_task(struct tasks *tasks, struct cached_task *cached, uint64_t now_ms)
{
    struct task *task = &cached->task;
    bool is_up = store_is_up(tasks->store), is_due = task_is_due(task, now_ms);
    uint64_t since_ms = is_due ? next_due_ms(task) : moved_ms(task);

    if (task_state_is_final(task->state) && now_ms > task->ended_wall_ms + CACHE_AFTER_END_MS &&
        !cached->is_asking && !cached->is_ahead) {
        cache_task_drop(cached);
        return UINT64_MAX;
    }
    if (!is_due && !(is_up && cached->is_ahead)) return next_due_ms(task);
    if (is_up && (tasks_have_lease(tasks) || now_ms >= since_ms + MOVE_GRACE_MS)) {
        ask_to_move(tasks, cached);
        return UINT64_MAX; /* the answer comes without us */
    }
    if (!is_due) return next_due_ms(task);
    task_advance(task, now_ms);
    cached->is_ahead = true;
    tell(tasks, task, NULL);
    return next_due_ms(task);
}

/* Life -------------------------------------------------------------------------------------- */

struct tasks *tasks_new(struct store *store, const struct tasks_options *options,
                        void (*on_ready)(void *context))
{
    struct tasks *tasks = mem_zalloc(1, sizeof(*tasks));

    tasks->store = store;
    tasks->options = *options;
    if (tasks->options.retention_days == 0) tasks->options.retention_days = RETENTION_DAYS_DEFAULT;
    tasks->on_ready = on_ready;
    store_on_up(store, on_up, tasks);
    store_on_news(store, on_news, on_gap, tasks);
    if (options->on_settings) store_on_settings(store, options->on_settings, options->context);
    return tasks;
}

struct tasks *tasks_free(struct tasks *tasks)
{
    if (!tasks) return NULL;
    tasks_forget_departures(tasks);
    cache_done(&tasks->cache);
    free(tasks);
    return NULL;
}

bool tasks_are_ready(const struct tasks *tasks)
{
    return tasks->is_loaded && store_is_up(tasks->store);
}

size_t tasks_count(const struct tasks *tasks, enum task_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < tasks->cache.application_count; i++) {
        const struct cached_application *application = tasks->cache.applications[i];
        for (size_t k = 0; k < application->task_count; k++) {
            count += application->tasks[k]->task.state == state;
        }
    }
    return count;
}

static uint64_t list_interval_ms(const struct tasks *tasks)
{
    return store_reads_news(tasks->store) ? LIST_MS : LIST_FAST_MS;
}

uint32_t tasks_tick(struct tasks *tasks)
{
    uint64_t now_ms = store_now_wall_ms(tasks->store), now_ns = clock_monotonic_ns();
    uint64_t next_ms = now_ms + TICK_MS_MAX, chore_ms;

    for (size_t i = 0; i < tasks->cache.application_count; i++) {
        struct cached_application *application = tasks->cache.applications[i];
        for (size_t k = application->task_count; k-- > 0;) {
            uint64_t due_ms = move_task(tasks, application->tasks[k], now_ms);
            if (due_ms < next_ms) next_ms = due_ms;
        }
    }
    if (now_ns - tasks->listed_ns >= ms_to_ns(list_interval_ms(tasks))) list_applications(tasks);
    chore_ms = tasks_do_chores(tasks, now_ns);
    if (tasks_are_ready(tasks)) tasks_retry_departures(tasks);
    if (next_ms > now_ms + chore_ms) next_ms = now_ms + chore_ms;
    return next_ms > now_ms ? (uint32_t)(next_ms - now_ms) : 1;
}

/* What polls ask ---------------------------------------------------------------------------- */

size_t tasks_for_instance(struct tasks *tasks, struct text application, struct text instance,
                          struct text host_ip, const struct task **ret, size_t max)
{
    const struct cached_application *cached = cache_application_find(&tasks->cache, application);
    uint64_t now_ms = store_now_wall_ms(tasks->store);
    size_t count = 0;

    if (!cached) return 0;
    /* Newest first: if they do not all fit, it is old ends that are left out. */
    for (size_t i = cached->task_count; i-- > 0 && count < max;) {
        const struct task *task = &cached->tasks[i]->task;
        if (!task_is_visible(task, now_ms)) continue;
        if (task_spec_admits(&task->spec, instance, host_ip)) ret[count++] = task;
    }
    return count;
}

uint64_t tasks_now_wall_ms(const struct tasks *tasks)
{
    return store_now_wall_ms(tasks->store);
}

struct text tasks_version(struct tasks *tasks, struct text application)
{
    struct cached_application *cached = cache_application_find(&tasks->cache, application);
    const struct application_settings *settings = tasks_settings(tasks, application);
    struct text version =
        cached ? cache_version(cached, store_now_wall_ms(tasks->store)) : cache_version_empty();

    if (!settings) return version;
    snprintf(tasks->version, sizeof(tasks->version), "%.*s-%" PRIx64, TEXT_ARGS(version),
             settings->changed_wall_ms);
    return text_of(tasks->version);
}

const struct application_settings *tasks_settings(const struct tasks *tasks,
                                                  struct text application)
{
    return store_settings_find(tasks->store, application);
}

void tasks_set_settings(struct tasks *tasks, const struct application_settings *settings,
                        tasks_set_fn then, void *context)
{
    store_settings_put(tasks->store, settings, then, context);
}
