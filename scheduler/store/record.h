/* SPDX-License-Identifier: Apache-2.0 */
/* record.h: model values as the text that is kept in Redis, and back.
 *
 * Text, so that redis-cli shows it and the functions can read it: numbers separated by spaces,
 * strings on lines of their own. Writers replace control characters by '?'; readers are total:
 * a record that is not of its form gives -EBADMSG, and nothing of it is used. Fields may be added
 * at the end of a record; readers ignore what they do not know.
 *
 *   summary  trace at elapsed listened threshold running queued waiting incarnation response
 *            thread snapshots revision running(0|1) \n interface \n instance \n host IP \n
 *            thread's name
 *   event    at \n event \n incarnation \n sequence \n count \n instance \n detail
 *   ledger   sequence \n delivered \n gone \n refused \n instance \n host IP \n counts
 *   counts   seen below triggered sampled over_cap pending snapshots cpu_ns armed_ns
 *            slowest_below late_max pause_p50 pause_p99 m:stretched=ns c:DROP=n...
 *            s:SNAPSHOT-DROP=n...
 *            w:COUNT=n... of what was added later and adds up: signals, interrupted, ...
 *   token    name \n role \n created \n revoked
 *   settings off(0|1) core_ppm thread_ppm changed \n author
 *   live     STATE starts ends interface */
#ifndef STAKEOUT_SCHEDULER_STORE_RECORD_H
#define STAKEOUT_SCHEDULER_STORE_RECORD_H

#include "common/base/buf.h"
#include "common/model/task.h"
#include "scheduler/store/store.h"

struct redis_command;
struct redis_value;

enum { RECORD_SIZE_MAX = 8192 };

/* A task is a HASH: these are the fields that never change, as arguments of `create`. */
void record_add_spec(struct redis_command *command, const struct task_spec *spec);
/* From fields and values. -ENOENT if there are none. */
int record_read_task(const struct redis_value *fields, const struct task_id *id, struct task *ret);

void record_write_summary(struct buf *to, const struct sample_summary *summary);
/* `row` as in the HASH of samples: order and size come before the summary. */
int record_read_sample(struct text row, struct sample_summary *ret, uint64_t *ret_order);

void record_write_event(struct buf *to, const struct task_log_event *event);
int record_read_event(struct text record, struct task_log_event *ret);

void record_write_counts(struct buf *to, const struct ledger *counts);
int record_read_ledger(struct text record, struct task_ledger *ret);

void record_write_token(struct buf *to, const struct store_token *token);
int record_read_token(struct text hash, struct text record, struct store_token *ret);

void record_write_settings(struct buf *to, const struct application_settings *settings);
int record_read_settings(struct text application, struct text record,
                         struct application_settings *ret);

int record_read_conflict(struct text id, struct text live, struct store_conflict *ret);

void record_write_audit(struct buf *to, const struct store_audit *entry);
int record_read_audit(struct text record, struct store_audit *ret);

#endif
