/* SPDX-License-Identifier: Apache-2.0 */
/* redis_keys.h: every key that we have in Redis. Nothing else builds one.
 *
 * APP is the application's name with '%', '{' and '}' percent-encoded. As a hash tag it puts
 * everything that one function needs into one slot of a Cluster. There the bytes of samples have
 * their own, the sample's: an application may have more of them than one master has room for. What
 * leads from elsewhere to an application (the `stakeout:` keys without a tag, each in a slot of its
 * own) is a pointer: always read by a command of its own, written before what it points to, and
 * never trusted: what it points to may be gone.
 *
 * clang-format off
 *
 *   key                                type    holds, and who ends it
 *   ---------------------------------  ------  -------------------------------------------------
 *   stakeout:applications              ZSET    application -> when it last got a task; trim
 *   stakeout:task:TASK                 STRING  its application; forget. An hour, until created
 *   stakeout:sample:SAMPLE             STRING  "TASK APPLICATION"; a refusal, forget
 *   stakeout:trace:TRACE               ZSET    its samples' ids, by time; forget
 *   stakeout:tokens                    HASH    token's SHA-256 -> record; when full, the oldest
 *   stakeout:tokens:used               HASH    token's SHA-256 -> when it was used; with the token
 *   stakeout:audit                     STREAM  entry -> record.h; the oldest, by count and age
 *   stakeout:sessions                  HASH    session's SHA-256 -> token's, since when; its end
 *   stakeout:sessions:seen             HASH    session's SHA-256 -> when it was used; likewise
 *   stakeout:settings                  HASH    application -> record; nobody
 *   stakeout:lease:WHAT                STRING  the scheduler that does it; its time
 *   stakeout:news                      STREAM  what changed, for other schedulers; the last 10,000
 *   stakeout:{APP}:live                HASH    task -> "STATE start ends interface"; its end
 *   stakeout:{APP}:version             STRING  counts changes of tasks; nobody
 *   stakeout:{APP}:heard               ZSET    incarnation -> when any of us heard it; a minute
 *   stakeout:{APP}:index               ZSET    interface LF state task, score 0: the tasks; forget
 *   stakeout:{APP}:indexed             STRING  the version with which the index is complete
 *   stakeout:{APP}:tasks               ZSET    all task ids, score 0: order of creation; forget
 *   stakeout:{APP}:ended               ZSET    task -> when it ended; forget
 *   stakeout:{APP}:stored              ZSET    those of `ended` that hold samples; forget, shed
 *   stakeout:{APP}:bytes               STRING  what their samples weigh
 *   stakeout:{APP}:task:TASK           HASH    the task, record.h; forget
 *   stakeout:{APP}:task:TASK:samples   HASH    sample -> "order revision size summary"; forget
 *   stakeout:{APP}:task:TASK:log       LIST    events, record.h; forget
 *   stakeout:{APP}:task:TASK:seen      HASH    incarnation -> last sequence in the log; forget
 *   stakeout:{APP}:task:TASK:ledger    HASH    incarnation -> row, record.h; forget
 *   stakeout:{APP}:task:TASK:gone      LIST    incarnations, in the order in which they went
 *   stakeout:{APP}:task:TASK:folded    SET     incarnations whose rows were added up
 *   stakeout:{APP}:blob:SAMPLE:N       STRING  revision N, zstd; a minute, until taken; forget
 *   stakeout:{SAMPLE}:body:N           STRING  the same in a Cluster
 *
 * clang-format on */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_KEYS_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_KEYS_H

#include "common/model/id.h"
#include "common/model/limits.h"
#include "scheduler/store/redis/redis_command.h"

/* The functions' library: the name in functions/1_common.lua. */
#define STORE_LIBRARY        "stakeout_v2"
#define STORE_FUNCTION(name) STORE_LIBRARY "_" name

#define KEY_APPLICATIONS  "stakeout:applications"
#define KEY_LEASE         "stakeout:lease:"
#define KEY_NEWS          "stakeout:news"
#define KEY_TOKENS        "stakeout:tokens"
#define KEY_TOKENS_USED   "stakeout:tokens:used"
#define KEY_AUDIT         "stakeout:audit"
#define KEY_SESSIONS      "stakeout:sessions"
#define KEY_SESSIONS_SEEN "stakeout:sessions:seen"
#define KEY_SETTINGS      "stakeout:settings"

enum {
    KEY_TAG_SIZE = 3 * APPLICATION_SIZE_MAX + 1,
    KEY_SIZE = KEY_TAG_SIZE + 128,
    POINTER_MS = 3600 * 1000, /* of a pointer to what may not come to be */
    STAGED_MS = 60 * 1000,    /* of a blob that may not be taken */
};

/* What the keys of one application have in common. */
struct key_tag {
    char text[KEY_TAG_SIZE];
};
struct key_tag key_tag_make(struct text application);

/* Keys of the application ("live"), of one of its tasks ("" is the task itself, "log", ...), and
 * of a revision's bytes; each added to the command. */
void key_add(struct redis_command *command, const struct key_tag *tag, const char *what);
void key_add_task(struct redis_command *command, const struct key_tag *tag,
                  const struct task_id *task, const char *what);
void key_add_blob(struct redis_command *command, const struct key_tag *tag,
                  const struct sample_id *sample, uint64_t revision);
void key_add_body(struct redis_command *command, const struct sample_id *sample, uint64_t revision);

/* Pointers. */
void key_add_task_pointer(struct redis_command *command, const struct task_id *task);
void key_add_sample_pointer(struct redis_command *command, const struct sample_id *sample);
void key_add_trace(struct redis_command *command, const struct trace_id *trace);

#endif
