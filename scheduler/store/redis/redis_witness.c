/* SPDX-License-Identifier: Apache-2.0 */
/* redis_witness.c: answers that wait until a replica has what they are about.
 *
 * WAIT is about all that its connection wrote before, and nothing behind it on the connection is
 * carried out meanwhile. So one WAIT is under way per node, for all that was answered before it was
 * sent; what is answered meanwhile has the next.
 *
 * INVARIANT: something is `unwitnessed` only while a WAIT is under way. Hence a connection that is
 * lost answers all: a WAIT on the next one would know nothing of what was written here. */
#include <errno.h>
#include <stddef.h>

#include "common/base/check.h"
#include "scheduler/store/redis/redis_cluster_private.h"

enum { WAIT_MS = 1000 };

static void end_all(struct errand_list *list, int rc)
{
    struct errand *next;

    for (struct errand *errand = errand_list_take(list); errand; errand = next) {
        next = errand->next;
        errand_end(errand, rc < 0 ? NULL : errand->kept, rc);
    }
}

static void send_wait(struct cluster_node *node);

static void on_wait(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct cluster_node *node =
        (struct cluster_node *)(void *)((char *)request - offsetof(struct cluster_node, wait));
    bool is_confirmed = rc == 0 && redis_value_u64(value) > 0;
    struct errand_list done = node->witnessing;

    redis_command_done(&request->command);
    node->is_waiting = false;
    node->witnessing = (struct errand_list){ 0 };
    if (rc == 0 && node->unwitnessed.count > 0) send_wait(node);
    end_all(&done, rc < 0 ? -ECONNRESET : is_confirmed ? 0 : -ENOLINK);
    if (rc < 0) end_all(&node->unwitnessed, -ECONNRESET);
}

static void send_wait(struct cluster_node *node)
{
    node->is_waiting = true;
    node->witnessing = node->unwitnessed;
    node->unwitnessed = (struct errand_list){ 0 };
    node->wait =
        (struct redis_request){ .command = redis_command_make("WAIT"), .on_answer = on_wait };
    redis_command_add(&node->wait.command, TEXT("1"));
    redis_command_add_u64(&node->wait.command, WAIT_MS);
    redis_conn_send(node->conn, &node->wait);
}

void cluster_witness(struct cluster_node *node, struct errand *errand,
                     const struct redis_value *value)
{
    errand->kept = redis_value_copy(value);
    errand_list_put(&node->unwitnessed, errand);
    if (!node->is_waiting) send_wait(node);
}
