/* SPDX-License-Identifier: Apache-2.0 */
/* run.h: what the parts of libstakeout-run.so share: the real functions behind ours, the start of
 * the probe, the names of interfaces, and the calls that are open.
 *
 *     int FCGX_Accept_r(struct fcgi_request *request)
 *     {
 *         int (*next)(struct fcgi_request *) = RUN_NEXT("FCGX_Accept_r");
 *         ...
 *
 * Threads: any. Nothing here blocks, prints or aborts; setting up allocates, requests do not. */
#ifndef STAKEOUT_PROBE_INTEGRATIONS_PRELOAD_RUN_H
#define STAKEOUT_PROBE_INTEGRATIONS_PRELOAD_RUN_H

#include <stakeout/naming.h>

#include <stdbool.h>

/* A function that a program, or its library, finds here first. */
#define RUN_EXPORT __attribute__((visibility("default")))

/* The function of this name that would have been called without us; NULL: it is nowhere. */
#define RUN_NEXT(name) run_next(name, __builtin_return_address(0))
void *run_next(const char *name, const void *caller);

/* Starts the probe, once in a process, with what `stakeout run` was told. */
void run_start(void);

/* The interface of a request. */
stakeout_interface_id run_interface(const char *method, const char *target);

/* A call that is open, known by the address of the host's request or connection. */
struct open_call {
    const void *key; /* NULL: the place is free; run.c alone writes it */
    stakeout_call call;
    int response_code;
    bool is_inside;   /* the host's handler is running; atomic: another thread may answer */
    bool is_answered; /* the end of its response was queued; atomic */
    bool has_state;   /* MHD: the host had put something of its own into the request */
    bool is_suspended;
    /* FastCGI: where its output stream began, and the function that empties it */
    const unsigned char *output_begin;
    void (*empty)(void *stream, int is_closing);
    void *output; /* atomic; NULL: none */
};

/* Begins a call and opens it under a key. NULL: it is no call, or there are too many near it. */
struct open_call *run_open(const void *key, const char *method, const char *target,
                           const char *traceparent);
struct open_call *run_find(const void *key); /* NULL: none */
struct open_call *run_find_output(const void *stream);

/* Ends the call with its response code, if nobody else has by now. */
void run_close(struct open_call *open, const void *key);

#endif
