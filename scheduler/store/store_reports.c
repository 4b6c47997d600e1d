/* SPDX-License-Identifier: Apache-2.0 */
/* store_reports.c: taking a sample. Stage, commit, settle:
 *
 *   1  SET pointer, ZADD trace    first, so that a sample that was acknowledged can be found
 *      SET blob NX PX             staged: it dies by itself unless it is taken
 *      FCALL commit_all           the one decision, in the same round trip
 *   2  refused, and the id not held: pointer and trace's entry are deleted
 *      taken, with replicas: WAIT 1, before the acknowledgement
 *      in a Cluster, taken: PERSIST blob; see there
 *
 * So a report that is taken costs one round trip. If we end between the two steps of one that is
 * refused, its pointers stay, about 100 bytes, and lead nowhere.
 *
 * While a report is under way, those that come wait for its answer, and then go together: a parcel
 * for each task, staged one by one, committed by one call, all of it as one transaction. Half of
 * what a small report costs Redis is the call, what it asks of the task and what it tells of it;
 * and with appendfsync always each turn in which Redis executes something costs an fsync, which is
 * as much as two small reports. A transaction is executed in one turn, however many it took to
 * read. It is for that alone: where a user of Redis' ACL may not say MULTI, or there is no lane,
 * the same commands do the same one after the other. In a Cluster each report goes by itself.
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

enum {
    REPORT_TRIES_MAX = 5,
    BLOB_SIZE_MAX = REPORT_SIZE_MAX + 65536,
    WAIT_MS = 1000,
    PARCEL_MAX = 16,              /* reports; commit_all() of functions/3_samples.lua */
    PARCEL_SIZE_MAX = 512 * 1024, /* of their bytes, if it is more than one */
};

struct report {
    struct report *next; /* that waits */
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
    bool is_held_revision; /* in a Cluster: the row is of this revision */
    bool was_taken;        /* by a try whose bytes were gone then; with `taken` */
    enum report_outcome taken;
    struct store_commit commit;
    struct task task;
    bool is_waiting, is_replicated; /* WAIT was sent; and answered well */
};

static void report_try(struct report *report);

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

/* In a Cluster --------------------------------------------------------------------------------
 *
 * The bytes are in another slot than what decides about them. They are staged first, for a minute;
 * what was taken is kept by PERSIST, before it is acknowledged; and if they were gone by then, all
 * begins again, and finds the sample KNOWN. The revision before is deleted, also when a resend
 * finds that its first try was taken: that may have ended in between. */

enum keep_step { KEEP_PERSIST, KEEP_EXISTS };

static void on_kept_answer(void *my, size_t index, const struct redis_value *value)
{
    struct report *report = my;

    if (index == KEEP_EXISTS) report->again = redis_value_u64(value) == 0;
}

static void on_kept(void *my, const struct problem *problem)
{
    struct report *report = my;

    if (problem || !report->again) {
        report_end(report, problem);
        return;
    }
    if (!report->was_taken) report->taken = report->commit.outcome;
    report->was_taken = true;
    report_try(report);
}

static void keep_body(struct report *report)
{
    const struct sample_id *sample = &report->summary.id;
    struct round *round = round_new(report->store, on_kept_answer, on_kept, report);

    round_witness(round);
    key_add_body(round_add(round, "PERSIST"), sample, report->summary.revision);
    key_add_body(round_add(round, "EXISTS"), sample, report->summary.revision);
    if (report->old_revision > 0)
        key_add_body(round_add(round, "UNLINK"), sample, report->old_revision);
    round_send(round);
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

/* By its own connection: WAIT is about what that one wrote. */
static void send(const struct report *report, struct round *round)
{
    if (report->conn)
        round_send_by(round, report->conn);
    else
        round_send(round);
}

/* What was staged goes, too, but for that of a task that begins only now: a resend may have been
 * taken since. */
static void add_removal(struct round *round, const struct report *report)
{
    const struct sample_summary *it = &report->summary;
    struct redis_command *command;

    key_add_sample_pointer(round_add(round, "DEL"), &it->id);
    command = round_add(round, "ZREM");
    key_add_trace(command, &it->trace);
    redis_command_add(command, text_of(it->id.text));
    if (report->store->cluster && report->commit.outcome != REPORT_NO_TASK)
        key_add_body(round_add(round, "UNLINK"), &it->id, it->revision);
}

static void settle(struct report *report)
{
    bool is_kept = report->is_held || report->commit.outcome <= REPORT_KNOWN;
    struct redis_command *command;
    struct round *round;

    if (is_kept && report->is_held_revision) {
        keep_body(report);
        return;
    }
    if (is_kept && (report->store->cluster || report->store->health.replica_count == 0)) {
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
        add_removal(round, report);
    }
    send(report, round);
}

/* Staging and committing -------------------------------------------------------------------- */

enum stage_step { STAGE_POINTER, STAGE_TRACE, STAGE_BLOB, STAGE_COMMIT };

static void note_outcome(struct report *report)
{
    enum report_outcome *outcome = &report->commit.outcome;

    report->is_held_revision =
        report->store->cluster &&
        (*outcome <= REPORT_REPLACED || (*outcome == REPORT_KNOWN && report->is_held));
    if (report->was_taken && *outcome == REPORT_KNOWN) *outcome = report->taken;
}

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
        note_outcome(report);
        if (redis_value_count(fields) > 0) {
            report->misread = record_read_task(fields, &report->summary.task, &report->task) < 0;
            report->commit.task = &report->task;
        }
    }
}

static void report_go_on(struct report *report, const struct problem *problem)
{
    struct problem busy;

    if (!problem && report->again && report->tries >= REPORT_TRIES_MAX) {
        problem_set(&busy, PROBLEM_BUSY,
                    "The sample is being replaced by others; try again later.");
        problem = &busy;
    }
    if (problem || report->misread) {
        report_end(report, problem);
    } else if (report->again) {
        report_try(report);
    } else {
        settle(report);
    }
}

static void on_commit_done(void *my, const struct problem *problem)
{
    report_go_on(my, problem);
}

static void add_stage(struct round *round, const struct report *report)
{
    const struct sample_summary *it = &report->summary;
    struct redis_command *command;

    round_witness(round);
    command = round_add(round, "SET");
    key_add_sample_pointer(command, &it->id);
    redis_command_add_format(command, "%s %s", it->task.text, it->application);

    command = round_add(round, "ZADD");
    key_add_trace(command, &it->trace);
    redis_command_add_u64(command, it->at_wall_ms);
    redis_command_add(command, text_of(it->id.text));

    command = round_add(round, "SET");
    store_add_blob_key(report->store, command, &report->tag, &it->id, it->revision);
    redis_command_add(command, buf_peek(&report->blob));
    redis_command_add(command, TEXT("NX"));
    redis_command_add(command, TEXT("PX"));
    redis_command_add_u64(command, STAGED_MS);
}

static void add_sample(struct redis_command *command, const struct report *report)
{
    const struct sample_summary *it = &report->summary;
    OWN(buf_done) struct buf summary = BUF_INIT(RECORD_SIZE_MAX);
    char incarnation[INCARNATION_SIZE + 1];

    incarnation_format(it->incarnation, incarnation);
    record_write_summary(&summary, it);
    redis_command_add(command, text_of(it->id.text));
    redis_command_add_u64(command, it->revision);
    redis_command_add_u64(command, report->old_revision);
    redis_command_add(command, buf_peek(&summary));
    redis_command_add(command, text_of(incarnation));
    redis_command_add(command, text_of(it->instance));
}

/* A commit of a sample whose bytes are in another slot. */
static void add_commit(struct round *round, const struct report *report)
{
    const struct task_id *task = &report->summary.task;
    struct redis_command *command =
        round_add_function(round, STORE_FUNCTION("commit"), STORE_MOVE_KEYS + 3);

    store_add_move_keys(command, &report->tag, task);
    key_add_task(command, &report->tag, task, "samples");
    key_add_task(command, &report->tag, task, "seen");
    key_add(command, &report->tag, "bytes");
    redis_command_add(command, text_of(task->text));
    add_sample(command, report);
    redis_command_add_u64(command, report->blob.size);
}

static void send_alone(struct report *report)
{
    struct round *round = round_new(report->store, on_commit_answer, on_commit_done, report);

    add_stage(round, report);
    round_then(round);
    add_commit(round, report);
    round_send(round);
}

/* Parcels ----------------------------------------------------------------------------------- */

/* Reports of one task. */
struct parcel {
    struct store *store;
    struct report *reports[PARCEL_MAX];
    size_t count, size;
};

static void take_verdict(struct report *report, const struct redis_value *value, size_t at)
{
    struct text word = redis_value_text(redis_value_at(value, at));
    uint64_t held = redis_value_u64(redis_value_at(value, at + 1));
    const struct redis_value *fields = redis_value_at(value, 3);

    if (text_is_equal(word, TEXT("STAGE"))) {
        report->again = true;
    } else if (text_is_equal(word, TEXT("HOLDS"))) {
        report->again = true;
        report->old_revision = held;
    } else if (!read_outcome(word, &report->commit.outcome)) {
        report->misread = true;
    } else {
        report->commit.version = redis_value_u64(redis_value_at(value, 1));
        report->is_held = held > 0;
        if (redis_value_count(fields) > 0) {
            report->misread = record_read_task(fields, &report->summary.task, &report->task) < 0;
            report->commit.task = &report->task;
        }
    }
}

/* COMMITTED version now fields, then verdict and held revision of each */
static void on_parcel_answer(void *my, size_t index, const struct redis_value *value)
{
    const struct parcel *parcel = my;

    if (index != parcel->count * STAGE_COMMIT) return;
    store_note_clock(parcel->store, redis_value_u64(redis_value_at(value, 2)));
    for (size_t i = 0; i < parcel->count; i++) {
        take_verdict(parcel->reports[i], value, 4 + 2 * i);
    }
}

static void send_waiting(void *context);

static void on_parcel_done(void *my, const struct problem *problem)
{
    struct parcel *parcel = my;
    struct store *store = parcel->store;

    if (--store->parcel_count == 0 && store->reports) store_defer(store, send_waiting, store);
    for (size_t i = 0; i < parcel->count; i++) {
        report_go_on(parcel->reports[i], problem);
    }
    free(parcel);
}

static void add_blobs(struct redis_command *command, const struct report *report)
{
    const struct sample_summary *it = &report->summary;

    key_add_blob(command, &report->tag, &it->id, it->revision);
    key_add_blob(command, &report->tag, &it->id,
                 report->old_revision ? report->old_revision : it->revision);
}

static void add_commit_all(struct round *round, const struct parcel *parcel)
{
    const struct report *first = parcel->reports[0];
    const struct task_id *task = &first->summary.task;
    struct redis_command *command = round_add_function(
        round, STORE_FUNCTION("commit_all"), STORE_MOVE_KEYS + 3 + 2 * (unsigned)parcel->count);

    store_add_move_keys(command, &first->tag, task);
    key_add_task(command, &first->tag, task, "samples");
    key_add_task(command, &first->tag, task, "seen");
    key_add(command, &first->tag, "bytes");
    for (size_t i = 0; i < parcel->count; i++) {
        add_blobs(command, parcel->reports[i]);
    }
    redis_command_add(command, text_of(task->text));
    for (size_t i = 0; i < parcel->count; i++) {
        add_sample(command, parcel->reports[i]);
    }
}

static void parcel_send(struct parcel *parcel)
{
    struct store *store = parcel->store;
    struct round *round = round_new(store, on_parcel_answer, on_parcel_done, parcel);
    struct redis_conn *lane = store_lanes_pick(store->lanes);

    store->parcel_count++;
    for (size_t i = 0; i < parcel->count; i++) {
        parcel->reports[i]->conn = lane ? lane : store->conn;
        add_stage(round, parcel->reports[i]);
    }
    add_commit_all(round, parcel);
    store_tell_along(store, round);
    if (lane) {
        round_send_together(round, lane);
    } else {
        round_send(round);
    }
}

static bool parcel_takes(const struct parcel *parcel, const struct report *report)
{
    const struct sample_summary *first;

    if (parcel->count == 0) return true;
    if (parcel->count == PARCEL_MAX) return false;
    if (parcel->size + report->blob.size > PARCEL_SIZE_MAX) return false;
    first = &parcel->reports[0]->summary;
    return strcmp(first->task.text, report->summary.task.text) == 0 &&
           strcmp(first->application, report->summary.application) == 0;
}

/* Takes what belongs together, beginning with the first, out of those that wait. */
static struct parcel *parcel_take(struct store *store)
{
    struct parcel *parcel = mem_zalloc(1, sizeof(*parcel));

    parcel->store = store;
    for (struct report **at = &store->reports; *at;) {
        struct report *report = *at;

        if (!parcel_takes(parcel, report)) {
            at = &report->next;
            continue;
        }
        *at = report->next;
        parcel->reports[parcel->count++] = report;
        parcel->size += report->blob.size;
        store->reports_size -= report->blob.size;
    }
    return parcel;
}

bool store_reports_go_now(const struct store *store)
{
    return store->reports && (store->parcel_count == 0 || store->reports_size >= PARCEL_SIZE_MAX);
}

/* At the end of a turn of the loop, so that what came in it goes together. */
static void send_waiting(void *context)
{
    struct store *store = context;

    if (!store_reports_go_now(store)) return;
    while (store->reports) {
        parcel_send(parcel_take(store));
    }
}

static void report_try(struct report *report)
{
    struct store *store = report->store;

    report->again = false;
    report->tries++;
    if (store->cluster) {
        send_alone(report);
        return;
    }
    report->next = NULL;
    if (!store->reports) store->reports_last = &store->reports;
    *store->reports_last = report;
    store->reports_last = &report->next;
    store->reports_size += report->blob.size;
    if (store_reports_go_now(store)) store_defer(store, send_waiting, store);
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
    report_try(report);
}
