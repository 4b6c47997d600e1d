/* SPDX-License-Identifier: Apache-2.0 */
/* census_scene.h: one census, the test's own clock, and processes that count and say so.
 *
 *     struct process process = new_process();
 *
 *     process_calls(&process, 5 * NS_PER_MS, 10);
 *     pulse_of(&process, "a");
 *     assert_int_equal(count_of("a"), 10);
 *
 * All processes are of the application "shop". */
#ifndef STAKEOUT_TESTS_UNIT_SCHEDULER_LIVE_CENSUS_SCENE_H
#define STAKEOUT_TESTS_UNIT_SCHEDULER_LIVE_CENSUS_SCENE_H

#include "scheduler/live/census.h"

#define IN_CENSUS(test) cmocka_unit_test_setup_teardown(test, open_census, close_census)

extern struct census *census;
extern uint64_t now_ns; /* the test's clock */

int open_census(void **state);
int close_census(void **state);

struct process {
    uint64_t incarnation, sequence, uptime_ns, cpu_ns;
    const char *instance;   /* NULL: "host:1" */
    struct histogram total; /* since it began, of its one interface */
};

struct process new_process(void);

/* It ran `count` calls that took `ns` each. */
void process_calls(struct process *process, uint64_t ns, uint64_t count);

/* Says what it counts, as of this interface (NULL: of none): anew, or with the sequence it has. */
void pulse_of(struct process *process, const char *interface);
void send_pulse(const struct process *process, const char *interface, bool is_last);

/* As "host:1", whose clock is ahead by so much. True if it was not known, or gone. */
bool poll_as(uint64_t incarnation, int64_t offset_ns);

/* What the census says of an interface; its calls of the last 15 minutes. */
struct census_interface interface_of(const char *name);
uint64_t count_of(const char *name);

/* A census_gone_fn that counts those that are gone in a size_t. */
void on_gone(void *context, struct text application, const struct census_instance *instance);

#endif
