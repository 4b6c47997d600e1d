/* SPDX-License-Identifier: Apache-2.0 */
/* store_health.c: what Redis says of itself, and what follows from it, in a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/redis/embedded_redis.h"
#include "scheduler/store/store_lanes.h"
#include "scheduler/store/store_private.h"
#include "scheduler/store/store_route.h"

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

uint64_t store_replicas(struct text info)
{
    return info_u64(info, "connected_slaves");
}

/* The oldest version counts, and whether one of them is no master. */
static void read_names(struct store_health *health, struct text info, bool is_first)
{
    char version[sizeof(health->version)], role[sizeof(health->role)];

    info_text(info, "redis_version", version, sizeof(version));
    info_text(info, "role", role, sizeof(role));
    if (is_first || strverscmp(version, health->version) < 0)
        memcpy(health->version, version, sizeof(version));
    if (is_first || strcmp(role, "slave") == 0) memcpy(health->role, role, sizeof(role));
}

void store_read_info(struct store *store, struct text info, bool is_first)
{
    struct store_health *health = &store->health;
    uint64_t size = info_u64(info, "used_memory"), size_max = info_u64(info, "maxmemory");
    uint64_t replicas = store_replicas(info);
    bool may_evict =
        size_max > 0 && !text_is_equal(info_find(info, "maxmemory_policy"), TEXT("noeviction"));

    read_names(health, info, is_first);
    if (info.size > 0 && info_u64(info, "aof_enabled") == 0) {
        snprintf(health->appendfsync, sizeof(health->appendfsync), "off");
    }
    if (is_first) {
        health->memory_size = health->memory_size_max = 0;
        health->replica_count = replicas;
        store->may_evict = false;
        store->has_room = true;
    }
    health->memory_size += size;
    health->memory_size_max += size_max;
    if (replicas < health->replica_count) health->replica_count = replicas;
    store->may_evict = store->may_evict || may_evict;
    store->has_room = store->has_room && (size_max == 0 || size < size_max);
}

void store_note_readings(struct store *store)
{
    if (store->has_room) store->has_problem_full = false;
    store->had_replicas = store->had_replicas || store->health.replica_count > 0;
}

/* From what keeps least to what keeps all. */
static unsigned fsync_rank(const char *setting)
{
    static const char *const ranks[] = { "off", "no", "unknown", "everysec", "always" };

    for (unsigned i = 0; i < ARRAY_COUNT(ranks); i++) {
        if (strcmp(setting, ranks[i]) == 0) return i;
    }
    return 0;
}

void store_read_appendfsync(struct store *store, const struct redis_value *value, bool is_first)
{
    struct text setting = redis_value_text(redis_value_at(value, 1));
    char *held = store->health.appendfsync, read[sizeof(store->health.appendfsync)];

    if (setting.size == 0) setting = TEXT("unknown");
    snprintf(read, sizeof(read), "%.*s", TEXT_ARGS(setting));
    if (is_first || fsync_rank(read) < fsync_rank(held)) memcpy(held, read, sizeof(read));
}

const char *store_unfit(const struct store *store, struct text info)
{
    if (strtoul(store->health.version, NULL, 10) < REDIS_MAJOR_MIN) {
        return "it is older than Redis 7, which stakeout needs for its functions";
    }
    if (strcmp(store->health.role, "slave") == 0) {
        return "this Redis is a replica and takes no writes";
    }
    if (!store->cluster && text_is_equal(info_find(info, "redis_mode"), TEXT("cluster"))) {
        return "this Redis is a node of a Cluster: its URL begins with redis+cluster:// or "
               "rediss+cluster://";
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

    store_route_read_figures(store, &figures);
    *ret = store->health;
    ret->is_up = store->is_up;
    ret->is_writable = store->is_up && !store->has_problem_full;
    ret->keeps_all = strcmp(ret->appendfsync, "always") == 0 && !store->may_evict;
    ret->has_lost_replicas = store->is_up && store->had_replicas && ret->replica_count == 0;
    ret->is_cluster = store->cluster != NULL;
    ret->is_embedded = store->embedded != NULL;
    ret->latency_ns = figures.latency_ns;
    say_health(store, ret);
}

void store_statistics(const struct store *store, struct store_statistics *ret)
{
    struct redis_conn_figures figures;

    store_route_read_figures(store, &figures);
    store_lanes_add_figures(store->lanes, &figures);
    *ret = (struct store_statistics){
        .commands = figures.commands,
        .errors = figures.errors,
        .timeouts = figures.timeouts,
        .connects = figures.connects,
        .disconnects = figures.disconnects,
        .restarts = store->embedded ? embedded_redis_restarts(store->embedded) : 0,
        .refused_full = store->refused_full,
        .function_loads =
            store->function_loads + (store->cluster ? redis_cluster_loads(store->cluster) : 0),
        .in_flight_count = figures.in_flight_count,
        .in_flight_size = figures.in_flight_size,
        .queued_count = figures.queued_count,
        .queued_size = figures.queued_size,
        .bytes_in = store->bytes_in,
        .bytes_out = store->bytes_out,
    };
}
