/* SPDX-License-Identifier: Apache-2.0 */
/* redis_process.h: a private, real redis-server on a Unix socket in a directory of its own.
 *
 *     struct redis_process redis;
 *     redis_process_start(&redis, "appendonly yes\nappendfsync always\n");
 *     ... redis.url, redis.socket ...
 *     redis_process_kill(&redis); redis_process_restart(&redis);
 *     redis_process_stop(&redis);          ends it and removes the directory
 *
 * It dies with the test, however the test ends. */
#ifndef STAKEOUT_TESTS_SUPPORT_REDIS_PROCESS_H
#define STAKEOUT_TESTS_SUPPORT_REDIS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct redis_process {
    pid_t pid;
    bool is_sentinel;
    unsigned
        cluster_port; /* it stands for a whole Cluster, which is asked by this; 0: for itself */
    char dir[64], socket[96], url[128];
};

/* Both return when it accepts connections; they fail the test when it does not. `config` is added
 * to the configuration; "" for a Redis in memory alone. */
void redis_process_start(struct redis_process *redis, const char *config);
void redis_process_start_sentinel(struct redis_process *redis, const char *config);
void redis_process_restart(struct redis_process *redis);
void redis_process_kill(struct redis_process *redis); /* SIGKILL; returns when it is gone */
void redis_process_stop(struct redis_process *redis);

/* Runs redis-cli with these arguments ("DEL x"), and returns the first line of its answer, in a
 * buffer that the next call uses again. */
const char *redis_process_ask(const struct redis_process *redis, const char *command);

#endif
