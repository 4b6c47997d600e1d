/* SPDX-License-Identifier: Apache-2.0 */
/* store_health.c: what Redis says of itself, and what follows from it, in a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/store/redis/embedded_redis.h"
#include "scheduler/store/store_lanes.h"
#include "scheduler/store/store_private.h"

enum { REDIS_MAJOR_MIN = 7 };

/* What INFO and CONFIG say ------------------------------------------------------------------ */

/* The value of a "name:value\r\n" line of INFO; empty if there is none. */
static struct text info_find(struct text info, const char *name)
{
    size_t name_size = strlen(name);

    for (const char *at = info.data, *end = at + info.size; at < end;) {
        const char *line_end = memchr(at, '\r', (size_t)(end - at));
        size_t size = (size_t)((line_end ? line_end : end) - at);
        if (size > name_size && memcmp(at, name, name_size) == 0 && at[name_size] == ':') {
            return (struct text){ at + name_size + 1, size - name_size - 1 };
        }
        at += size + 2;
    }
    return TEXT("");
}

static uint64_t info_u64(struct text info, const char *name)
{
    uint64_t number = 0;

    return text_to_u64(info_find(info, name), &number) < 0 ? 0 : number;
}

static void info_text(struct text info, const char *name, char *ret, size_t size)
{
    snprintf(ret, size, "%.*s", TEXT_ARGS(info_find(info, name)));
}

void store_read_info(struct store *store, struct text info)
{
    struct store_health *health = &store->health;

    info_text(info, "redis_version", health->version, sizeof(health->version));
    info_text(info, "role", health->role, sizeof(health->role));
    health->memory_size = info_u64(info, "used_memory");
    health->memory_size_max = info_u64(info, "maxmemory");
    health->replica_count = info_u64(info, "connected_slaves");
    store->had_replicas = store->had_replicas || health->replica_count > 0;
    if (info.size > 0 && info_u64(info, "aof_enabled") == 0) {
        snprintf(health->appendfsync, sizeof(health->appendfsync), "off");
    }
    store->may_evict = health->memory_size_max > 0 &&
                       !text_is_equal(info_find(info, "maxmemory_policy"), TEXT("noeviction"));
    if (health->memory_size_max == 0 || health->memory_size < health->memory_size_max) {
        store->has_problem_full = false;
    }
}

/* CONFIG GET appendfsync: may be forbidden, and then the answer is an error. */
void store_read_appendfsync(struct store *store, const struct redis_value *value)
{
    struct text setting = redis_value_text(redis_value_at(value, 1));

    if (setting.size == 0) setting = TEXT("unknown");
    snprintf(store->health.appendfsync, sizeof(store->health.appendfsync), "%.*s",
             TEXT_ARGS(setting));
}

const char *store_unfit(const struct store *store, struct text info)
{
    if (strtoul(store->health.version, NULL, 10) < REDIS_MAJOR_MIN) {
        return "it is older than Redis 7, which stakeout needs for its functions";
    }
    if (strcmp(store->health.role, "slave") == 0) {
        return "this Redis is a replica and takes no writes";
    }
    if (text_is_equal(info_find(info, "redis_mode"), TEXT("cluster"))) {
        return "Redis Cluster is not available in this version";
    }
    return NULL;
}

/* Health ------------------------------------------------------------------------------------ */

static void say_health(const struct store *store, struct store_health *ret)
{
    const char *fsync = ret->appendfsync;

    if (!ret->is_up) {
        snprintf(ret->says, sizeof(ret->says), "Redis is not available: %s", store->down_says);
    } else if (!ret->is_writable) {
        snprintf(ret->says, sizeof(ret->says),
                 "Redis takes no writes: it has reached its maxmemory");
    } else if (store->may_evict) {
        snprintf(ret->says, sizeof(ret->says),
                 "Redis may throw samples away when it is full: set maxmemory-policy noeviction");
    } else if (strcmp(fsync, "off") == 0) {
        snprintf(ret->says, sizeof(ret->says),
                 "Redis keeps no append-only file: what was accepted since its last snapshot is "
                 "lost when it ends; set appendonly yes and appendfsync always");
    } else if (strcmp(fsync, "unknown") == 0) {
        snprintf(ret->says, sizeof(ret->says),
                 "Redis does not say how it keeps its data (CONFIG GET is not permitted)");
    } else if (!ret->keeps_all) {
        snprintf(ret->says, sizeof(ret->says),
                 "appendfsync is %s: what was accepted last can be lost when Redis is killed; "
                 "set appendfsync always",
                 fsync);
    } else if (ret->has_lost_replicas) {
        snprintf(ret->says, sizeof(ret->says),
                 "Redis has lost its replica: what is accepted is kept by this Redis alone");
    }
}

void store_health(const struct store *store, struct store_health *ret)
{
    struct redis_conn_figures figures;

    redis_conn_read_figures(store->conn, &figures);
    *ret = store->health;
    ret->is_up = store->is_up;
    ret->is_writable = store->is_up && !store->has_problem_full;
    ret->keeps_all = strcmp(ret->appendfsync, "always") == 0 && !store->may_evict;
    ret->has_lost_replicas = store->is_up && store->had_replicas && ret->replica_count == 0;
    ret->is_embedded = store->embedded != NULL;
    ret->latency_ns = figures.latency_ns;
    say_health(store, ret);
}

void store_statistics(const struct store *store, struct store_statistics *ret)
{
    struct redis_conn_figures figures;

    redis_conn_read_figures(store->conn, &figures);
    store_lanes_add_figures(store->lanes, &figures);
    *ret = (struct store_statistics){
        .commands = figures.commands,
        .errors = figures.errors,
        .timeouts = figures.timeouts,
        .connects = figures.connects,
        .disconnects = figures.disconnects,
        .restarts = store->embedded ? embedded_redis_restarts(store->embedded) : 0,
        .refused_full = store->refused_full,
        .function_loads = store->function_loads,
        .in_flight_count = figures.in_flight_count,
        .in_flight_size = figures.in_flight_size,
        .queued_count = figures.queued_count,
        .queued_size = figures.queued_size,
        .bytes_in = store->bytes_in,
        .bytes_out = store->bytes_out,
    };
}
