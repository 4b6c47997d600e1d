/* SPDX-License-Identifier: Apache-2.0 */
/* scene.h: a scripted scheduler and a host with the probe in it, and what tests wait for.
 *
 *     static void a_claim(void **state)
 *     {
 *         struct scene *scene = *state;
 *         scene_start_watching(scene, NULL);                      GET /slow, from 50 ms on
 *         scene_ask(scene, "call GET /slow 200", "called");
 *         scene_await_count(scene, "report", 1);
 *     }
 *     SCENE_CLAIM(a_claim)                                        in the table of tests
 *
 * A wait that ends in vain fails the test, naming what did not come. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_SCENE_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_SCENE_H

#include "common/base/clock.h"
#include "common/model/problem.h"
#include "common/model/task_event.h"
#include "common/model/task_spec.h"
#include "tests/integration/probe/host_process.h"
#include "tests/support/fake_scheduler.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#define SCENE_TASK   "0123456789abcdef0123"
#define SCENE_SECRET "so_0123456789abcdef"

/* Threads of a host that has none beside its main one: a sanitizer may have its own. */
#ifdef __SANITIZE_THREAD__
enum { SCENE_HOST_THREADS = 2 };
#else
enum { SCENE_HOST_THREADS = 1 };
#endif

enum {
    SCENE_AGENT_THREADS = 4, /* link, poll, sampler, and the one that builds unwind tables */
    SOON_MS = 20000,
};

struct scene {
    struct fake_scheduler *fake;
    struct host_process *host;
    uint16_t port;
    char server[64];
    char log[64];        /* a file; "": none was wanted */
    const char *program; /* NULL: scene_program */
    const char *name;    /* of the server's host; NULL: 127.0.0.1 */
};

extern const char *scene_program; /* host.c; set by main() */

/* The task of all scenes: GET /slow, from 50 ms on, every 10 ms. */
extern const struct wire_poll_task scene_slow_task;

int scene_setup(void **state); /* the scheduler runs, the host does not */
int scene_teardown(void **state);
#define SCENE_CLAIM(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

void scene_stop_fake(struct scene *scene);
void scene_start_fake(struct scene *scene); /* on the port that it had */

/* `more`: one further "NAME=VALUE", or NULL. */
void scene_start_host(struct scene *scene, const char *more);
int scene_end_host(struct scene *scene); /* its exit code */

/* Fails if the host answers anything else. */
void scene_ask(struct scene *scene, const char *command, const char *answer);

/* Orders the task under another version. */
void scene_watch(struct scene *scene, const char *version);

/* Starts host and probe, and waits until it watches. */
void scene_start_watching(struct scene *scene, const char *more);

/* The host that is started next says to a file what its probe says, until the teardown. */
void scene_want_log(struct scene *scene);
void scene_await_log(struct scene *scene, const char *words);

void scene_await_count(struct scene *scene, const char *kind, uint32_t count);
void scene_await_event(struct scene *scene, uint32_t event);

/* The first pulse of which `is_wanted` holds, without its lists, which live only while it asks. */
struct wire_pulse scene_await_pulse(struct scene *scene,
                                    bool (*is_wanted)(const struct wire_pulse *, uint64_t),
                                    uint64_t argument);
bool pulse_is_any(const struct wire_pulse *pulse, uint64_t argument);
bool pulse_is_last_of(const struct wire_pulse *pulse, uint64_t pid);
bool pulse_has_interface(const struct wire_pulse *pulse, const char *name, uint64_t count);
bool pulse_counts_fast_calls(const struct wire_pulse *pulse, uint64_t count);
bool pulse_has_sampled(const struct wire_pulse *pulse, uint64_t count); /* and nothing pends */

#endif
