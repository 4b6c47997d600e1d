/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/redis_house.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/free_port.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

enum { SLOTS = 16384, FORM_MS_MAX = 45000 };

static unsigned first_slot(size_t master)
{
    return (unsigned)(master * SLOTS / HOUSE_MASTERS);
}

static const char *ask(const struct redis_house *house, size_t node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static const char *ask(const struct redis_house *house, size_t node, const char *format, ...)
{
    char command[512];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return redis_process_ask(&house->nodes[node], command);
}

static void start_node(struct redis_house *house, size_t index,
                       const struct redis_house_order *order)
{
    char config[2048];

    house->ports[index] = free_port();
    snprintf(config, sizeof(config),
             "%s %u\nbind 127.0.0.1\ncluster-enabled yes\ncluster-port %u\n"
             "cluster-node-timeout 3000\ncluster-announce-hostname \"\"\n%s",
             order->is_tls ? "tls-port" : "port", house->ports[index], free_port(),
             order->config ? order->config : "");
    redis_process_start(&house->nodes[index], config);
    snprintf(house->ids[index], sizeof(house->ids[index]), "%s", ask(house, index, "CLUSTER MYID"));
}

static void introduce(struct redis_house *house, size_t index)
{
    const char *bus;

    ask(house, index, "CLUSTER SET-CONFIG-EPOCH %zu", index + 1);
    if (index < HOUSE_MASTERS) {
        ask(house, index, "CLUSTER ADDSLOTSRANGE %u %u", first_slot(index),
            first_slot(index + 1) - 1);
    }
    bus = ask(house, index, "CONFIG GET cluster-port | tail -1");
    if (index > 0)
        ask(house, 0, "CLUSTER MEET 127.0.0.1 %u %lu", house->ports[index], strtoul(bus, NULL, 10));
}

/* They know each other, so a replica may be told whose it is. */
static bool is_met(void *context)
{
    const struct redis_house *house = context;
    char wanted[64];

    snprintf(wanted, sizeof(wanted), "cluster_known_nodes:%zu", house->count);
    for (size_t i = 0; i < house->count; i++) {
        if (!strstr(ask(house, i, "CLUSTER INFO | grep -E 'cluster_state:ok'"), "ok")) return false;
        if (!strstr(ask(house, i, "CLUSTER INFO | grep known_nodes"), wanted)) return false;
    }
    return true;
}

static bool is_followed(void *context)
{
    const struct redis_house *house = context;

    for (size_t i = HOUSE_MASTERS; i < house->count; i++) {
        if (!strstr(ask(house, i, "INFO replication | grep master_link_status"), "up"))
            return false;
        if (!strstr(ask(house, 0, "CLUSTER NODES | grep %s", house->ids[i]), "slave")) return false;
    }
    return true;
}

void redis_house_start(struct redis_house *house, const struct redis_house_order *order)
{
    *house = (struct redis_house){ .count = order->has_replicas ? HOUSE_NODES_MAX : HOUSE_MASTERS };
    for (size_t i = 0; i < house->count; i++) {
        start_node(house, i, order);
    }
    for (size_t i = 0; i < house->count; i++) {
        introduce(house, i);
    }
    if (!wait_until(is_met, house, FORM_MS_MAX)) fail_msg("the nodes do not form a Cluster");
    for (size_t i = HOUSE_MASTERS; i < house->count; i++) {
        ask(house, i, "CLUSTER REPLICATE %s", house->ids[i - HOUSE_MASTERS]);
    }
    if (!wait_until(is_followed, house, FORM_MS_MAX)) fail_msg("the masters have no replicas");
    snprintf(house->url, sizeof(house->url), "redis%s+cluster://127.0.0.1:%u,127.0.0.1:%u",
             order->is_tls ? "s" : "", house->ports[0], house->ports[1]);
}

void redis_house_stop(struct redis_house *house)
{
    for (size_t i = 0; i < house->count; i++) {
        redis_process_stop(&house->nodes[i]);
    }
}

size_t redis_house_place(const struct redis_house *house, const char *key, unsigned *ret_slot)
{
    size_t master = HOUSE_MASTERS - 1;

    *ret_slot = (unsigned)strtoul(ask(house, 0, "CLUSTER KEYSLOT '%s'", key), NULL, 10);
    while (first_slot(master) > *ret_slot) {
        master--;
    }
    return master;
}

void redis_house_move_begin(struct redis_house *house, unsigned slot, size_t from, size_t to)
{
    assert_string_equal(ask(house, to, "CLUSTER SETSLOT %u IMPORTING %s", slot, house->ids[from]),
                        "OK");
    assert_string_equal(ask(house, from, "CLUSTER SETSLOT %u MIGRATING %s", slot, house->ids[to]),
                        "OK");
}

bool redis_house_move_keys(struct redis_house *house, unsigned slot, size_t from, size_t to,
                           unsigned max)
{
    for (unsigned i = 0; i < max; i++) {
        char key[512];

        snprintf(key, sizeof(key), "%s", ask(house, from, "CLUSTER GETKEYSINSLOT %u 1", slot));
        if (!key[0]) return false;
        ask(house, from, "MIGRATE 127.0.0.1 %u '%s' 0 5000", house->ports[to], key);
    }
    return true;
}

void redis_house_move_end(struct redis_house *house, unsigned slot, size_t from, size_t to)
{
    assert_string_equal(ask(house, to, "CLUSTER SETSLOT %u NODE %s", slot, house->ids[to]), "OK");
    assert_string_equal(ask(house, from, "CLUSTER SETSLOT %u NODE %s", slot, house->ids[to]), "OK");
}
