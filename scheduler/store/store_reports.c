/* SPDX-License-Identifier: Apache-2.0 */
/* store_reports.c: taking a sample. Stage, commit, settle:
 *
 *   1  SET pointer, ZADD trace    first, so that a sample that was acknowledged can be found
 *      SET blob NX PX             staged: it dies by itself unless it is taken
 *      FCALL commit               the one decision, in the same round trip
 *   2  refused, and the id not held: pointer and trace's entry are deleted
 *      taken, with replicas: WAIT 1, before the acknowledgement
 *
 * So a report that is taken costs one round trip. If we end between the two steps of one that is
 * refused, its pointers stay, about 100 bytes, and lead nowhere.
 *
 * The bytes go by SET because a function that is handed them copies them (2.5 times the cost).
 * A blob's key carries the revision, so a resend never touches what is there, and a new revision
 * never waits for an old one. The staged copy of a resend may run out between SET NX and the
 * commit; the function then says STAGE, and we begin again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/blob.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_lanes.h"
#include "scheduler/store/store_private.h"

enum { REPORT_TRIES_MAX = 5, BLOB_SIZE_MAX = REPORT_SIZE_MAX + 65536, WAIT_MS = 1000 };

struct report {
    struct store *store;
    struct redis_conn *conn; /* of this try: WAIT is about what its connection wrote */
    struct key_tag tag;
    struct sample_summary summary;
    struct buf blob;
    store_commit_fn then;
    void *context;
    uint64_t old_revision; /* that we believe is held; 0: none */
    unsigned tries;
    bool again, misread, is_held;
    struct store_commit commit;
    struct task task;
    bool is_waiting, is_replicated; /* WAIT was sent; and answered well */
};

static void report_send(struct report *report);

static const struct {
    const char *word;
    enum report_outcome outcome;
} outcomes[] = {
    { "ACCEPTED", REPORT_ACCEPTED },   { "REPLACED", REPORT_REPLACED },
    { "KNOWN", REPORT_KNOWN },         { "OVER_CAP", REPORT_OVER_CAP },
    { "TASK_OVER", REPORT_TASK_OVER }, { "NO_TASK", REPORT_NO_TASK },
};

static bool read_outcome(struct text word, enum report_outcome *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(outcomes); i++) {
        if (!text_is_equal(word, text_of(outcomes[i].word))) continue;
        *ret = outcomes[i].outcome;
        return true;
    }
    return false;
}

static void report_end(struct report *report, const struct problem *problem)
{
    struct problem misread;

    if (!problem && report->misread) {
        store_misread(&misread, "a task");
        problem = &misread;
    }
    if (!problem && report->commit.outcome == REPORT_ACCEPTED) {
        report->store->bytes_out += report->blob.size;
    }
    if (!problem && report->commit.task && report->commit.outcome <= REPORT_REPLACED)
        store_tell_task(report->store, &report->task, report->commit.version, &report->summary.id);
    report->then(report->context, problem ? NULL : &report->commit, problem);
    buf_done(&report->blob);
    free(report);
}

/* Settling ---------------------------------------------------------------------------------- */

static void on_settle_answer(void *my, size_t index, const struct redis_value *value)
{
    struct report *report = my;

    if (index == 0 && report->is_waiting) report->is_replicated = redis_value_u64(value) > 0;
}

static void on_settle_done(void *my, const struct problem *problem)
{
    struct report *report = my;
    struct problem alone;

    if (!problem && report->is_waiting && !report->is_replicated) {
        problem_set(&alone, PROBLEM_STORE_DOWN,
                    "No replica of Redis confirmed the sample; try again later.");
        problem = &alone;
    }
    report_end(report, problem);
}

static void settle(struct report *report)
{
    bool is_kept = report->is_held || report->commit.outcome <= REPORT_KNOWN;
    struct redis_command *command;
    struct round *round;

    if (is_kept && report->store->health.replica_count == 0) {
        report_end(report, NULL);
        return;
    }
    round = round_new(report->store, on_settle_answer, on_settle_done, report);
    report->is_waiting = is_kept;
    if (is_kept) {
        command = round_add(round, "WAIT");
        redis_command_add_u64(command, 1);
        redis_command_add_u64(command, WAIT_MS);
    } else {
        key_add_sample_pointer(round_add(round, "DEL"), &report->summary.id);
        command = round_add(round, "ZREM");
        key_add_trace(command, &report->summary.trace);
        redis_command_add(command, text_of(report->summary.id.text));
    }
    round_send_by(round, report->conn);
}

/* Staging and committing -------------------------------------------------------------------- */

enum stage_step { STAGE_POINTER, STAGE_TRACE, STAGE_BLOB, STAGE_COMMIT };

static void on_commit_answer(void *my, size_t index, const struct redis_value *value)
{
    struct report *report = my;
    struct text word = redis_value_text(redis_value_at(value, 0));
    const struct redis_value *fields = redis_value_at(value, 3);

    if (index != STAGE_COMMIT) return;
    store_note_clock(report->store, redis_value_u64(redis_value_at(value, 2)));
    if (text_is_equal(word, TEXT("STAGE"))) {
        report->again = true;
    } else if (text_is_equal(word, TEXT("HOLDS"))) {
        report->again = true;
        report->old_revision = redis_value_u64(redis_value_at(value, 1));
    } else if (!read_outcome(word, &report->commit.outcome)) {
        report->misread = true;
    } else {
        report->commit.version = redis_value_u64(redis_value_at(value, 1));
        report->is_held = redis_value_u64(redis_value_at(value, 4)) == 1;
        if (redis_value_count(fields) > 0) {
            report->misread = record_read_task(fields, &report->summary.task, &report->task) < 0;
            report->commit.task = &report->task;
        }
    }
}

static void on_commit_done(void *my, const struct problem *problem)
{
    struct report *report = my;
    struct problem busy;

    if (!problem && report->again && report->tries >= REPORT_TRIES_MAX) {
        problem_set(&busy, PROBLEM_BUSY,
                    "The sample is being replaced by others; try again later.");
        problem = &busy;
    }
    if (problem || report->misread) {
        report_end(report, problem);
    } else if (report->again) {
        report_send(report);
    } else {
        settle(report);
    }
}

static void add_stage(struct round *round, const struct report *report)
{
    const struct sample_summary *it = &report->summary;
    struct redis_command *command = round_add(round, "SET");

    key_add_sample_pointer(command, &it->id);
    redis_command_add_format(command, "%s %s", it->task.text, it->application);

    command = round_add(round, "ZADD");
    key_add_trace(command, &it->trace);
    redis_command_add_u64(command, it->at_wall_ms);
    redis_command_add(command, text_of(it->id.text));

    command = round_add(round, "SET");
    key_add_blob(command, &report->tag, &it->id, it->revision);
    redis_command_add(command, buf_peek(&report->blob));
    redis_command_add(command, TEXT("NX"));
    redis_command_add(command, TEXT("PX"));
    redis_command_add_u64(command, STAGED_MS);
}

static void add_commit(struct round *round, const struct report *report)
{
    const struct sample_summary *it = &report->summary;
    struct redis_command *command =
        round_add_function(round, STORE_FUNCTION("commit"), STORE_MOVE_KEYS + 5);
    OWN(buf_done) struct buf summary = BUF_INIT(RECORD_SIZE_MAX);
    uint64_t old = report->old_revision ? report->old_revision : it->revision;
    char incarnation[INCARNATION_SIZE + 1];

    incarnation_format(it->incarnation, incarnation);
    record_write_summary(&summary, it);
    store_add_move_keys(command, &report->tag, &it->task);
    key_add_task(command, &report->tag, &it->task, "samples");
    key_add_task(command, &report->tag, &it->task, "seen");
    key_add(command, &report->tag, "bytes");
    key_add_blob(command, &report->tag, &it->id, it->revision);
    key_add_blob(command, &report->tag, &it->id, old);
    redis_command_add(command, text_of(it->task.text));
    redis_command_add(command, text_of(it->id.text));
    redis_command_add_u64(command, it->revision);
    redis_command_add_u64(command, report->old_revision);
    redis_command_add(command, buf_peek(&summary));
    redis_command_add(command, text_of(incarnation));
    redis_command_add(command, text_of(it->instance));
}

static void report_send(struct report *report)
{
    struct round *round = round_new(report->store, on_commit_answer, on_commit_done, report);

    report->conn = store_lanes_pick(report->store->lanes);
    if (!report->conn) report->conn = report->store->conn;
    report->again = false;
    report->tries++;
    add_stage(round, report);
    add_commit(round, report);
    round_send_by(round, report->conn);
}

static void refuse_size(void *context)
{
    struct problem problem;

    problem_set(&problem, PROBLEM_TOO_LARGE, "A report may have at most %d bytes.",
                REPORT_SIZE_MAX);
    report_end(context, &problem);
}

void store_report(struct store *store, const struct sample_summary *summary, struct text bytes,
                  store_commit_fn then, void *context)
{
    struct report *report = mem_zalloc(1, sizeof(*report));

    report->store = store;
    report->tag = key_tag_make(text_of(summary->application));
    report->summary = *summary;
    report->old_revision = summary->revision > 1 ? summary->revision - 1 : 0;
    report->then = then;
    report->context = context;
    report->blob = BUF_INIT(BLOB_SIZE_MAX);
    if (bytes.size > REPORT_SIZE_MAX) {
        store_defer(store, refuse_size, report);
        return;
    }
    CHECK(blob_pack(bytes, &report->blob) == 0);
    store->bytes_in += bytes.size;
    report_send(report);
}
