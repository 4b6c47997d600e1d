/* SPDX-License-Identifier: Apache-2.0 */
/* pulse.c: a reading is copied at once, under the sampler's lock, into a list of rows whose names
 * and buckets lie in one buffer; bodies are cut from that list as they are sent.
 *
 * Every row remembers its interface's count; when the body that carried it is acknowledged, the
 * count goes into acknowledged[], and the interface is silent until it counts on. */
#include "probe/agent/link/pulse.h"

#include "common/wire/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = INTERFACES_MAX + 1,        /* and (other) */
    ROW_BYTES_SIZE_MAX = 8 * 1024 * 1024, /* names and buckets of a reading */
    ROW_WIRE_SIZE = 48,                   /* what an interface takes beside them */
    LEDGER_WIRE_SIZE = 1024,              /* more than a ledger with every drop takes */
    HEAD_WIRE_SIZE = 16 * 1024,           /* names, notes, troubles */
    BUCKETS_SIZE_MAX = 2048,
};

struct row {
    uint32_t interface_id;
    uint32_t name_size, buckets_size;
    size_t at; /* of the name in `bytes`; the buckets follow */
    uint64_t count, max_ns;
};

/* What of a ledger is news; times alone are not. */
struct told {
    struct task_id task;
    uint64_t seen, triggered, sampled, over_cap, pending, snapshots;
    bool is_armed, is_final;
};

struct pulse {
    uint64_t sequence; /* the latest given */
    uint64_t epoch;
    bool has_epoch;
    uint64_t acknowledged[ROWS_MAX + 1]; /* count by interface id; UINT64_MAX: never */
    struct told told[SAMPLER_TASKS_MAX]; /* as last acknowledged */
    uint32_t told_count;

    /* the reading */
    struct row rows[ROWS_MAX];
    uint32_t row_count, row_next;
    struct buf bytes;
    struct task_books books[SAMPLER_TASKS_MAX];
    uint32_t books_count;
    bool is_begun; /* the first body, with the ledgers, was made */
    bool is_abandoned;

    /* the body under way */
    struct buf body;
    bool is_under_way;
    uint32_t body_first; /* its rows */
};

struct pulse *pulse_new(uint64_t sequence)
{
    struct pulse *pulse = calloc(1, sizeof *pulse);

    if (!pulse) return NULL;
    pulse->sequence = sequence;
    pulse->bytes = BUF_INIT(ROW_BYTES_SIZE_MAX);
    pulse->body = BUF_INIT(PULSE_SIZE_MAX);
    memset(pulse->acknowledged, 0xff, sizeof pulse->acknowledged);
    return pulse;
}

struct pulse *pulse_free(struct pulse *pulse)
{
    if (!pulse) return NULL;
    buf_done(&pulse->bytes);
    buf_done(&pulse->body);
    free(pulse);
    return NULL;
}

uint64_t pulse_sequence(const struct pulse *pulse)
{
    return pulse->sequence;
}

/* ---- the reading ---- */

void pulse_begin(struct pulse *pulse)
{
    pulse->row_count = pulse->row_next = 0;
    pulse->books_count = 0;
    pulse->is_begun = pulse->is_abandoned = pulse->is_under_way = false;
    buf_reset(&pulse->bytes);
}

void pulse_add_interface(struct pulse *pulse, const struct interface_statistics *statistics)
{
    uint32_t id = statistics->interface_id;
    size_t at = pulse->bytes.size;
    struct buf buckets = BUF_INIT(BUCKETS_SIZE_MAX);
    int rc;

    if (id > ROWS_MAX || pulse->row_count == ROWS_MAX) return;
    if (pulse->acknowledged[id] == statistics->histogram.count) return;
    rc = histogram_encode(&statistics->histogram, &buckets);
    if (rc == 0) rc = buf_text(&pulse->bytes, statistics->name);
    if (rc == 0) rc = buf_text(&pulse->bytes, buf_peek(&buckets));
    if (rc == 0) {
        pulse->rows[pulse->row_count++] = (struct row){
            .interface_id = id,
            .name_size = (uint32_t)statistics->name.size,
            .buckets_size = (uint32_t)buckets.size,
            .at = at,
            .count = statistics->histogram.count,
            .max_ns = statistics->histogram.max_ns,
        };
    }
    buf_done(&buckets);
}

void pulse_add_books(struct pulse *pulse, const struct task_books *books)
{
    if (pulse->books_count < SAMPLER_TASKS_MAX) pulse->books[pulse->books_count++] = *books;
}

static struct told told_of(const struct task_books *books)
{
    return (struct told){
        .task = books->task,
        .seen = books->ledger.seen,
        .triggered = books->ledger.triggered,
        .sampled = books->ledger.sampled,
        .over_cap = books->ledger.over_cap,
        .pending = books->ledger.pending,
        .snapshots = books->ledger.snapshots,
        .is_armed = books->is_armed,
        .is_final = books->is_final,
    };
}

static bool is_told(const struct pulse *pulse, const struct task_books *books)
{
    struct told now = told_of(books);

    for (uint32_t i = 0; i < pulse->told_count; i++) {
        const struct told *it = &pulse->told[i];

        if (strcmp(it->task.text, now.task.text) != 0) continue;
        return it->seen == now.seen && it->triggered == now.triggered &&
               it->sampled == now.sampled && it->over_cap == now.over_cap &&
               it->pending == now.pending && it->snapshots == now.snapshots &&
               it->is_armed == now.is_armed && it->is_final == now.is_final;
    }
    return false;
}

bool pulse_has_news(const struct pulse *pulse)
{
    for (uint32_t i = 0; i < pulse->books_count; i++) {
        if (!is_told(pulse, &pulse->books[i])) return true;
    }
    return pulse->row_count > 0;
}

/* ---- a body ---- */

/* The lists of a message under construction; static sizes are the wire's limits. */
struct lists {
    struct wire_pulse_interface *interfaces;
    struct wire_pulse_ledger *ledgers;
    struct wire_reason_count *reasons;
    uint32_t reason_count;
};

static void add_reason(struct lists *lists, const char *slug, uint64_t count)
{
    if (count == 0) return;
    lists->reasons[lists->reason_count++] =
        (struct wire_reason_count){ .reason = text_of(slug), .count = count };
}

static struct wire_pulse_ledger ledger_message(struct lists *lists, const struct task_books *books)
{
    const struct ledger *ledger = &books->ledger;
    struct wire_pulse_ledger message = {
        .task = text_of(books->task.text),
        .seen = ledger->seen,
        .below = ledger->below,
        .triggered = ledger->triggered,
        .sampled = ledger->sampled,
        .over_cap = ledger->over_cap,
        .pending = ledger->pending,
        .snapshots = ledger->snapshots,
        .signals = ledger->signals,
        .perf = ledger->perf,
        .reads = ledger->reads,
        .repeats = ledger->repeats,
        .interrupted = ledger->interrupted,
        .slowest_below_ns = ledger->slowest_below_ns,
        .late_ns_max = ledger->late_ns_max,
        .pause_ns_p50 = ledger->pause_ns_p50,
        .pause_ns_p99 = ledger->pause_ns_p99,
        .cpu_ns = ledger->cpu_ns,
        .armed_ns = ledger->armed_ns,
        .stretched_ns = ledger->stretched_ns,
    };

    message.drops = lists->reasons + lists->reason_count;
    for (int i = 0; i < CALL_DROP_COUNT; i++) {
        add_reason(lists, call_drop_slug((enum call_drop)i), ledger->drops[i]);
    }
    message.drops_count = (uint32_t)(lists->reasons + lists->reason_count - message.drops);
    message.snapshot_drops = lists->reasons + lists->reason_count;
    for (int i = 0; i < SNAPSHOT_DROP_COUNT; i++) {
        add_reason(lists, snapshot_drop_slug((enum snapshot_drop)i), ledger->snapshot_drops[i]);
    }
    message.snapshot_drops_count =
        (uint32_t)(lists->reasons + lists->reason_count - message.snapshot_drops);
    return message;
}

/* Rows from row_next on, as many as fit beside what is there. */
static uint32_t add_rows(struct pulse *pulse, struct lists *lists, size_t size)
{
    uint32_t count = 0;

    while (pulse->row_next < pulse->row_count) {
        const struct row *row = &pulse->rows[pulse->row_next];
        const char *name = pulse->bytes.data + row->at;

        size += ROW_WIRE_SIZE + row->name_size + row->buckets_size;
        if (size > PULSE_SIZE_MAX || count == INTERFACES_MAX) break;
        lists->interfaces[count++] = (struct wire_pulse_interface){
            .name = { name, row->name_size },
            .count = row->count,
            .max_ns = row->max_ns,
            .buckets = { name + row->name_size, row->buckets_size },
        };
        pulse->row_next++;
    }
    return count;
}

static int make_body(struct pulse *pulse, const struct wire_pulse *head, struct lists *lists)
{
    struct wire_pulse message = *head;
    size_t size = HEAD_WIRE_SIZE;

    message.sequence = pulse->sequence + 1;
    if (!pulse->is_begun) {
        for (uint32_t i = 0; i < pulse->books_count; i++) {
            lists->ledgers[i] = ledger_message(lists, &pulse->books[i]);
        }
        message.ledgers = lists->ledgers;
        message.ledgers_count = pulse->books_count;
        size += pulse->books_count * (size_t)LEDGER_WIRE_SIZE;
    }
    pulse->body_first = pulse->row_next;
    message.interfaces = lists->interfaces;
    message.interfaces_count = add_rows(pulse, lists, size);
    buf_reset(&pulse->body);
    return wire_pulse_encode(&message, &pulse->body);
}

static int next_body(struct pulse *pulse, const struct wire_pulse *head)
{
    enum { REASONS_MAX = SAMPLER_TASKS_MAX * (CALL_DROP_COUNT + SNAPSHOT_DROP_COUNT) };
    struct lists lists = {
        .interfaces = calloc(INTERFACES_MAX, sizeof *lists.interfaces),
        .ledgers = calloc(SAMPLER_TASKS_MAX, sizeof *lists.ledgers),
        .reasons = calloc(REASONS_MAX, sizeof *lists.reasons),
    };
    int rc = -ENOMEM;

    if (lists.interfaces && lists.ledgers && lists.reasons) rc = make_body(pulse, head, &lists);
    free(lists.interfaces);
    free(lists.ledgers);
    free(lists.reasons);
    if (rc < 0) {
        pulse->row_next = pulse->body_first;
        return rc;
    }
    pulse->sequence++;
    pulse->is_begun = pulse->is_under_way = true;
    return 0;
}

int pulse_body(struct pulse *pulse, const struct wire_pulse *head, struct text *ret)
{
    int rc = 0;

    if (!pulse->is_under_way) {
        if (pulse->is_begun && pulse->row_next == pulse->row_count) return -ENODATA;
        rc = next_body(pulse, head);
    }
    if (rc < 0) return rc;
    *ret = buf_peek(&pulse->body);
    return 0;
}

/* ---- answers ---- */

static void remember_books(struct pulse *pulse)
{
    for (uint32_t i = 0; i < pulse->books_count; i++) {
        pulse->told[i] = told_of(&pulse->books[i]);
    }
    pulse->told_count = pulse->books_count;
}

bool pulse_acknowledge(struct pulse *pulse, uint64_t epoch)
{
    bool is_new = pulse->has_epoch && pulse->epoch != epoch;

    pulse->is_under_way = false;
    if (is_new) memset(pulse->acknowledged, 0xff, sizeof pulse->acknowledged);
    pulse->epoch = epoch;
    pulse->has_epoch = true;
    for (uint32_t i = pulse->body_first; i < pulse->row_next; i++) {
        pulse->acknowledged[pulse->rows[i].interface_id] = pulse->rows[i].count;
    }
    if (pulse->body_first == 0) remember_books(pulse);
    return is_new;
}

void pulse_abandon(struct pulse *pulse)
{
    pulse->is_under_way = false;
    pulse->is_abandoned = true;
}

uint32_t pulse_final_tasks(const struct pulse *pulse, struct task_id *ret, uint32_t size)
{
    uint32_t count = 0;

    if (pulse->is_abandoned) return 0;
    for (uint32_t i = 0; i < pulse->books_count && count < size; i++) {
        if (pulse->books[i].is_final) ret[count++] = pulse->books[i].task;
    }
    return count;
}
