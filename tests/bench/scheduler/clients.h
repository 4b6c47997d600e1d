/* SPDX-License-Identifier: Apache-2.0 */
/* clients.h: many kept-alive HTTP connections to a server on loopback, from one thread.
 *
 *     struct clients clients;
 *     clients_open(&clients, port, 64);
 *     clients_run(&clients, request, 4000);         each sends, waits for its answer, sends again
 *     clients_send(&clients, i, request);  ...  clients_await(&clients, count);     by hand
 *     clients_close(&clients);
 *
 * An answer that is not 200, or does not come, ends the bench. */
#ifndef STAKEOUT_TESTS_BENCH_SCHEDULER_CLIENTS_H
#define STAKEOUT_TESTS_BENCH_SCHEDULER_CLIENTS_H

#include "common/base/text.h"

#include <stddef.h>
#include <stdint.h>

struct clients {
    int poll_fd;
    size_t count;
    struct client *each;
    size_t answers; /* since it was opened */
};

void clients_open(struct clients *clients, uint16_t port, size_t count);
void clients_close(struct clients *clients);

void clients_send(struct clients *clients, size_t index, struct text request);
void clients_await(struct clients *clients, size_t answers); /* that so many more came */
void clients_run(struct clients *clients, struct text request, size_t requests);
/* The same with requests that differ: `next` gives each when it is sent. */
typedef void (*clients_next_fn)(void *context, struct text *ret);
void clients_run_each(struct clients *clients, clients_next_fn next, void *context,
                      size_t requests);

#endif
