/* SPDX-License-Identifier: Apache-2.0 */
/* bounds_host.c: a host that has as much of everything as it is told: calls in flight, threads,
 * interfaces, calls within calls.
 *
 *     start                   "start RC"
 *     calls N                 begins so many calls, none of them on a thread; "kept K": how many
 *                             of them the probe watches
 *     swap                    ends one of them that is watched, and begins another; "kept K"
 *     end-calls               ends them all, watched or not, each twice; "ended"
 *     threads N               so many threads that are each within a call; "kept K"
 *     end-threads             they end their calls and themselves; "ended"
 *     interfaces N            registers so many names that differ, and makes a call of the last;
 *                             "last ID"
 *     nest N                  calls within calls, all ended again; "kept K" */
#include "tests/integration/probe/host_commands.h"

#include <stakeout/stakeout.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 20000, THREADS = 5000, NESTED = 64, THREAD_STACK_SIZE = 64 * 1024 };

static stakeout_call calls[CALLS];
static long call_count, thread_count;
static pthread_t threads[THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long begun_count, kept_count; /* with the lock, like the next */
static bool is_over;

static bool is_watched(stakeout_call call)
{
    return call.opaque[0] != 0;
}

/* Everything that may be done with a call must be harmless with one that is not watched. */
static void use(stakeout_call call)
{
    char trace[33];

    stakeout_call_trace_id(call, trace);
    stakeout_call_detach(call, "its turn");
    stakeout_call_attach(call);
}

static void do_start(const char *arguments)
{
    (void)arguments;
    host_say("start %d", stakeout_start(NULL));
}

static void do_calls(const char *arguments)
{
    stakeout_interface_id interface = stakeout_interface("many calls");
    long kept = 0;

    call_count = strtol(arguments, NULL, 10);
    if (call_count > CALLS) abort();
    for (long i = 0; i < call_count; i++) {
        calls[i] = stakeout_call_begin(interface);
        if (is_watched(calls[i])) kept++;
        use(calls[i]);
        stakeout_call_detach(calls[i], "its turn");
    }
    host_say("kept %ld", kept);
}

static void do_swap(const char *arguments)
{
    (void)arguments;
    stakeout_call_end(calls[0], 200);
    calls[0] = stakeout_call_begin(stakeout_interface("many calls"));
    host_say("kept %d", is_watched(calls[0]));
}

static void do_end_calls(const char *arguments)
{
    (void)arguments;
    for (long i = 0; i < call_count; i++) {
        stakeout_call_end(calls[i], 200);
        stakeout_call_end(calls[i], 200);
    }
    host_say("ended");
}

static void *be_within_a_call(void *context)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface("many threads"));

    use(call);
    pthread_mutex_lock(&lock);
    if (is_watched(call)) kept_count++;
    if (++begun_count == thread_count) pthread_cond_broadcast(&changed);
    while (!is_over) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    stakeout_call_end(call, 200);
    return context;
}

static void do_threads(const char *arguments)
{
    pthread_attr_t attributes;

    thread_count = strtol(arguments, NULL, 10);
    is_over = false;
    begun_count = kept_count = 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
    for (long i = 0; i < thread_count; i++) {
        if (pthread_create(&threads[i], &attributes, be_within_a_call, NULL) != 0) abort();
    }
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&lock);
    while (begun_count < thread_count) {
        pthread_cond_wait(&changed, &lock);
    }
    host_say("kept %ld", kept_count);
    pthread_mutex_unlock(&lock);
}

static void do_end_threads(const char *arguments)
{
    (void)arguments;
    pthread_mutex_lock(&lock);
    is_over = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (long i = 0; i < thread_count; i++) {
        pthread_join(threads[i], NULL);
    }
    host_say("ended");
}

static void do_interfaces(const char *arguments)
{
    long count = strtol(arguments, NULL, 10);
    stakeout_interface_id last = 0;
    char name[32];

    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "GET /raw/%ld", i);
        last = stakeout_interface(name);
    }
    stakeout_call_end(stakeout_call_begin(last), 200);
    host_say("last %u", last);
}

static void do_nest(const char *arguments)
{
    stakeout_interface_id interface = stakeout_interface("calls within calls");
    long count = strtol(arguments, NULL, 10), kept = 0;
    stakeout_call nested[NESTED];

    for (long i = 0; i < count && i < NESTED; i++) {
        nested[i] = stakeout_call_begin(interface);
        if (is_watched(nested[i])) kept++;
    }
    for (long i = count; i-- > 0;) {
        stakeout_call_end(nested[i], 200);
    }
    host_say("kept %ld", kept);
}

/* clang-format off */
static const struct host_command commands[] = {
    { "start", do_start },
    { "calls", do_calls },
    { "swap", do_swap },
    { "end-calls", do_end_calls },
    { "threads", do_threads },
    { "end-threads", do_end_threads },
    { "interfaces", do_interfaces },
    { "nest", do_nest },
};
/* clang-format on */

int main(void)
{
    return host_serve(commands, sizeof commands / sizeof *commands);
}
