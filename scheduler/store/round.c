/* SPDX-License-Identifier: Apache-2.0 */
/* round.c: one request per command; the last answer ends the round.
 *
 * Answers are told in the order of the commands; one that comes earlier, from another master of a
 * Cluster, is kept until then. A call that met a single Redis without our functions is sent again
 * behind a FUNCTION LOAD, once, and both by the store's own connection; in a Cluster redis_errand.c
 * does that, at the master that said so.
 *
 * A round that is sent together stands between MULTI and EXEC. What Redis has queued is answered by
 * a part of EXEC's answer, or by its failure; what it has not queued, because it refused the MULTI,
 * has its own answer, as without. EXEC is the last to be answered, and ends the round.
 *
 * INVARIANT: `due` is the first call that was not told; what is before `unsent` was sent. */
#include "scheduler/store/round.h"

#include <errno.h>
#include <string.h>

#include "common/base/check.h"
#include "common/model/problem.h"
#include "scheduler/store/redis/redis_conn.h"
#include "scheduler/store/redis/redis_queue.h"
#include "scheduler/store/store_private.h"
#include "scheduler/store/store_route.h"

struct call {
    struct redis_request request; /* first: it is found by its request */
    struct round *round;
    size_t index;
    struct redis_order order;
    bool is_behind; /* needs what was added before it */
    bool is_second_try, is_answered;
    bool is_queued;           /* by MULTI */
    bool is_tolerant;         /* also if its round is not */
    struct redis_value *kept; /* its answer, if that came before an earlier one's; owned */
    int rc;
    struct call *next;
};

struct round {
    struct store *store;
    round_answer_fn on_answer;
    round_done_fn on_done;
    void *my;
    struct call *first, **last, *due, *unsent;
    struct call *multi, *exec; /* of a round that is sent together */
    bool is_exec_open;
    size_t count;
    bool then, is_witnessed; /* of what is added next */
    bool is_tolerant, has_problem;
    struct problem problem;
};

struct round *round_new(struct store *store, round_answer_fn on_answer, round_done_fn on_done,
                        void *my)
{
    struct round *round = mem_zalloc(1, sizeof(*round));

    round->store = store;
    round->on_answer = on_answer;
    round->on_done = on_done;
    round->my = my;
    round->last = &round->first;
    return round;
}

void round_tolerate(struct round *round)
{
    round->is_tolerant = true;
}

static void call_free(struct call *call)
{
    if (!call) return;
    redis_command_done(&call->request.command);
    redis_value_free(call->kept);
    free(call);
}

static void round_end(void *context)
{
    struct round *round = context;
    struct call *call = round->first;

    round->on_done(round->my, round->has_problem ? &round->problem : NULL);
    while (call) {
        struct call *next = call->next;
        call_free(call);
        call = next;
    }
    call_free(round->multi);
    call_free(round->exec);
    free(round);
}

static void round_blame(struct round *round, const struct problem *problem)
{
    if (round->has_problem) return;
    round->has_problem = true;
    round->problem = *problem;
}

static void tell(struct call *call, const struct redis_value *value, int rc)
{
    struct round *round = call->round;
    struct problem problem;

    if (store_judge(round->store, value, rc, &problem) < 0 &&
        (rc < 0 || !(round->is_tolerant || call->is_tolerant))) {
        round_blame(round, &problem);
    } else {
        round->on_answer(round->my, call->index, value);
    }
    round->due = call->next;
}

/* A group: up to the next command that needs what was before it. */
static void send_group(struct round *round)
{
    struct store *store = round->store;
    struct call *call = round->unsent;

    do {
        struct call *next = call->next;

        round->unsent = next;
        store_route_send(store, &call->request, call->order);
        call = next;
    } while (call && !(call->is_behind && store->cluster));
}

static bool is_library_missing(const struct call *call, const struct redis_value *value)
{
    if (call->is_second_try || call->round->store->cluster) return false;
    return redis_value_is_error(value) &&
           text_starts_with(redis_value_text(value), TEXT("ERR Function not found"));
}

static void on_answer(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct call *call = (struct call *)(void *)request;
    struct round *round = call->round;

    if (round->exec && !call->is_queued && text_is_equal(redis_value_text(value), TEXT("QUEUED"))) {
        call->is_queued = true;
        return;
    }
    if (is_library_missing(call, value)) {
        call->is_second_try = true;
        store_load_functions(round->store, REDIS_SLOT_OF_KEY);
        store_route_send(round->store, request, call->order);
        return;
    }
    call->is_answered = true;
    if (call != round->due) {
        call->kept = redis_value_copy(value);
        call->rc = rc;
        return;
    }
    tell(call, value, rc);
    while (round->due != round->unsent && round->due->is_answered) {
        tell(round->due, round->due->kept, round->due->rc);
    }
    if (round->due != round->unsent || round->is_exec_open) return;
    if (round->due && !round->has_problem)
        send_group(round);
    else
        round_end(round);
}

/* Of MULTI: a refusal changes nothing. */
static void on_multi(struct redis_request *request, const struct redis_value *value, int rc)
{
    (void)request;
    (void)value;
    (void)rc;
}

static struct call *next_queued(struct call *call)
{
    while (call && !call->is_queued) {
        call = call->next;
    }
    return call;
}

static void on_exec(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct round *round = ((struct call *)(void *)request)->round;
    struct call *call = next_queued(round->first);
    bool is_done = redis_value_count(value) > 0;
    size_t at = 0;

    round->is_exec_open = false;
    if (!call && !round->due) {
        round_end(round);
        return;
    }
    /* The last one may end the round. */
    while (call) {
        struct call *next = next_queued(call->next);

        on_answer(&call->request, is_done ? redis_value_at(value, at++) : value, rc);
        call = next;
    }
}

static struct call *call_new(struct round *round, const char *name, redis_answer_fn on_its_answer)
{
    struct call *call = mem_zalloc(1, sizeof(*call));

    call->round = round;
    call->request.command = redis_command_make(name);
    call->request.on_answer = on_its_answer;
    return call;
}

struct redis_command *round_add_at(struct round *round, const char *name, int slot)
{
    struct call *call = call_new(round, name, on_answer);

    call->index = round->count++;
    call->order = (struct redis_order){ slot, round->is_witnessed };
    call->is_behind = round->then;
    round->then = false;
    *round->last = call;
    round->last = &call->next;
    return &call->request.command;
}

struct redis_command *round_add(struct round *round, const char *name)
{
    return round_add_at(round, name, REDIS_SLOT_OF_KEY);
}

void round_then(struct round *round)
{
    round->then = true;
}

void round_witness(struct round *round)
{
    round->is_witnessed = true;
}

/* The last answer frees the round, but never before what sends returned. */
void round_send_by(struct round *round, struct redis_conn *conn)
{
    struct call *call = round->first, *next;

    round->due = call;
    if (!call) store_defer(round->store, round_end, round);
    for (; call; call = next) {
        next = call->next;
        redis_conn_send(conn, &call->request);
    }
}

struct redis_command *round_add_tolerated(struct round *round, const char *name)
{
    struct call **last = round->last;
    struct redis_command *command = round_add(round, name);

    (*last)->is_tolerant = true;
    return command;
}

/* Is there surely room for the whole round? Without its end the connection would be of no use. */
static bool has_room(const struct redis_conn *conn)
{
    struct redis_conn_figures figures;

    redis_conn_read_figures(conn, &figures);
    return figures.queued_size < WAITING_SIZE_MAX / 2 &&
           figures.queued_count < WAITING_COUNT_MAX / 2;
}

void round_send_together(struct round *round, struct redis_conn *conn)
{
    CHECK(round->first);
    if (!has_room(conn)) {
        round_send_by(round, conn);
        return;
    }
    round->multi = call_new(round, "MULTI", on_multi);
    round->exec = call_new(round, "EXEC", on_exec);
    round->is_exec_open = true;
    redis_conn_send(conn, &round->multi->request);
    round_send_by(round, conn);
    redis_conn_send(conn, &round->exec->request);
}

void round_send(struct round *round)
{
    round->due = round->unsent = round->first;
    if (round->first)
        send_group(round);
    else
        store_defer(round->store, round_end, round);
}
