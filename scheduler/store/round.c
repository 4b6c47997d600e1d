/* SPDX-License-Identifier: Apache-2.0 */
/* round.c: one request per command; the last answer ends the round.
 *
 * Answers come in the order of the commands, so what a round sends may build upon itself
 * (SET, then FCALL). A call that met a Redis without our functions is the exception: it is sent
 * again behind a FUNCTION LOAD, once, and both by the store's own connection. */
#include "scheduler/store/round.h"

#include <errno.h>
#include <string.h>

#include "common/base/check.h"
#include "common/model/problem.h"
#include "scheduler/store/redis/redis_conn.h"
#include "scheduler/store/store_private.h"

struct call {
    struct redis_request request; /* first: it is found by its request */
    struct round *round;
    size_t index;
    bool is_second_try;
    struct call *next;
};

struct round {
    struct store *store;
    round_answer_fn on_answer;
    round_done_fn on_done;
    void *my;
    struct call *first, **last;
    size_t count, open;
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

static void round_end(void *context)
{
    struct round *round = context;
    struct call *call = round->first;

    round->on_done(round->my, round->has_problem ? &round->problem : NULL);
    while (call) {
        struct call *next = call->next;
        redis_command_done(&call->request.command);
        free(call);
        call = next;
    }
    free(round);
}

static void round_blame(struct round *round, const struct problem *problem)
{
    if (round->has_problem) return;
    round->has_problem = true;
    round->problem = *problem;
}

static void on_answer(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct call *call = (struct call *)(void *)request;
    struct round *round = call->round;
    struct problem problem;

    if (redis_value_is_error(value) && !call->is_second_try &&
        text_starts_with(redis_value_text(value), TEXT("ERR Function not found"))) {
        call->is_second_try = true;
        store_load_functions(round->store);
        redis_conn_send(round->store->conn, request);
        return;
    }
    if (store_judge(round->store, value, rc, &problem) < 0 && (rc < 0 || !round->is_tolerant)) {
        round_blame(round, &problem);
    } else {
        round->on_answer(round->my, call->index, value);
    }
    if (--round->open == 0) round_end(round);
}

struct redis_command *round_add(struct round *round, const char *name)
{
    struct call *call = mem_zalloc(1, sizeof(*call));

    call->round = round;
    call->index = round->count++;
    call->request.command = redis_command_make(name);
    call->request.on_answer = on_answer;
    *round->last = call;
    round->last = &call->next;
    return &call->request.command;
}

void round_send_by(struct round *round, struct redis_conn *conn)
{
    round->open = round->count;
    if (round->count == 0) {
        store_defer(round->store, round_end, round);
        return;
    }
    /* The last answer frees the round, but never before redis_conn_send() returned. */
    for (struct call *call = round->first; call; call = call->next) {
        redis_conn_send(conn, &call->request);
    }
}

void round_send(struct round *round)
{
    round_send_by(round, round->store->conn);
}
