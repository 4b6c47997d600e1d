/* SPDX-License-Identifier: Apache-2.0 */
/* load.h: keeps a server of HTTP busy: clients that ask for something fast as often as they are
 * answered, and clients that always wait for something slow.
 *
 *     struct load_options options = { .port = port, .fast = "/item/1", .slow = "/shipping/7",
 *                                     .fast_count = 16, .slow_count = 8 };
 *     struct load *load = load_start(&options);          the slow ones begin
 *     load_let(load, true);                              the fast ones, too, until false
 *     load_answers(load)                                 to the fast ones, since the start
 *     load_stop(load);
 *
 * Each client has a thread, and a connection that is kept: the fast ones until they are stopped,
 * because it is chance which connections a server's thread has. What is not answered as HTTP ends
 * the program. */
#ifndef STAKEOUT_TESTS_BENCH_SYSTEM_LOAD_H
#define STAKEOUT_TESTS_BENCH_SYSTEM_LOAD_H

#include <stdbool.h>
#include <stdint.h>

enum { LOAD_CLIENTS_MAX = 64 };

struct load;

struct load_options {
    uint16_t port;
    const char *fast, *slow; /* paths, for GET */
    uint32_t fast_count, slow_count;
    uint32_t slow_apart_ms; /* between the first questions of the slow ones */
};

struct load *load_start(const struct load_options *options);
void load_let(struct load *load, bool is_on);
uint64_t load_answers(struct load *load);

/* Waits for the answers that are due, and frees it. */
void load_stop(struct load *load);

#endif
