/* SPDX-License-Identifier: Apache-2.0 */
/* stakeout.h: catches slow calls in the act. This is all that an application needs to see.
 *
 *     stakeout_start(NULL);                                    once, in main()
 *
 *     static stakeout_interface_id checkout;
 *     checkout = stakeout_interface("POST /checkout");         once per interface
 *
 *     stakeout_call call = stakeout_call_begin(checkout);      around each call
 *     ... the call ...
 *     stakeout_call_end(call, 200);
 *
 * Link with `pkg-config --cflags --libs stakeout`, or with find_package(stakeout) and
 * stakeout::probe. Built with -DSTAKEOUT_OFF, everything here is an inline nothing.
 *
 * The probe never blocks, allocates, prints or fails on the application's threads. All functions
 * but start and stop may be called at any time, before start and after stop, from any thread,
 * and cost next to nothing then. None may be called from a signal handler.
 *
 * Stable: names and shapes here do not change; struct stakeout_options may grow at its end. */
#ifndef STAKEOUT_STAKEOUT_H
#define STAKEOUT_STAKEOUT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An interface of the application, for the life of the process. 0: none. */
typedef uint32_t stakeout_interface_id;

/* One call in flight. Copied freely; all zero: an unwatched call. */
typedef struct {
    uint64_t opaque[2];
} stakeout_call;

/* Zero or NULL in a field: the environment's variable, then the default. By the environment
 * alone: STAKEOUT_ENGINE, how stacks of running threads are had: "signal" (the default), "perf" or
 * "auto". */
struct stakeout_options {
    size_t size;             /* sizeof(struct stakeout_options): lets the struct grow */
    const char *application; /* STAKEOUT_APPLICATION; default: the program's name */
    const char *server;      /* STAKEOUT_SERVER; default: http://127.0.0.1:7411 */
    const char *token;       /* STAKEOUT_TOKEN */
    const char *instance;    /* STAKEOUT_INSTANCE; default: host name ":" pid */
    int signal_number;       /* STAKEOUT_SIGNAL; default: SIGURG */
    int statistics_off;      /* STAKEOUT_STATISTICS=off; default: statistics are on */

    /* What the probe may cost, in percent: of one core for watching and looking, of any one
     * thread's time for pauses. Looks get rarer rather than pass it. Below 0: no bound. An operator
     * may set others for the application. STAKEOUT_BUDGET_CORE, STAKEOUT_BUDGET_THREAD (there 0 or
     * "off" is no bound); default: 1 and 0.5 */
    double budget_core_percent;
    double budget_thread_percent;

    /* For https, files in PEM form: who may sign the server's certificate (default: who the system
     * trusts), and what is shown to a server that asks. STAKEOUT_CA, STAKEOUT_CERT, STAKEOUT_KEY */
    const char *ca;
    const char *certificate; /* default: none */
    const char *key;         /* default: in the certificate's file */
};

#ifndef STAKEOUT_OFF

/* noplt: a call goes straight to the function. The detour over the PLT costs as much as a begin and
 * an end that nobody wants. */
#if defined(__has_attribute)
#if __has_attribute(noplt)
#define STAKEOUT_API __attribute__((visibility("default"), noplt))
#endif
#endif
#if !defined(STAKEOUT_API) && defined(__GNUC__)
#define STAKEOUT_API __attribute__((visibility("default")))
#elif !defined(STAKEOUT_API)
#define STAKEOUT_API
#endif

/* Starts the probe: its threads, its memory (8 MB), its link to the scheduler, which need not be
 * there yet. With STAKEOUT=off in the environment it does nothing and returns 0.
 *
 * options  copied; NULL: all defaults.
 * Returns  0; -EALREADY if it runs; -EINVAL for an option that is not acceptable; -ENOMEM or
 *          -EAGAIN if memory or threads cannot be had; -EPERM if a seccomp filter would kill us,
 *          -EOPNOTSUPP if that cannot be tried. The application runs on in any case.
 *
 * Threads: any, one at a time. After fork: the child needs no call; its agent starts at the
 * first begin. */
STAKEOUT_API int stakeout_start(const struct stakeout_options *options);

/* Reports what is finished, for at most a second, and stops the probe's threads. The probe may
 * be started again. exit() does the same by itself. Threads: any, one at a time. */
STAKEOUT_API void stakeout_stop(void);

/* Registers an interface, once: the same name gives the same id.
 *
 * name     1 to 512 bytes of printable UTF-8 without '*'; copied. Use patterns such as
 *          "GET /item/{id}": there are 4096 interfaces, then all others are "(other)".
 * Returns  its id; 0 if the name is not acceptable.
 *
 * Threads: any, without a lock. Keep the id: looking it up for each call costs a hash of the name.
 */
STAKEOUT_API stakeout_interface_id stakeout_interface(const char *name);

/* Marks the begin of a call of an interface: a request, a query, a job.
 *
 * Costs a read of the time-stamp counter and a few plain stores. Never blocks, allocates or
 * fails: where no record is free (16384 calls in flight, 8 deep per thread) the call runs
 * unwatched and is counted so.
 *
 * Returns  a token for stakeout_call_end(). Calls of one thread nest like brackets.
 *
 * Threads: any. After fork: safe; the child starts with no calls in flight. */
STAKEOUT_API stakeout_call stakeout_call_begin(stakeout_interface_id interface_id);

/* The same, with the caller's W3C `traceparent` header, which is copied; NULL or malformed: as
 * without, and a trace ID is made if the call turns slow. */
STAKEOUT_API stakeout_call stakeout_call_begin_traced(stakeout_interface_id interface_id,
                                                      const char *traceparent);

/* Marks the end of a call, with its response code (0: none). Ends calls that began within it and
 * were forgotten. On a thread that does not run the call, it is attached first. A token that is
 * stale or all zero does nothing. Threads: any. */
STAKEOUT_API void stakeout_call_end(stakeout_call call, int response_code);

/* Takes a call off its thread: an event loop that goes on with something else, a hand-over to
 * another thread. Until it is attached its time is waiting, under this name.
 *
 * waiting_for  what for: "upstream", "disk queue". A string that lives as long as the call, as
 *              literals do; NULL: unknown. */
STAKEOUT_API void stakeout_call_detach(stakeout_call call, const char *waiting_for);

/* Puts a call on the calling thread, innermost; off the one that ran it, if any. */
STAKEOUT_API void stakeout_call_attach(stakeout_call call);

/* The trace ID of a call, for the application's own log: 32 hex digits and a zero.
 * Returns 0, or -ESRCH if the call is not watched; then `ret` is "". */
STAKEOUT_API int stakeout_call_trace_id(stakeout_call call, char ret[33]);

#if defined(__GNUC__) && defined(__OPTIMIZE__)
/* The end of an unwatched call is seen where it is made: no function is called. Its address is that
 * of the library's function. */
STAKEOUT_API void stakeout_call_end_watched_(stakeout_call call,
                                             int response_code) __asm__("stakeout_call_end");

extern __inline __attribute__((__gnu_inline__, __always_inline__)) void stakeout_call_end(
    stakeout_call call, int response_code)
{
    if (call.opaque[0] != 0) stakeout_call_end_watched_(call, response_code);
}
#endif

#else /* STAKEOUT_OFF */

static inline int stakeout_start(const struct stakeout_options *options)
{
    (void)options;
    return 0;
}

static inline void stakeout_stop(void) {}

static inline stakeout_interface_id stakeout_interface(const char *name)
{
    (void)name;
    return 0;
}

static inline stakeout_call stakeout_call_begin(stakeout_interface_id interface_id)
{
    stakeout_call call = { { 0, 0 } };

    (void)interface_id;
    return call;
}

static inline stakeout_call stakeout_call_begin_traced(stakeout_interface_id interface_id,
                                                       const char *traceparent)
{
    (void)traceparent;
    return stakeout_call_begin(interface_id);
}

static inline void stakeout_call_end(stakeout_call call, int response_code)
{
    (void)call;
    (void)response_code;
}

static inline void stakeout_call_detach(stakeout_call call, const char *waiting_for)
{
    (void)call;
    (void)waiting_for;
}

static inline void stakeout_call_attach(stakeout_call call)
{
    (void)call;
}

static inline int stakeout_call_trace_id(stakeout_call call, char ret[33])
{
    (void)call;
    ret[0] = '\0';
    return -3; /* -ESRCH */
}

#endif /* STAKEOUT_OFF */

#ifdef __cplusplus
}
#endif

#endif
