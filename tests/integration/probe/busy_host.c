/* SPDX-License-Identifier: Apache-2.0 */
/* busy_host.c: a host whose threads begin, end, nest, detach and attach calls without a pause.
 *
 *     workers N          that many threads do so from now on; "working"
 *     quiet              they end, and every call with them; "quiet", or what was wrong
 *     start, stop        "start RC", "stopped"
 *     restart N          N times stop and start, each with a call that is in flight meanwhile;
 *                        "restarted", or "refused RC"
 *     call NAME MS       a call that waits; "called"
 *     no-unshare         from now on unshare(2) is refused; "refused"
 *
 * What is checked inside is that an interface keeps its id, whatever the probe does. */
#include "tests/integration/probe/host_commands.h"
#include "tests/integration/probe/refusal.h"

#include <stakeout/stakeout.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum {
    WORKERS_MAX = 16,
    NAMES = 8,
    SLOW_EVERY = 20000, /* of a worker's turns, one is slow: past the tests' threshold of 50 ms */
    SLOW_MS = 60,
    START_TRIES = 10000, /* of 1 ms: a stop that gave up leaves threads that end a little later */
};

static pthread_t workers[WORKERS_MAX];
static long worker_count;
static _Atomic bool is_over;
static stakeout_interface_id ids[NAMES];
static _Atomic unsigned wrong_ids, wrong_traces;

/* A call that one worker detached and another will attach and end. */
static pthread_mutex_t shelf_lock = PTHREAD_MUTEX_INITIALIZER;
static stakeout_call shelf;

static const char *name_of(unsigned number, char *ret, size_t size)
{
    snprintf(ret, size, "GET /busy/%u", number % NAMES);
    return ret;
}

static stakeout_call shelf_exchange(stakeout_call call)
{
    stakeout_call before;

    pthread_mutex_lock(&shelf_lock);
    before = shelf;
    shelf = call;
    pthread_mutex_unlock(&shelf_lock);
    return before;
}

static void nest(unsigned turn)
{
    stakeout_call outer = stakeout_call_begin(ids[turn % NAMES]);
    stakeout_call inner = stakeout_call_begin_traced(
        ids[(turn + 1) % NAMES], "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    char trace[33];

    if (stakeout_call_trace_id(inner, trace) == 0 &&
        strcmp(trace, "4bf92f3577b34da6a3ce929d0e0e4736") != 0)
        atomic_fetch_add(&wrong_traces, 1);
    if (turn % 3 != 0) stakeout_call_end(inner, 200); /* else it is forgotten */
    stakeout_call_end(outer, 200);
}

static void hand_over(unsigned turn)
{
    stakeout_call call = stakeout_call_begin(ids[turn % NAMES]);

    stakeout_call_detach(call, "a shelf");
    call = shelf_exchange(call);
    if (turn % 2 == 0) stakeout_call_attach(call);
    stakeout_call_end(call, 200);
}

static void be_slow(void)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface("GET /slow"));

    host_wait_ms(SLOW_MS);
    stakeout_call_end(call, 503);
}

static void look_up(unsigned turn)
{
    char name[32];

    if (stakeout_interface(name_of(turn, name, sizeof name)) != ids[turn % NAMES])
        atomic_fetch_add(&wrong_ids, 1);
}

static void *work(void *context)
{
    static void (*const turns[])(unsigned) = { nest, hand_over, look_up };
    unsigned turn = (unsigned)(uintptr_t)context;

    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        turn++;
        turns[turn % 3](turn / 3);
        if (turn % SLOW_EVERY == 0) be_slow();
    }
    return NULL;
}

static void do_workers(const char *arguments)
{
    char name[32];

    for (unsigned i = 0; i < NAMES; i++) {
        ids[i] = stakeout_interface(name_of(i, name, sizeof name));
    }
    worker_count = strtol(arguments, NULL, 10);
    for (long i = 0; i < worker_count; i++) {
        if (pthread_create(&workers[i], NULL, work, (void *)(uintptr_t)(i * 7)) != 0) abort();
    }
    host_say("working");
}

static void do_quiet(const char *arguments)
{
    (void)arguments;
    atomic_store(&is_over, true);
    for (long i = 0; i < worker_count; i++) {
        pthread_join(workers[i], NULL);
    }
    stakeout_call_end(shelf_exchange((stakeout_call){ { 0, 0 } }), 200);
    if (wrong_ids == 0 && wrong_traces == 0) {
        host_say("quiet");
    } else {
        host_say("%u wrong ids, %u wrong trace ids", wrong_ids, wrong_traces);
    }
}

/* A stop that gave up on its threads has the next start wait for them. */
static int start(void)
{
    int rc = stakeout_start(NULL);

    for (int i = 0; rc == -EAGAIN && i < START_TRIES; i++) {
        host_wait_ms(1);
        rc = stakeout_start(NULL);
    }
    return rc;
}

static void do_start(const char *arguments)
{
    (void)arguments;
    host_say("start %d", start());
}

static void do_stop(const char *arguments)
{
    (void)arguments;
    stakeout_stop();
    host_say("stopped");
}

static void do_restart(const char *arguments)
{
    long count = strtol(arguments, NULL, 10);

    for (long i = 0; i < count; i++) {
        stakeout_call over_stop = stakeout_call_begin(ids[0]), over_start;
        int rc;

        stakeout_stop();
        over_start = stakeout_call_begin(ids[1]);
        rc = start();
        stakeout_call_end(over_start, 200);
        stakeout_call_end(over_stop, 200);
        if (rc < 0) {
            host_say("refused %d", rc);
            return;
        }
    }
    host_say("restarted");
}

static void do_call(const char *arguments)
{
    const char *ms = strrchr(arguments, ' ');
    stakeout_call call;
    char name[64];

    snprintf(name, sizeof name, "%.*s", (int)(ms ? ms - arguments : 0), arguments);
    call = stakeout_call_begin(stakeout_interface(name));
    host_wait_ms(ms ? strtol(ms, NULL, 10) : 0);
    stakeout_call_end(call, 200);
    host_say("called");
}

static void do_no_unshare(const char *arguments)
{
    (void)arguments;
    refuse_calls(SYS_unshare, SYS_unshare, EPERM);
    host_say("refused");
}

/* clang-format off */
static const struct host_command commands[] = {
    { "workers", do_workers },
    { "quiet", do_quiet },
    { "start", do_start },
    { "stop", do_stop },
    { "restart", do_restart },
    { "call", do_call },
    { "no-unshare", do_no_unshare },
};
/* clang-format on */

int main(void)
{
    return host_serve(commands, sizeof commands / sizeof *commands);
}
