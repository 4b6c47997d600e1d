/* SPDX-License-Identifier: Apache-2.0 */
/* embedded_redis.h: a private redis-server, as a child of this process.
 *
 *     STATE_DIR/lock               held as long as we or our Redis live
 *     STATE_DIR/redis/             0700: redis.conf (written at every start), redis.sock (0600),
 *                                  appendonlydir/
 *
 * It writes every change to its disk before it answers (appendfsync always), and ends when we
 * do, however we end. Killed, it is started again, always; only if it ends before it ever answered,
 * five times within a minute, is it given up.
 *
 * Must be used from the main thread: the kernel ends the child when the *thread* that started it
 * ends. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_EMBEDDED_REDIS_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_EMBEDDED_REDIS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOCK_WAIT_MS = 10000 }; /* a Redis that lost its parent flushes, and is gone */

struct embedded_redis;
struct event_base;
struct problem;

struct embedded_redis_options {
    struct event_base *base;
    const char *state_dir;    /* exists, and is ours */
    const char *redis_path;   /* NULL: redis-server, by PATH */
    uint64_t memory_size_max; /* 0: no bound */
    uint64_t lock_wait_ms;    /* for somebody else's lock; 0: LOCK_WAIT_MS */
    bool share;               /* if somebody else holds the lock: on_started at once, no child */
    /* A redis-server runs; it may still load. At every start, also after a kill. */
    void (*on_started)(void *context);
    /* Somebody else keeps the directory, or it does not start. Once; nothing comes after. */
    void (*on_given_up)(void *context, const struct problem *problem);
    void *context;
};

/* NULL with *problem: a path too long for a socket, a directory that cannot be used, no
 * redis-server. */
struct embedded_redis *embedded_redis_new(const struct embedded_redis_options *options,
                                          struct problem *problem);

/* SIGTERM, waits for its end (Redis flushes and removes its socket), SIGKILL after 5 s. */
struct embedded_redis *embedded_redis_free(struct embedded_redis *embedded);

const char *embedded_redis_socket(const struct embedded_redis *embedded);
void embedded_redis_note_up(struct embedded_redis *embedded); /* it has answered */
uint64_t embedded_redis_restarts(const struct embedded_redis *embedded);
pid_t embedded_redis_pid(const struct embedded_redis *embedded); /* 0: none runs */

#endif
