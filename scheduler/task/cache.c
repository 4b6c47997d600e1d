/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c: sorted arrays: applications by name, each one's tasks by id. Few enough to be moved
 * about (64 active ones per application), asked often enough to be searched by halves. */
#include "scheduler/task/cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

enum { TOLD_MAX = 20000 }; /* INSTANCES_KNOWN_MAX; beyond it we ask Redis again */

/* Makes room for one more pointer or number of `size` bytes, in steps of a half. */
static void *array_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) return array;
    *capacity = *capacity + *capacity / 2 + 8;
    return mem_grow(array, *capacity * size);
}

/* Applications ------------------------------------------------------------------------------ */

/* Where the name is, or would be. */
static size_t application_place(const struct cache *cache, struct text name)
{
    size_t low = 0, high = cache->application_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (text_compare(text_of(cache->applications[middle]->name), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct cached_application *cache_application_find(const struct cache *cache, struct text name)
{
    size_t place = application_place(cache, name);

    if (place == cache->application_count) return NULL;
    if (!text_is_equal(text_of(cache->applications[place]->name), name)) return NULL;
    return cache->applications[place];
}

struct cached_application *cache_application_open(struct cache *cache, struct text name)
{
    struct cached_application *application = cache_application_find(cache, name);
    size_t place = application_place(cache, name);

    if (application) return application;
    CHECK(name.size > 0 && name.size <= APPLICATION_SIZE_MAX);
    application = mem_zalloc(1, sizeof(*application));
    memcpy(application->name, name.data, name.size);
    cache->applications = array_grow(cache->applications, cache->application_count,
                                     &cache->application_capacity, sizeof(application));
    memmove(cache->applications + place + 1, cache->applications + place,
            (cache->application_count - place) * sizeof(application));
    cache->applications[place] = application;
    cache->application_count++;
    return application;
}

/* Tasks ------------------------------------------------------------------------------------- */

static size_t task_place(const struct cached_application *application, const struct task_id *id)
{
    size_t low = 0, high = application->task_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(application->tasks[middle]->task.id.text, id->text) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct cached_task *find_in(const struct cached_application *application,
                                   const struct task_id *id)
{
    size_t place = task_place(application, id);

    if (place == application->task_count) return NULL;
    if (strcmp(application->tasks[place]->task.id.text, id->text) != 0) return NULL;
    return application->tasks[place];
}

struct cached_task *cache_task_find(const struct cache *cache, const struct task_id *id)
{
    for (size_t i = 0; i < cache->application_count; i++) {
        struct cached_task *found = find_in(cache->applications[i], id);
        if (found) return found;
    }
    return NULL;
}

static struct cached_task *task_add(struct cached_application *application,
                                    const struct task_id *id)
{
    struct cached_task *task = mem_zalloc(1, sizeof(*task));
    size_t place = task_place(application, id);

    task->application = application;
    application->tasks = array_grow(application->tasks, application->task_count,
                                    &application->task_capacity, sizeof(struct cached_task *));
    memmove(application->tasks + place + 1, application->tasks + place,
            (application->task_count - place) * sizeof(struct cached_task *));
    application->tasks[place] = task;
    application->task_count++;
    return task;
}

struct cached_task *cache_task_put(struct cache *cache, const struct task *task, bool *ret_changed)
{
    struct cached_application *application =
        cache_application_open(cache, text_of(task->spec.application));
    struct cached_task *cached = find_in(application, &task->id);
    bool is_new = cached == NULL;

    if (is_new) cached = task_add(application, &task->id);
    *ret_changed = is_new || cached->task.state != task->state ||
                   cached->task.ends_wall_ms != task->ends_wall_ms ||
                   cached->task.sample_count != task->sample_count;
    cached->task = *task;
    cached->stamp = ++cache->stamp;
    return cached;
}

bool cache_task_has_overtaken(const struct cached_task *cached, const struct task *said)
{
    bool is_over = task_state_is_final(cached->task.state);

    if (cached->is_ahead) return false; /* of Redis, by ourselves: it knows better */
    if (is_over != task_state_is_final(said->state)) return is_over;
    return said->sample_count < cached->task.sample_count;
}

void cache_task_drop(struct cached_task *task)
{
    struct cached_application *application = task->application;
    size_t place = task_place(application, &task->task.id);

    application->task_count--;
    memmove(application->tasks + place, application->tasks + place + 1,
            (application->task_count - place) * sizeof(struct cached_task *));
    free(task->told);
    free(task);
}

void cache_done(struct cache *cache)
{
    for (size_t i = 0; i < cache->application_count; i++) {
        struct cached_application *application = cache->applications[i];
        while (application->task_count > 0) {
            cache_task_drop(application->tasks[application->task_count - 1]);
        }
        free(application->tasks);
        free(application);
    }
    free(cache->applications);
    memset(cache, 0, sizeof(*cache));
}

/* Time -------------------------------------------------------------------------------------- */

bool task_is_due(const struct task *task, uint64_t now_ms)
{
    if (task->state == TASK_SCHEDULED) return now_ms >= task->spec.start_wall_ms;
    return task->state == TASK_ACTIVE && now_ms >= task->ends_wall_ms;
}

static void task_move(struct task *task, enum task_state state)
{
    CHECK(task_may_move(task->state, state));
    task->state = state;
}

bool task_advance(struct task *task, uint64_t now_ms)
{
    bool moved = false;

    if (task->state == TASK_SCHEDULED && task_is_due(task, now_ms)) {
        task_move(task, TASK_ACTIVE);
        task->started_wall_ms = task->spec.start_wall_ms;
        moved = true;
    }
    if (task->state == TASK_ACTIVE && task_is_due(task, now_ms)) {
        task_move(task, TASK_EXPIRED);
        task->ended_wall_ms = task->ends_wall_ms;
        moved = true;
    }
    return moved;
}

bool task_is_visible(const struct task *task, uint64_t now_ms)
{
    if (task->state == TASK_ACTIVE) return true;
    return task_state_is_final(task->state) && now_ms < task->ended_wall_ms + ACCEPT_AFTER_END_MS;
}

/* Versions ---------------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * FNV_PRIME;
    }
    return hash;
}

struct text cache_version(struct cached_application *application, uint64_t now_ms)
{
    uint64_t hash = FNV_BASIS;

    for (size_t i = 0; i < application->task_count; i++) {
        const struct task *task = &application->tasks[i]->task;
        if (!task_is_visible(task, now_ms)) continue;
        hash = hash_bytes(hash, task->id.text, TASK_ID_SIZE);
        hash = hash_bytes(hash, &task->state, sizeof(task->state));
        hash = hash_bytes(hash, &task->ends_wall_ms, sizeof(task->ends_wall_ms));
    }
    snprintf(application->version, sizeof(application->version), "%016" PRIx64, hash);
    return (struct text){ application->version, TASKS_VERSION_SIZE };
}

struct text cache_version_empty(void)
{
    return TEXT("cbf29ce484222325"); /* FNV_BASIS: the hash of nothing */
}

/* Who was told ------------------------------------------------------------------------------ */

static size_t told_place(const struct cached_task *task, uint64_t incarnation)
{
    size_t low = 0, high = task->told_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (task->told[middle] < incarnation) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool cache_task_tell(struct cached_task *task, uint64_t incarnation)
{
    size_t place = told_place(task, incarnation);

    if (place < task->told_count && task->told[place] == incarnation) return false;
    if (task->told_count >= TOLD_MAX) return true;
    task->told =
        array_grow(task->told, task->told_count, &task->told_capacity, sizeof(*task->told));
    memmove(task->told + place + 1, task->told + place,
            (task->told_count - place) * sizeof(*task->told));
    task->told[place] = incarnation;
    task->told_count++;
    return true;
}

void cache_task_untell(struct cached_task *task, uint64_t incarnation)
{
    size_t place = told_place(task, incarnation);

    if (place == task->told_count || task->told[place] != incarnation) return;
    task->told_count--;
    memmove(task->told + place, task->told + place + 1,
            (task->told_count - place) * sizeof(*task->told));
}
