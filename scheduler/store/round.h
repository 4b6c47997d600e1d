/* SPDX-License-Identifier: Apache-2.0 */
/* round.h: commands sent together, their answers seen one by one, their end once.
 *
 *     struct round *round = round_new(store, on_answer, on_done, my);
 *     redis_command_add(round_add(round, "GET"), key);
 *     round_send(round);
 *
 * on_answer(my, index, value) comes for each command that Redis did not refuse, in their order
 * (also where several masters answered);
 * then on_done(my, problem), once, also for a round without commands. `problem` is NULL, or the
 * first refusal or failure in words (PROBLEM_STORE_DOWN, _STORE_FULL, _BUSY, _INTERNAL). The
 * round frees itself after on_done. A function that Redis does not know is loaded, and called
 * once more.
 *
 * To a single Redis all goes out at once, in its order. To a Cluster a command goes where its key
 * is, and those of different slots are carried out in any order; hence round_then(). What must
 * be decided at once is one function's, and never a round's. */
#ifndef STAKEOUT_SCHEDULER_STORE_ROUND_H
#define STAKEOUT_SCHEDULER_STORE_ROUND_H

#include <stddef.h>

struct problem;
struct redis_command;
struct redis_conn;
struct redis_value;
struct round;
struct store;

typedef void (*round_answer_fn)(void *my, size_t index, const struct redis_value *value);
typedef void (*round_done_fn)(void *my, const struct problem *problem);

struct round *round_new(struct store *store, round_answer_fn on_answer, round_done_fn on_done,
                        void *my);
/* Begins another command. The pointer is good until the next call of this function. */
struct redis_command *round_add(struct round *round, const char *name);
/* The same, to the master that has this slot: for what has no key, and is asked of each. */
struct redis_command *round_add_at(struct round *round, const char *name, int slot);
/* What is added from here on needs what was added before. In a Cluster it is sent when that was
 * answered, and not at all if some of it failed. */
void round_then(struct round *round);
/* What is added from here on is answered, by a Cluster, when a replica has it, if there is one. */
void round_witness(struct round *round);
/* Refusals by Redis do not count as a problem of the round (on_answer is given them instead). */
void round_tolerate(struct round *round);
/* The same for one command, which this begins. */
struct redis_command *round_add_tolerated(struct round *round, const char *name);
/* By another connection than the store's own. */
void round_send_by(struct round *round, struct redis_conn *conn);
/* The same as one transaction, if Redis lets us, so that it is executed, and synced, at once; else
 * one command after the other. For a connection to one Redis. */
void round_send_together(struct round *round, struct redis_conn *conn);
void round_send(struct round *round);

#endif
