/* SPDX-License-Identifier: Apache-2.0 */
/* store_save.c: a snapshot of the private Redis, as it was at one moment, in a file: BGSAVE. A fork
 * of Redis writes it, so nobody waits; under a name that nothing else reads, because Redis itself
 * starts from its append-only files.
 *
 *   INFO persistence       how many snapshots were begun
 *   BGSAVE SCHEDULE        at once, or behind a rewriting of the append-only files
 *   INFO, every POLL_MS    until one more was begun, and has ended */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "scheduler/store/redis/embedded_redis.h"
#include "scheduler/store/redis/timer.h"
#include "scheduler/store/store_private.h"

enum { POLL_MS = 50, SAVE_PATH_SIZE = 1200 };

struct save {
    struct store *store;
    store_saved_fn then;
    void *context;
    struct event *timer;
    uint64_t count_before, count;
    bool has_begun, is_running, is_well;
};

static void save_end(struct save *save, const char *path, const struct problem *problem)
{
    save->then(save->context, path, problem);
    if (save->timer) event_free(save->timer);
    free(save);
}

/* "name:value" of INFO; empty: it is not there. */
static struct text info_value(struct text info, const char *name)
{
    size_t name_size = strlen(name);

    for (size_t at = 0; at < info.size;) {
        const char *line = info.data + at;
        const char *end = memchr(line, '\r', info.size - at);
        size_t size = end ? (size_t)(end - line) : info.size - at;

        if (size > name_size && memcmp(line, name, name_size) == 0 && line[name_size] == ':')
            return (struct text){ line + name_size + 1, size - name_size - 1 };
        at += size + 2;
    }
    return TEXT("");
}

static void read_info(struct save *save, struct text info)
{
    uint64_t count = 0;

    text_to_u64(info_value(info, "rdb_saves"), &count);
    save->count = count;
    save->is_running = text_is_equal(info_value(info, "rdb_bgsave_in_progress"), TEXT("1"));
    save->is_well = text_is_equal(info_value(info, "rdb_last_bgsave_status"), TEXT("ok"));
}

static void on_info(void *my, size_t index, const struct redis_value *value)
{
    (void)index;
    read_info(my, redis_value_text(value));
}

/* It was written; its name is Redis' default. */
static void tell_path(struct save *save)
{
    char path[SAVE_PATH_SIZE];

    snprintf(path, sizeof(path), "%s/redis/dump.rdb", save->store->options.state_dir);
    save_end(save, path, NULL);
}

static void on_looked(void *my, const struct problem *problem)
{
    struct save *save = my;
    struct problem failed;

    save->has_begun |= save->is_running || save->count > save->count_before;
    if (problem) {
        save_end(save, NULL, problem);
    } else if (!save->has_begun || save->is_running) {
        timer_arm(save->timer, POLL_MS);
    } else if (save->is_well) {
        tell_path(save);
    } else {
        problem_set(&failed, PROBLEM_STORE_FULL,
                    "Redis could not write its snapshot; is there room on the disk?");
        save_end(save, NULL, &failed);
    }
}

static void look(struct save *save)
{
    struct round *round = round_new(save->store, on_info, on_looked, save);

    redis_command_add(round_add(round, "INFO"), TEXT("persistence"));
    round_send(round);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    look(context);
}

enum begin_step { BEGIN_INFO, BEGIN_SAVE };

static void on_begin_answer(void *my, size_t index, const struct redis_value *value)
{
    struct save *save = my;

    if (index != BEGIN_INFO) return;
    read_info(save, redis_value_text(value));
    save->count_before = save->count;
}

static void on_begun(void *my, const struct problem *problem)
{
    struct save *save = my;

    if (problem) {
        save_end(save, NULL, problem);
    } else {
        look(save);
    }
}

static void refuse(void *my)
{
    struct problem problem;

    problem_set(&problem, PROBLEM_STORE_DOWN,
                "This Redis is not ours to save: back it up by its own means.");
    save_end(my, NULL, &problem);
}

void store_save(struct store *store, store_saved_fn then, void *context)
{
    struct save *save = mem_zalloc(1, sizeof(*save));
    struct round *round;

    save->store = store;
    save->then = then;
    save->context = context;
    if (!store->embedded) {
        store_defer(store, refuse, save);
        return;
    }
    save->timer = evtimer_new(store->options.base, on_timer, save);
    CHECK(save->timer);
    round = round_new(store, on_begin_answer, on_begun, save);
    redis_command_add(round_add(round, "INFO"), TEXT("persistence"));
    redis_command_add(round_add(round, "BGSAVE"), TEXT("SCHEDULE"));
    round_send(round);
}
