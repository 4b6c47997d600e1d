/* SPDX-License-Identifier: Apache-2.0 */
/* redis_cluster.c: who has which slots, and a connection to each of them.
 *
 *   connect --> seeds are nodes --the first that is up: CLUSTER SLOTS--> masters are nodes
 *     --all of them are up--> UP
 *   UP --a master is lost, or dropped--> asking again, every LEARN_MS, whoever is up --> UP
 *   UP --MOVED--> one slot is given to another; the whole map is asked for soon
 *
 * A view is one node's, and may be an old one: then a master says MOVED, which is believed until
 * the next view. Which one is asked changes every time, so that one that is wrong does not stay.
 *
 * A node ends when no view names it and ASK did not send us there lately; then what it has not
 * answered is answered so, from the loop.
 *
 * INVARIANT: owners[i] is the node at slots.nodes[i], and is not ended while the map names it. */
#include "scheduler/store/redis/redis_cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/store/redis/redis_cluster_private.h"
#include "scheduler/store/redis/timer.h"

enum {
    LEARN_MS = 100,
    NOBODY_MS = 500, /* when no node is up */
    USED_MS = 10000, /* a node that ASK sent us to is kept so long without slots */
    WHY_SIZE = 512,
};

/* Down and up ------------------------------------------------------------------------------- */

static bool owners_are_up(const struct redis_cluster *cluster)
{
    for (size_t i = 0; i < cluster->slots.node_count; i++) {
        if (!cluster->owners[i] || !redis_conn_is_up(cluster->owners[i]->conn)) return false;
    }
    return true;
}

static void look_up(struct redis_cluster *cluster)
{
    if (cluster->is_up || cluster->is_closed || !cluster->is_known || cluster->is_stale) return;
    if (!owners_are_up(cluster)) return;
    cluster->is_up = true;
    cluster->connects++;
    cluster->options.on_up(cluster->options.context);
}

static void go_down(struct redis_cluster *cluster, const char *why)
{
    cluster->disconnects += cluster->is_up;
    cluster->is_up = false;
    cluster_note_stale(cluster);
    errands_fail_held(cluster, -ENOTCONN);
    cluster->options.on_down(cluster->options.context, why);
}

void redis_cluster_drop(struct redis_cluster *cluster, const char *why)
{
    if (cluster->is_up) go_down(cluster, why);
}

/* Nodes ------------------------------------------------------------------------------------- */

static void on_node_up(void *context)
{
    struct cluster_node *node = context;
    struct redis_cluster *cluster = node->cluster;

    if (cluster->is_up && cluster->is_known) {
        redis_conn_note_good(node->conn);
        return;
    }
    timer_arm(cluster->learn, 0);
    look_up(cluster);
}

static void on_node_down(void *context, const char *why)
{
    struct cluster_node *node = context;
    struct redis_cluster *cluster = node->cluster;
    char says[WHY_SIZE];

    if (cluster->is_closed || (cluster->is_up && !node->is_owner)) return;
    snprintf(says, sizeof(says), "%s:%u: %s", node->place.host, node->place.port, why);
    go_down(cluster, says);
}

static bool is_at(const struct cluster_node *node, const struct redis_place *place)
{
    return node->place.port == place->port && strcmp(node->place.host, place->host) == 0;
}

static struct cluster_node *node_new(struct redis_cluster *cluster, const struct redis_place *place)
{
    struct cluster_node *node = mem_zalloc(1, sizeof(*node));
    struct redis_address address = cluster->address;

    node->cluster = cluster;
    node->place = *place;
    node->conn = redis_conn_new(&(struct redis_conn_options){ .base = cluster->options.base,
                                                              .on_up = on_node_up,
                                                              .on_down = on_node_down,
                                                              .context = node });
    address.shape = REDIS_SINGLE;
    memcpy(address.host, place->host, sizeof(address.host));
    address.port = place->port;
    redis_conn_connect(node->conn, &address);
    return node;
}

struct cluster_node *cluster_node_at(struct redis_cluster *cluster, const struct redis_place *place)
{
    for (size_t i = 0; i < cluster->node_count; i++) {
        if (is_at(cluster->nodes[i], place)) return cluster->nodes[i];
    }
    if (cluster->is_closed || cluster->node_count == NODES_MAX) return NULL;
    cluster->nodes[cluster->node_count] = node_new(cluster, place);
    return cluster->nodes[cluster->node_count++];
}

static void add_figures(struct redis_conn_figures *sum, const struct redis_conn *conn)
{
    struct redis_conn_figures more;

    redis_conn_read_figures(conn, &more);
    sum->commands += more.commands;
    sum->errors += more.errors;
    sum->timeouts += more.timeouts;
    sum->in_flight_count += more.in_flight_count;
    sum->in_flight_size += more.in_flight_size;
    sum->queued_count += more.queued_count;
    sum->queued_size += more.queued_size;
    if (more.latency_ns > sum->latency_ns) sum->latency_ns = more.latency_ns;
}

/* It is in no list any more. Not from a callback of its own connection. */
static void node_end(struct cluster_node *node)
{
    struct redis_cluster *cluster = node->cluster;

    redis_conn_close(node->conn);
    while (redis_conn_answer_failed(node->conn)) {
    }
    add_figures(&cluster->left, node->conn);
    cluster->left.latency_ns = 0;
    redis_conn_free(node->conn);
    free(node);
}

static bool is_useless(const struct cluster_node *node, uint64_t now_ns)
{
    struct redis_conn_figures figures;

    redis_conn_read_figures(node->conn, &figures);
    if (node->is_owner || figures.in_flight_count > 0 || figures.queued_count > 0) return false;
    return node->used_ns == 0 || now_ns - node->used_ns > ms_to_ns(USED_MS);
}

/* Ends one that is of no use, if there is one: while that is answered, others may come and go. */
static bool end_one(struct redis_cluster *cluster)
{
    uint64_t now_ns = clock_monotonic_ns();

    for (size_t i = 0; i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[i];

        if (!is_useless(node, now_ns)) continue;
        cluster->nodes[i] = cluster->nodes[--cluster->node_count];
        node_end(node);
        return true;
    }
    return false;
}

static void end_useless(struct redis_cluster *cluster)
{
    if (!cluster->is_known || cluster->is_stale) return;
    while (end_one(cluster)) {
    }
    if (cluster->is_up && cluster->node_count > cluster->slots.node_count)
        timer_arm(cluster->learn, USED_MS);
}

/* The map ----------------------------------------------------------------------------------- */

struct cluster_node *cluster_owner(const struct redis_cluster *cluster, uint16_t slot)
{
    int index = redis_slots_node(&cluster->slots, slot);

    return index < 0 ? NULL : cluster->owners[index];
}

void cluster_note_stale(struct redis_cluster *cluster)
{
    cluster->is_stale = true;
    if (!cluster->is_closed && !event_pending(cluster->learn, EV_TIMEOUT, NULL))
        timer_arm(cluster->learn, LEARN_MS);
}

void cluster_note_moved(struct redis_cluster *cluster, uint16_t slot,
                        const struct redis_place *place)
{
    struct cluster_node *node = cluster_node_at(cluster, place);
    int index = node ? redis_slots_add_node(&cluster->slots, place) : -1;

    cluster_note_stale(cluster);
    if (index < 0) return;
    node->is_owner = true;
    cluster->owners[index] = node;
    redis_slots_give(&cluster->slots, slot, index);
    cluster->options.on_slots(cluster->options.context);
}

static void take_map(struct redis_cluster *cluster, const struct redis_slots *slots)
{
    cluster->slots = *slots;
    cluster->is_known = true;
    cluster->is_stale = false;
    for (size_t i = 0; i < cluster->node_count; i++) {
        cluster->nodes[i]->is_owner = false;
    }
    for (size_t i = 0; i < slots->node_count; i++) {
        cluster->owners[i] = cluster_node_at(cluster, &slots->nodes[i]);
        if (cluster->owners[i]) cluster->owners[i]->is_owner = true;
    }
    if (cluster->is_up) cluster->options.on_slots(cluster->options.context);
}

static void on_map(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct cluster_node *node =
        (struct cluster_node *)(void *)((char *)request - offsetof(struct cluster_node, ask));
    struct redis_cluster *cluster = node->cluster;
    struct redis_slots slots;
    char says[WHY_SIZE] = "";

    redis_command_done(&request->command);
    node->is_asked = false;
    if (rc < 0 || cluster->is_closed) return;
    if (redis_value_is_error(value)) {
        snprintf(says, sizeof(says), "%s:%u: %.*s", node->place.host, node->place.port,
                 TEXT_ARGS(redis_value_text(value)));
    } else if (redis_slots_read(&slots, value, &node->place) < 0) {
        snprintf(says, sizeof(says), "%s:%u: its CLUSTER SLOTS cannot be read", node->place.host,
                 node->place.port);
    } else if (slots.owned < CLUSTER_SLOTS) {
        snprintf(says, sizeof(says), "only %zu of the Cluster's %d slots have a master",
                 slots.owned, CLUSTER_SLOTS);
    }
    if (says[0]) {
        if (!cluster->is_up) cluster->options.on_down(cluster->options.context, says);
        return;
    }
    take_map(cluster, &slots);
    timer_arm(cluster->learn, LEARN_MS); /* and those of no use end */
    look_up(cluster);
}

static void ask_map(struct cluster_node *node)
{
    node->is_asked = true;
    node->ask =
        (struct redis_request){ .command = redis_command_make("CLUSTER"), .on_answer = on_map };
    redis_command_add(&node->ask.command, TEXT("SLOTS"));
    redis_conn_send(node->conn, &node->ask);
}

static struct cluster_node *next_to_ask(struct redis_cluster *cluster)
{
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct cluster_node *node = cluster->nodes[cluster->next_asked++ % cluster->node_count];

        if (!node->is_asked && redis_conn_is_up(node->conn)) return node;
    }
    return NULL;
}

static void on_learn(evutil_socket_t fd, short what, void *context)
{
    struct redis_cluster *cluster = context;
    struct cluster_node *node;

    (void)fd;
    (void)what;
    end_useless(cluster);
    if (cluster->is_closed || (cluster->is_up && !cluster->is_stale)) return;
    node = next_to_ask(cluster);
    if (node) {
        ask_map(node);
        timer_arm(cluster->learn, LEARN_MS);
        return;
    }
    for (size_t i = 0; i < cluster->address.seed_count; i++) {
        cluster_node_at(cluster, &cluster->address.seeds[i]);
    }
    timer_arm(cluster->learn, NOBODY_MS);
}

/* Life -------------------------------------------------------------------------------------- */

struct redis_cluster *redis_cluster_new(const struct redis_cluster_options *options)
{
    struct redis_cluster *cluster = mem_zalloc(1, sizeof(*cluster));

    cluster->options = *options;
    redis_slots_init(&cluster->slots);
    cluster->learn = evtimer_new(options->base, on_learn, cluster);
    cluster->again = evtimer_new(options->base, errands_on_again, cluster);
    cluster->fail = evtimer_new(options->base, errands_on_fail, cluster);
    CHECK(cluster->learn && cluster->again && cluster->fail);
    return cluster;
}

void redis_cluster_connect(struct redis_cluster *cluster, const struct redis_address *address)
{
    CHECK(address->shape == REDIS_CLUSTER && address->seed_count > 0);
    cluster->address = *address;
    timer_arm(cluster->learn, 0);
}

void redis_cluster_close(struct redis_cluster *cluster)
{
    cluster->is_closed = true;
    cluster->is_up = false;
    event_del(cluster->learn);
    event_del(cluster->again);
    errands_fail_held(cluster, -ENOTCONN);
    for (size_t i = 0; i < cluster->node_count; i++) {
        redis_conn_close(cluster->nodes[i]->conn);
    }
}

bool redis_cluster_answer_failed(struct redis_cluster *cluster)
{
    bool had_some = cluster->failed.count > 0;

    for (size_t i = 0; i < cluster->node_count; i++) {
        had_some = redis_conn_answer_failed(cluster->nodes[i]->conn) || had_some;
    }
    errands_on_fail(-1, 0, cluster);
    return had_some;
}

struct redis_cluster *redis_cluster_free(struct redis_cluster *cluster)
{
    if (!cluster) return NULL;
    redis_cluster_close(cluster);
    CHECK(cluster->failed.count == 0 && cluster->held.count == 0);
    while (cluster->node_count > 0) {
        node_end(cluster->nodes[--cluster->node_count]);
    }
    event_free(cluster->learn);
    event_free(cluster->again);
    event_free(cluster->fail);
    free(cluster);
    return NULL;
}

void redis_cluster_learn(struct redis_cluster *cluster)
{
    cluster_note_stale(cluster);
}

/* Questions --------------------------------------------------------------------------------- */

void redis_cluster_note_good(struct redis_cluster *cluster)
{
    for (size_t i = 0; i < cluster->node_count; i++) {
        redis_conn_note_good(cluster->nodes[i]->conn);
    }
}

bool redis_cluster_is_up(const struct redis_cluster *cluster)
{
    return cluster->is_up;
}

size_t redis_cluster_read_slots(const struct redis_cluster *cluster, uint16_t *ret_slots)
{
    bool is_seen[CLUSTER_NODES_MAX] = { false };
    size_t count = 0;

    for (uint16_t slot = 0; slot < CLUSTER_SLOTS; slot++) {
        int index = redis_slots_node(&cluster->slots, slot);

        if (index < 0 || is_seen[index]) continue;
        is_seen[index] = true;
        ret_slots[count++] = slot;
    }
    return count;
}

uint64_t redis_cluster_loads(const struct redis_cluster *cluster)
{
    return cluster->loads;
}

void redis_cluster_note_replicas(struct redis_cluster *cluster, uint16_t slot, uint64_t count)
{
    struct cluster_node *node = cluster_owner(cluster, slot);

    if (node) node->replica_count = count;
}

bool redis_cluster_read_place(const struct redis_cluster *cluster, uint16_t slot,
                              struct redis_address *ret)
{
    const struct cluster_node *node = cluster_owner(cluster, slot);

    if (!node) return false;
    *ret = cluster->address;
    ret->shape = REDIS_SINGLE;
    memcpy(ret->host, node->place.host, sizeof(ret->host));
    ret->port = node->place.port;
    return true;
}

void redis_cluster_read_figures(const struct redis_cluster *cluster, struct redis_conn_figures *ret)
{
    *ret = cluster->left;
    for (size_t i = 0; i < cluster->node_count; i++) {
        add_figures(ret, cluster->nodes[i]->conn);
    }
    ret->connects = cluster->connects;
    ret->disconnects = cluster->disconnects;
    ret->queued_count += cluster->held.count;
    ret->queued_size += cluster->held.size;
}
