/* SPDX-License-Identifier: Apache-2.0 */
/* redis_command.h: one command, as the bytes that Redis reads.
 *
 *     struct redis_command command = redis_command_make("SET");
 *     redis_command_add(&command, key);
 *     redis_command_add_format(&command, "%" PRIu64, now);
 *     ... redis_command_bytes(&command) ...
 *     redis_command_done(&command);
 *
 * Arguments may hold any bytes; nothing is ever quoted or split. Limits: COMMAND_SIZE_MAX. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_COMMAND_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_COMMAND_H

#include "common/base/buf.h"

enum { COMMAND_SIZE_MAX = 4 * 1024 * 1024 }; /* a stored report, with room */

struct redis_command {
    struct buf bytes; /* private: head-room, then the arguments */
    uint32_t count;
};

struct redis_command redis_command_make(const char *name);
void redis_command_done(struct redis_command *command);
void redis_command_add(struct redis_command *command, struct text argument);
void redis_command_add_format(struct redis_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void redis_command_add_u64(struct redis_command *command, uint64_t number);

/* The whole command. Lives as long as nothing more is added. */
struct text redis_command_bytes(struct redis_command *command);

#endif
