/* SPDX-License-Identifier: Apache-2.0 */
/* redis_errand.c: a request's way through a Cluster.
 *
 *   redis_cluster_send() --> the master that has its slot --answer--> caller
 *                              ^   |
 *                              |   +-- MOVED: the map is mended;  ASK: there, behind ASKING
 *                              |   +-- our functions are not there: behind FUNCTION LOAD
 *                              +-- held: tried again every HELD_MS, HELD_MS_MAX in all
 *
 * All of these mean that the command was not carried out, so sending it again is right. One that
 * was sent, and whose connection was lost, is answered so: only the caller knows what is right.
 *
 * INVARIANT: while something of a slot is held, what is sent for that slot is held behind it. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/store/redis/redis_cluster_private.h"
#include "scheduler/store/redis/redis_queue.h"
#include "scheduler/store/redis/timer.h"

enum {
    HELD_MS = 20,
    HELD_MS_MAX = 3000, /* less than a probe waits for its answer */
    REDIRECTS_MAX = 5,  /* at once; then it is held in between */
};

/* Lists ------------------------------------------------------------------------------------- */

void errand_list_put(struct errand_list *list, struct errand *errand)
{
    errand->next = NULL;
    if (!list->first) list->last = &list->first;
    *list->last = errand;
    list->last = &errand->next;
    list->count++;
    list->size += errand->request.command.bytes.size;
}

struct errand *errand_list_take(struct errand_list *list)
{
    struct errand *first = list->first;

    *list = (struct errand_list){ 0 };
    return first;
}

/* Ends -------------------------------------------------------------------------------------- */

void errand_end(struct errand *errand, const struct redis_value *value, int rc)
{
    errand->outer->on_answer(errand->outer, value, rc);
    redis_value_free(errand->kept);
    free(errand);
}

static void fail_later(struct errand *errand, int rc)
{
    errand->rc = rc;
    errand_list_put(&errand->cluster->failed, errand);
    timer_arm(errand->cluster->fail, 0);
}

void errands_on_fail(int fd, short what, void *context)
{
    struct redis_cluster *cluster = context;
    struct errand *next;

    (void)fd;
    (void)what;
    for (struct errand *errand = errand_list_take(&cluster->failed); errand; errand = next) {
        next = errand->next;
        errand_end(errand, NULL, errand->rc);
    }
}

void errands_fail_held(struct redis_cluster *cluster, int rc)
{
    struct errand *next;

    for (struct errand *errand = errand_list_take(&cluster->held); errand; errand = next) {
        next = errand->next;
        cluster->held_by_slot[errand->slot]--;
        fail_later(errand, rc);
    }
}

/* Holding ----------------------------------------------------------------------------------- */

/* `value` is why, if a node said so. What fails is told later: this is reached while it is sent. */
static void hold(struct errand *errand, const struct redis_value *value)
{
    struct redis_cluster *cluster = errand->cluster;
    size_t size = errand->request.command.bytes.size;

    if (value) {
        redis_value_free(errand->kept);
        errand->kept = redis_value_copy(value);
    }
    if (cluster->is_closed || cluster->held.size + size > WAITING_SIZE_MAX ||
        cluster->held.count == UINT16_MAX) {
        fail_later(errand, cluster->is_closed ? -ENOTCONN : -ENOBUFS);
        return;
    }
    errand_list_put(&cluster->held, errand);
    cluster->held_by_slot[errand->slot]++;
    if (cluster->held.count == 1) timer_arm(cluster->again, HELD_MS);
}

static void dispatch(struct errand *errand);

void errands_on_again(int fd, short what, void *context)
{
    struct redis_cluster *cluster = context;
    uint64_t now_ns = clock_monotonic_ns();
    struct errand *errand = errand_list_take(&cluster->held), *next;

    (void)fd;
    (void)what;
    for (struct errand *it = errand; it; it = it->next) {
        cluster->held_by_slot[it->slot]--;
    }
    for (; errand; errand = next) {
        next = errand->next;
        if (errand->is_late) {
            errand_end(errand, errand->kept, errand->kept ? 0 : -ENOTCONN);
            continue;
        }
        errand->is_late =
            now_ns >= errand->deadline_ns; /* once more: it may be we who stood still */
        dispatch(errand);
    }
}

/* Answers ----------------------------------------------------------------------------------- */

static void on_aside(struct redis_request *request, const struct redis_value *value, int rc)
{
    (void)value;
    (void)rc; /* what follows it tells */
    redis_command_done(&request->command);
    free(request);
}

/* A command of ours, whose answer nobody waits for. */
static void send_aside(struct cluster_node *node, struct redis_command command)
{
    struct redis_request *request = mem_zalloc(1, sizeof(*request));

    *request = (struct redis_request){ .command = command, .on_answer = on_aside };
    redis_conn_send(node->conn, request);
}

static void load_functions(struct cluster_node *node)
{
    struct redis_command load = redis_command_make("FUNCTION");

    redis_command_add(&load, TEXT("LOAD"));
    redis_command_add(&load, TEXT("REPLACE"));
    redis_command_add(&load, text_of(node->cluster->options.library));
    node->cluster->loads++;
    send_aside(node, load);
}

static void redirect(struct errand *errand, const struct redis_value *value)
{
    if (++errand->redirects <= REDIRECTS_MAX)
        dispatch(errand);
    else
        hold(errand, value);
}

static void take_error(struct errand *errand, const struct redis_value *value)
{
    struct redis_cluster *cluster = errand->cluster;
    struct text error = redis_value_text(value);
    struct redis_place place;
    uint16_t slot;

    switch (redis_redirect_read(error, &errand->node->place, &slot, &place)) {
    case REDIRECT_MOVED:
        cluster_note_moved(cluster, slot, &place);
        errand->is_asking = false;
        redirect(errand, value);
        return;
    case REDIRECT_ASK:
        errand->is_asking = true;
        errand->asked = place;
        redirect(errand, value);
        return;
    case REDIRECT_NONE:
        break;
    }
    if (text_starts_with(error, TEXT("TRYAGAIN")) || text_starts_with(error, TEXT("CLUSTERDOWN"))) {
        hold(errand, value);
    } else if (text_starts_with(error, TEXT("ERR Function not found")) &&
               cluster->options.library && !errand->has_loaded) {
        errand->has_loaded = true;
        load_functions(errand->node);
        dispatch(errand);
    } else {
        errand_end(errand, value, 0);
    }
}

static void on_answer(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct errand *errand = (struct errand *)(void *)request;

    if (rc == -ENOTCONN && !errand->cluster->is_closed)
        hold(errand, NULL); /* it was not sent */
    else if (rc < 0)
        errand_end(errand, NULL, rc);
    else if (redis_value_is_error(value))
        take_error(errand, value);
    else if (errand->is_witnessed && errand->node->replica_count > 0)
        cluster_witness(errand->node, errand, value);
    else
        errand_end(errand, value, 0);
}

/* Sending ----------------------------------------------------------------------------------- */

static void dispatch(struct errand *errand)
{
    struct redis_cluster *cluster = errand->cluster;
    struct cluster_node *node = errand->is_asking ? cluster_node_at(cluster, &errand->asked)
                                                  : cluster_owner(cluster, errand->slot);

    if (cluster->held_by_slot[errand->slot] > 0 || !node || !redis_conn_is_up(node->conn)) {
        hold(errand, NULL);
        return;
    }
    errand->node = node;
    if (errand->is_asking) {
        node->used_ns = clock_monotonic_ns();
        send_aside(node, redis_command_make("ASKING"));
    }
    redis_conn_send(node->conn, &errand->request);
}

static uint16_t slot_of(struct redis_request *request, struct redis_order order)
{
    struct text key;

    if (order.slot >= 0) return (uint16_t)order.slot;
    return redis_command_key(redis_command_bytes(&request->command), &key) ? redis_slot_of(key) : 0;
}

void redis_cluster_send(struct redis_cluster *cluster, struct redis_request *request,
                        struct redis_order order)
{
    struct errand *errand = mem_zalloc(1, sizeof(*errand));

    errand->request = (struct redis_request){ .command = request->command, .on_answer = on_answer };
    errand->outer = request;
    errand->cluster = cluster;
    errand->slot = slot_of(request, order);
    errand->is_witnessed = order.is_witnessed;
    errand->deadline_ns = clock_monotonic_ns() + ms_to_ns(HELD_MS_MAX);
    if (cluster->is_up)
        dispatch(errand);
    else
        fail_later(errand, -ENOTCONN);
}
