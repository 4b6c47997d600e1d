/* SPDX-License-Identifier: Apache-2.0 */
/* record.c: the text forms. Readers take words and lines off the front of what is left; a reader
 * that misses one fails at its end, once. */
#include "scheduler/store/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/model/task_event.h"
#include "scheduler/access/scope.h"
#include "scheduler/store/redis/redis_command.h"
#include "scheduler/store/redis/redis_conn.h"

/* Reading ----------------------------------------------------------------------------------- */

struct reader {
    struct text rest;
    bool failed;
};

/* What stands before the next `end`, or all that is left. */
static struct text read_until(struct reader *reader, char end)
{
    struct text rest = reader->rest, found = rest;
    const char *at = rest.size ? memchr(rest.data, end, rest.size) : NULL;

    if (at) {
        found.size = (size_t)(at - rest.data);
        reader->rest = (struct text){ at + 1, rest.size - found.size - 1 };
    } else {
        reader->rest = (struct text){ rest.data + rest.size, 0 };
    }
    return found;
}

static uint64_t read_u64(struct reader *reader, char end)
{
    uint64_t number = 0;

    if (text_to_u64(read_until(reader, end), &number) < 0) reader->failed = true;
    return number;
}

/* A line into ret[size_max + 1]; longer ones fail. */
static void read_line(struct reader *reader, char *ret, size_t size_max)
{
    struct text line = read_until(reader, '\n');

    if (line.size > size_max) {
        reader->failed = true;
        line.size = 0;
    }
    if (line.size > 0) memcpy(ret, line.data, line.size);
    ret[line.size] = '\0';
}

static void write_line(struct buf *to, const char *line)
{
    size_t size = strlen(line);
    char *at;

    CHECK(buf_append(to, line, size) == 0);
    if (size == 0) return;
    at = to->data + to->size - size;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)at[i] < 0x20) at[i] = '?';
    }
}

/* Tasks ------------------------------------------------------------------------------------- */

static void add_field(struct redis_command *command, const char *field, const char *value)
{
    redis_command_add(command, text_of(field));
    redis_command_add(command, text_of(value));
}

static void add_number(struct redis_command *command, const char *field, int64_t value)
{
    redis_command_add(command, text_of(field));
    redis_command_add_format(command, "%" PRId64, value);
}

void record_add_spec(struct redis_command *command, const struct task_spec *spec)
{
    OWN(buf_done) struct buf instances = BUF_INIT(TASK_INSTANCES_MAX * (INSTANCE_SIZE_MAX + 1));

    add_field(command, "application", spec->application);
    add_field(command, "interface", spec->interface);
    add_number(command, "duration_min", spec->duration_min);
    add_number(command, "threshold_ms", spec->threshold_ms);
    add_field(command, "threshold_from", threshold_from_name(spec->threshold_from));
    add_number(command, "frequency_ms", spec->frequency_ms);
    add_number(command, "sample_cap", spec->sample_cap);
    add_number(command, "lookback", spec->lookback ? 1 : 0);
    add_number(command, "starts_later", spec->start_wall_ms ? 1 : 0);
    add_field(command, "note", spec->note);
    add_field(command, "author", spec->author);
    for (uint32_t i = 0; i < spec->instance_count; i++) {
        if (i > 0) CHECK(buf_append(&instances, "\n", 1) == 0);
        write_line(&instances, spec->instances[i]);
    }
    redis_command_add(command, TEXT("instances"));
    redis_command_add(command, buf_peek(&instances));
}

static int read_text(struct text value, char *ret, size_t size_max)
{
    if (value.size > size_max) return -EBADMSG;
    if (value.size > 0) memcpy(ret, value.data, value.size);
    ret[value.size] = '\0';
    return 0;
}

static int read_threshold_from(struct text value, enum threshold_from *ret)
{
    for (int from = THRESHOLD_FROM_MS; from <= THRESHOLD_FROM_P99; from++) {
        const char *name = threshold_from_name((enum threshold_from)from);
        if (!text_is_equal(value, text_of(name))) continue;
        *ret = (enum threshold_from)from;
        return 0;
    }
    return -EBADMSG;
}

static int read_instances(struct text value, struct task_spec *ret)
{
    struct reader reader = { .rest = value };

    ret->instance_count = 0;
    while (reader.rest.size > 0 && ret->instance_count < TASK_INSTANCES_MAX) {
        read_line(&reader, ret->instances[ret->instance_count++], INSTANCE_SIZE_MAX);
    }
    return reader.failed || reader.rest.size > 0 ? -EBADMSG : 0;
}

/* clang-format off */
static const struct field_row {
    const char *name;
    enum { FIELD_I64, FIELD_U64, FIELD_U32, FIELD_STRING } kind;
    size_t offset, size_max; /* in struct task; of a string, without its end */
} field_rows[] = {
#define ROW(name, kind, member, size_max) { name, kind, offsetof(struct task, member), size_max }
    ROW("application",  FIELD_STRING, spec.application,   APPLICATION_SIZE_MAX),
    ROW("interface",    FIELD_STRING, spec.interface,     INTERFACE_SIZE_MAX),
    ROW("note",         FIELD_STRING, spec.note,          NOTE_SIZE_MAX),
    ROW("author",       FIELD_STRING, spec.author,        AUTHOR_SIZE_MAX),
    ROW("duration_min", FIELD_I64,    spec.duration_min,  0),
    ROW("threshold_ms", FIELD_I64,    spec.threshold_ms,  0),
    ROW("frequency_ms", FIELD_I64,    spec.frequency_ms,  0),
    ROW("sample_cap",   FIELD_I64,    spec.sample_cap,    0),
    ROW("start_ms",     FIELD_U64,    spec.start_wall_ms, 0),
    ROW("created_ms",   FIELD_U64,    created_wall_ms,    0),
    ROW("started_ms",   FIELD_U64,    started_wall_ms,    0),
    ROW("ends_ms",      FIELD_U64,    ends_wall_ms,       0),
    ROW("ended_ms",     FIELD_U64,    ended_wall_ms,      0),
    ROW("samples",      FIELD_U32,    sample_count,       0),
#undef ROW
};
/* clang-format on */

static int read_row(const struct field_row *row, struct text value, struct task *task)
{
    void *to = (char *)task + row->offset;
    uint64_t number;

    if (row->kind == FIELD_STRING) return read_text(value, to, row->size_max);
    if (text_to_u64(value, &number) < 0 || number > INT64_MAX) return -EBADMSG;
    if (row->kind == FIELD_I64) *(int64_t *)to = (int64_t)number;
    if (row->kind == FIELD_U64) *(uint64_t *)to = number;
    if (row->kind == FIELD_U32) *(uint32_t *)to = (uint32_t)number;
    return 0;
}

/* One field of the HASH. Unknown ones are none of ours. */
static int read_task_field(struct text field, struct text value, struct task *task)
{
    for (size_t i = 0; i < ARRAY_COUNT(field_rows); i++) {
        if (!text_is_equal(field, text_of(field_rows[i].name))) continue;
        return read_row(&field_rows[i], value, task);
    }
    if (text_is_equal(field, TEXT("state"))) return task_state_parse(value, &task->state);
    if (text_is_equal(field, TEXT("lookback"))) {
        task->spec.lookback = text_is_equal(value, TEXT("1"));
        return 0;
    }
    if (text_is_equal(field, TEXT("instances"))) return read_instances(value, &task->spec);
    if (text_is_equal(field, TEXT("threshold_from"))) {
        return read_threshold_from(value, &task->spec.threshold_from);
    }
    return 0;
}

int record_read_task(const struct redis_value *fields, const struct task_id *id, struct task *ret)
{
    size_t count = redis_value_count(fields);
    int rc = 0;

    if (count == 0) return -ENOENT;
    memset(ret, 0, sizeof(*ret));
    ret->id = *id;
    for (size_t i = 0; i + 1 < count && rc == 0; i += 2) {
        rc = read_task_field(redis_value_text(redis_value_at(fields, i)),
                             redis_value_text(redis_value_at(fields, i + 1)), ret);
    }
    if (rc == 0 && (!ret->spec.application[0] || !ret->spec.interface[0])) rc = -EBADMSG;
    return rc < 0 ? -EBADMSG : 0;
}

int record_read_conflict(struct text id, struct text live, struct store_conflict *ret)
{
    struct reader reader = { .rest = live };
    struct text state = read_until(&reader, ' ');

    memset(ret, 0, sizeof(*ret));
    ret->is_active = text_is_equal(state, TEXT("ACTIVE"));
    ret->starts_wall_ms = read_u64(&reader, ' ');
    ret->ends_wall_ms = read_u64(&reader, ' ');
    if (reader.failed || task_id_parse(id, &ret->id) < 0) return -EBADMSG;
    return read_text(reader.rest, ret->interface, INTERFACE_SIZE_MAX);
}

/* Samples ----------------------------------------------------------------------------------- */

void record_write_summary(struct buf *to, const struct sample_summary *it)
{
    CHECK(buf_printf(
              to,
              "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
              " %016" PRIx64 " %" PRId32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %d\n",
              it->trace.text, it->at_wall_ms, it->elapsed_ns, it->listened_ns, it->threshold_ns,
              it->running_ns, it->queued_ns, it->waiting_ns, it->incarnation, it->response_code,
              it->thread_id, it->snapshot_count, it->revision, it->running) == 0);
    write_line(to, it->interface);
    CHECK(buf_append(to, "\n", 1) == 0);
    write_line(to, it->instance);
    CHECK(buf_append(to, "\n", 1) == 0);
    write_line(to, it->host_ip);
    CHECK(buf_append(to, "\n", 1) == 0);
    write_line(to, it->thread_name);
}

static int32_t read_i32(struct reader *reader, char end)
{
    struct text word = read_until(reader, end);
    bool is_negative = word.size > 0 && word.data[0] == '-';
    uint64_t number = 0;

    if (is_negative) word = (struct text){ word.data + 1, word.size - 1 };
    if (text_to_u64(word, &number) < 0 || number > INT32_MAX) reader->failed = true;
    return is_negative ? -(int32_t)number : (int32_t)number;
}

int record_read_sample(struct text row, struct sample_summary *ret, uint64_t *ret_order)
{
    struct reader reader = { .rest = row };
    struct sample_summary it = { 0 };
    uint64_t order = read_u64(&reader, ' ');

    read_u64(&reader, ' '); /* revision and size, for the functions */
    read_u64(&reader, ' ');
    if (trace_id_parse(read_until(&reader, ' '), &it.trace) < 0) reader.failed = true;
    it.at_wall_ms = read_u64(&reader, ' ');
    it.elapsed_ns = read_u64(&reader, ' ');
    it.listened_ns = read_u64(&reader, ' ');
    it.threshold_ns = read_u64(&reader, ' ');
    it.running_ns = read_u64(&reader, ' ');
    it.queued_ns = read_u64(&reader, ' ');
    it.waiting_ns = read_u64(&reader, ' ');
    if (incarnation_parse(read_until(&reader, ' '), &it.incarnation) < 0) reader.failed = true;
    it.response_code = read_i32(&reader, ' ');
    it.thread_id = (uint32_t)read_u64(&reader, ' ');
    it.snapshot_count = (uint32_t)read_u64(&reader, ' ');
    it.revision = (uint32_t)read_u64(&reader, ' ');
    it.running = read_u64(&reader, '\n') != 0;
    read_line(&reader, it.interface, INTERFACE_SIZE_MAX);
    read_line(&reader, it.instance, INSTANCE_SIZE_MAX);
    read_line(&reader, it.host_ip, HOST_IP_SIZE_MAX);
    read_line(&reader, it.thread_name, THREAD_NAME_SIZE_MAX);
    if (reader.failed) return -EBADMSG;
    *ret = it;
    *ret_order = order;
    return 0;
}

/* Events ------------------------------------------------------------------------------------ */

void record_write_event(struct buf *to, const struct task_log_event *event)
{
    char incarnation[INCARNATION_SIZE + 1] = "0"; /* nobody's, as the functions write it */

    if (event->incarnation != 0) incarnation_format(event->incarnation, incarnation);
    CHECK(buf_printf(to, "%" PRIu64 "\n%" PRIu32 "\n%s\n%" PRIu64 "\n%" PRIu64 "\n",
                     event->at_wall_ms, event->event, incarnation, event->sequence,
                     event->count ? event->count : 1) == 0);
    write_line(to, event->instance);
    CHECK(buf_append(to, "\n", 1) == 0);
    write_line(to, event->detail);
}

int record_read_event(struct text record, struct task_log_event *ret)
{
    struct reader reader = { .rest = record };
    struct task_log_event event = { 0 };
    struct text incarnation;

    event.at_wall_ms = read_u64(&reader, '\n');
    event.event = (uint32_t)read_u64(&reader, '\n');
    incarnation = read_until(&reader, '\n');
    event.sequence = read_u64(&reader, '\n');
    event.count = read_u64(&reader, '\n');
    read_line(&reader, event.instance, INSTANCE_SIZE_MAX);
    read_line(&reader, event.detail, sizeof(event.detail) - 1);
    if (!text_is_equal(incarnation, TEXT("0")) &&
        incarnation_parse(incarnation, &event.incarnation) < 0) {
        reader.failed = true;
    }
    if (reader.failed) return -EBADMSG;
    *ret = event;
    return 0;
}

/* Ledgers ----------------------------------------------------------------------------------- */

/* In the order of the record: first what adds up, then the maxima (functions/4_ledgers.lua). */
/* clang-format off */
#define COUNTS(X)                                                                              \
    X(seen) X(below) X(triggered) X(sampled) X(over_cap) X(pending) X(snapshots) X(cpu_ns)     \
    X(armed_ns) X(slowest_below_ns) X(late_ns_max) X(pause_ns_p50) X(pause_ns_p99)

/* Named, like reasons; those that are 0 are left out. */
#define NAMED_COUNTS(X) X(signals) X(perf) X(reads) X(repeats) X(interrupted)
/* clang-format on */

void record_write_counts(struct buf *to, const struct ledger *counts)
{
    const char *space = "";

#define WRITE(field)                                                \
    CHECK(buf_printf(to, "%s%" PRIu64, space, counts->field) == 0); \
    space = " ";
    COUNTS(WRITE)
#undef WRITE
    if (counts->stretched_ns > 0)
        CHECK(buf_printf(to, " m:stretched=%" PRIu64, counts->stretched_ns) == 0);
    for (int i = 0; i < CALL_DROP_COUNT; i++) {
        if (counts->drops[i] == 0) continue;
        CHECK(buf_printf(to, " c:%s=%" PRIu64, call_drop_slug((enum call_drop)i),
                         counts->drops[i]) == 0);
    }
    for (int i = 0; i < SNAPSHOT_DROP_COUNT; i++) {
        if (counts->snapshot_drops[i] == 0) continue;
        CHECK(buf_printf(to, " s:%s=%" PRIu64, snapshot_drop_slug((enum snapshot_drop)i),
                         counts->snapshot_drops[i]) == 0);
    }
#define WRITE_NAMED(field) \
    if (counts->field > 0) CHECK(buf_printf(to, " w:" #field "=%" PRIu64, counts->field) == 0);
    NAMED_COUNTS(WRITE_NAMED)
#undef WRITE_NAMED
}

static void read_named(struct text name, uint64_t count, struct ledger *counts)
{
#define READ_NAMED(field) \
    if (text_is_equal(name, TEXT(#field))) counts->field += count;
    NAMED_COUNTS(READ_NAMED)
#undef READ_NAMED
}

/* "c:reason=count", or "m:maximum=value". A reason that we do not know (of a newer scheduler) is
 * passed over. */
static void read_reason(struct text word, struct ledger *counts, struct reader *reader)
{
    struct reader inner = { .rest = word };
    struct text kind = read_until(&inner, ':'), slug = read_until(&inner, '=');
    uint64_t count = read_u64(&inner, ' ');
    enum snapshot_drop snapshot;
    enum call_drop call;

    if (inner.failed) {
        reader->failed = true;
    } else if (text_is_equal(kind, TEXT("c")) && call_drop_parse(slug, &call) == 0) {
        counts->drops[call] += count;
    } else if (text_is_equal(kind, TEXT("m")) && text_is_equal(slug, TEXT("stretched"))) {
        counts->stretched_ns = count;
    } else if (text_is_equal(kind, TEXT("s")) && snapshot_drop_parse(slug, &snapshot) == 0) {
        counts->snapshot_drops[snapshot] += count;
    } else if (text_is_equal(kind, TEXT("w"))) {
        read_named(slug, count, counts);
    }
}

static void read_counts(struct reader *reader, struct ledger *ret)
{
#define READ(field) ret->field = read_u64(reader, ' ');
    COUNTS(READ)
#undef READ
    while (reader->rest.size > 0)
        read_reason(read_until(reader, ' '), ret, reader);
}

int record_read_ledger(struct text record, struct task_ledger *ret)
{
    struct reader reader = { .rest = record };
    struct task_ledger row = { 0 };

    row.sequence = read_u64(&reader, '\n');
    row.delivered_wall_ms = read_u64(&reader, '\n');
    row.is_gone = read_u64(&reader, '\n') != 0;
    read_line(&reader, row.refused, sizeof(row.refused) - 1);
    read_line(&reader, row.instance, INSTANCE_SIZE_MAX);
    read_line(&reader, row.host_ip, HOST_IP_SIZE_MAX);
    read_counts(&reader, &row.counts);
    if (reader.failed) return -EBADMSG;
    if (row.is_gone) {
        row.counts.drops[CALL_DROP_INSTANCE_LOST] += row.counts.pending;
        row.counts.pending = 0;
    }
    *ret = row;
    return 0;
}

/* Settings ---------------------------------------------------------------------------------- */

void record_write_settings(struct buf *to, const struct application_settings *settings)
{
    CHECK(buf_printf(to, "%d %" PRIu32 " %" PRIu32 " %" PRIu64 "\n", settings->is_off,
                     settings->budget_core_ppm, settings->budget_thread_ppm,
                     settings->changed_wall_ms) == 0);
    write_line(to, settings->author);
}

int record_read_settings(struct text application, struct text record,
                         struct application_settings *ret)
{
    struct reader reader = { .rest = record };
    struct application_settings settings = { .application = "" };

    settings.is_off = read_u64(&reader, ' ') != 0;
    settings.budget_core_ppm = (uint32_t)read_u64(&reader, ' ');
    settings.budget_thread_ppm = (uint32_t)read_u64(&reader, ' ');
    settings.changed_wall_ms = read_u64(&reader, '\n');
    read_line(&reader, settings.author, AUTHOR_SIZE_MAX);
    if (reader.failed || application.size == 0 ||
        read_text(application, settings.application, APPLICATION_SIZE_MAX) < 0)
        return -EBADMSG;
    *ret = settings;
    return 0;
}

/* Tokens ------------------------------------------------------------------------------------ */

/* Schedulers of releases that know no scopes and no ends read the first four lines alone, and would
 * take such a token for one that may do all, for ever. So its role is written with a '+', which is
 * no role to them: there it opens nothing. */
static bool needs_more(const struct store_token *token)
{
    return token->expires_wall_ms != 0 || token->is_replaced || !scope_is_all(token->scope);
}

void record_write_token(struct buf *to, const struct store_token *token)
{
    write_line(to, token->name);
    CHECK(buf_printf(to, "\n%s", needs_more(token) ? "+" : "") == 0);
    write_line(to, token->role);
    CHECK(buf_printf(to, "\n%" PRIu64 "\n%" PRIu64, token->created_wall_ms,
                     token->revoked_wall_ms) == 0);
    if (!needs_more(token)) return;
    CHECK(buf_printf(to, "\n%" PRIu64 "\n%d", token->expires_wall_ms, token->is_replaced) == 0);
    for (size_t i = 0; scope_at(token->scope, i).size > 0; i++) {
        CHECK(buf_text(to, TEXT("\n")) == 0 && buf_text(to, scope_at(token->scope, i)) == 0);
    }
}

/* What is left is names, one a line; none means all. */
static struct scope *read_scope(struct reader *reader)
{
    struct text names[SCOPE_COUNT_MAX];
    size_t count = 0;

    while (reader->rest.size > 0 && !reader->failed) {
        struct text name = read_until(reader, '\n');

        if (count == SCOPE_COUNT_MAX || name.size == 0 || name.size > APPLICATION_SIZE_MAX)
            reader->failed = true;
        else
            names[count++] = name;
    }
    return count > 0 && !reader->failed ? scope_new(names, count) : NULL;
}

int record_read_token(struct text hash, struct text record, struct store_token *ret)
{
    struct reader reader = { .rest = record };
    struct store_token token = { .scope = NULL };
    char role[sizeof(token.role) + 1];
    bool has_more;

    if (hash.size != TOKEN_HASH_SIZE) return -EBADMSG;
    memcpy(token.hash, hash.data, hash.size);
    read_line(&reader, token.name, TOKEN_NAME_SIZE_MAX);
    read_line(&reader, role, sizeof(role) - 1);
    token.created_wall_ms = read_u64(&reader, '\n');
    token.revoked_wall_ms = read_u64(&reader, '\n');
    has_more = role[0] == '+';
    if (strlen(role + has_more) >= sizeof(token.role)) reader.failed = true;
    if (has_more && !reader.failed) {
        token.expires_wall_ms = read_u64(&reader, '\n');
        token.is_replaced = read_u64(&reader, '\n') != 0;
        token.scope = read_scope(&reader);
    }
    if (reader.failed) return -EBADMSG;
    memcpy(token.role, role + has_more, strlen(role + has_more));
    *ret = token;
    return 0;
}

/* The audit log ----------------------------------------------------------------------------- */

void record_write_audit(struct buf *to, const struct store_audit *entry)
{
    const char *const lines[] = { entry->who,         entry->from,    entry->what,
                                  entry->application, entry->subject, entry->detail };

    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        write_line(to, lines[i]);
        CHECK(buf_text(to, TEXT("\n")) == 0);
    }
}

int record_read_audit(struct text record, struct store_audit *ret)
{
    struct reader reader = { .rest = record };
    struct store_audit entry = { .at_wall_ms = 0 };

    read_line(&reader, entry.who, sizeof(entry.who) - 1);
    read_line(&reader, entry.from, sizeof(entry.from) - 1);
    read_line(&reader, entry.what, sizeof(entry.what) - 1);
    read_line(&reader, entry.application, sizeof(entry.application) - 1);
    read_line(&reader, entry.subject, sizeof(entry.subject) - 1);
    read_line(&reader, entry.detail, sizeof(entry.detail) - 1);
    if (reader.failed || !*entry.what) return -EBADMSG;
    *ret = entry;
    return 0;
}
