/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c: the whole chain, link by link, from this program to the threads that are watched.
 *
 * A check adds a line: ok, warn or fail; what is true; and what to do about it. A link that is
 * broken ends the walk, because nothing behind it can be asked. The scheduler judges what it
 * knows better (its store, its loop); here is judged what only the whole shows: versions, clocks,
 * silent instances, tasks that nobody took. */
#include "common/base/clock.h"
#include "common/model/ledger.h"
#include "tools/cli/cli.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/ledger.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OFFSET_MS_MAX = 2000, TASKS_ASKED_MAX = 20, TEXT_SIZE_MAX = 64 * 1024, LINES_MAX = 200 };

enum state {
    OK,
    WARN,
    FAIL,
};

static const struct {
    const char *name;
    enum paint paint;
} states[] = { { "ok", PAINT_OK }, { "warn", PAINT_WARN }, { "fail", PAINT_ERR } };

struct doctor {
    struct cli *cli;
    json_t *lines; /* what --json prints */
    size_t warning_count, failure_count, left_out;
};

/* The text is the scheduler's where it could be; it is escaped when it is shown. */
static json_t *string_of(const char *text)
{
    json_t *string = json_string(text);

    return string ? string : json_string("(not UTF-8)");
}

static void put_line(struct cli *cli, enum state state, const char *name, const char *detail,
                     const char *advice)
{
    enum { BEGIN = 17 };
    OWN(buf_done) struct buf shown = BUF_INIT(8 * TEXT_SIZE_MAX);

    screen_paint(&cli->screen, states[state].paint, text_of(states[state].name), &cli->out);
    (void)buf_printf(&cli->out, "%*s%-11s", 6 - (int)strlen(states[state].name), "", name);
    screen_put(&cli->screen, text_of(detail), &shown);
    screen_wrap(&cli->screen, buf_peek(&shown), cli->screen.width - BEGIN, BEGIN, &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
    if (!*advice) return;
    put_blanks(&cli->out, BEGIN);
    screen_wrap(&cli->screen, text_of(advice), cli->screen.width - BEGIN, BEGIN, &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

/* `advice`: what to do, in words of ours; empty if there is nothing to do. */
static void add(struct doctor *doctor, enum state state, const char *name, const char *advice,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
static void add(struct doctor *doctor, enum state state, const char *name, const char *advice,
                const char *format, ...)
{
    OWN(buf_done) struct buf detail = BUF_INIT(TEXT_SIZE_MAX);
    va_list args;
    json_t *line;

    va_start(args, format);
    (void)buf_vprintf(&detail, format, args);
    va_end(args);
    doctor->warning_count += state == WARN;
    doctor->failure_count += state == FAIL;
    if (json_array_size(doctor->lines) >= LINES_MAX) {
        doctor->left_out++;
        return;
    }
    line = json_object();
    (void)json_object_set_new(line, "name", json_string(name));
    (void)json_object_set_new(line, "state", json_string(states[state].name));
    (void)json_object_set_new(line, "detail", string_of(buf_peek(&detail).data));
    (void)json_object_set_new(line, "advice", json_string(advice));
    (void)json_array_append_new(doctor->lines, line);
    if (line_has(doctor->cli->line, OPTION_JSON)) return;
    put_line(doctor->cli, state, name, buf_peek(&detail).data, advice);
}

/* ------------------------------------------------------------------ the scheduler */

/* An answer of any status, or a failed line. */
static bool ask(struct doctor *doctor, const char *path, struct answer *ret)
{
    char error[CLIENT_ERROR_SIZE];

    if (client_ask(doctor->cli->client, &(struct request){ .path = path, .timeout_s = 15 }, ret,
                   error) == 0) {
        return true;
    }
    add(doctor, FAIL, "server",
        "Start it (stakeoutd, or systemctl start stakeoutd), or name another one with --server.",
        "%s", error);
    return false;
}

static bool check_server(struct doctor *doctor)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const char *server = doctor->cli->config.server;
    struct text version;

    if (!ask(doctor, "/healthz", &answer)) return false;
    version = field_text(answer.document, "version");
    if (version.size == 0) {
        add(doctor, FAIL, "server", "Look at --server, STAKEOUT_SERVER and the file.",
            "%s (from %s) answers, but it is no stakeoutd (status %d).", server,
            doctor->cli->config.server_from, answer.status);
        return false;
    }
    add(doctor, OK, "server", "", "%s answers in %" PRIu64 " ms.", server, answer.elapsed_ms);
    if (text_is_equal(version, TEXT(STAKEOUT_VERSION))) {
        add(doctor, OK, "version", "", "Scheduler and CLI are " STAKEOUT_VERSION ".");
    } else {
        add(doctor, WARN, "version", "Install the same version of both.",
            "The scheduler is %.*s, this CLI " STAKEOUT_VERSION ".", TEXT_ARGS(version));
    }
    return true;
}

static void check_clock(struct doctor *doctor, const json_t *session)
{
    uint64_t there_ms = field_time_ms(session, "time"), here_ms = ns_to_ms(clock_wall_ns());
    int64_t ahead_ms = (int64_t)there_ms - (int64_t)here_ms;

    if (there_ms == 0) return;
    if (ahead_ms > OFFSET_MS_MAX || ahead_ms < -OFFSET_MS_MAX) {
        add(doctor, WARN, "clock", "Set the clocks by NTP; tasks do not depend on them, dates do.",
            "The scheduler's clock is %.1f s %s of this machine's.", fabs((double)ahead_ms) / 1000,
            ahead_ms > 0 ? "ahead" : "behind");
    } else {
        add(doctor, OK, "clock", "", "The scheduler's clock agrees with this machine's.");
    }
}

static const char *advice_for(struct text check)
{
    if (text_is_equal(check, TEXT("store"))) {
        return "Look at the scheduler's log and at its Redis; tasks go on when it answers again.";
    }
    if (text_is_equal(check, TEXT("loop"))) {
        return "Where it was without a CPU, its machine is too busy: give it more. Where it was at "
               "work or waited, that is a fault of ours: please report it, with its log.";
    }
    return "Wait a moment; if it stays, look at the scheduler's log.";
}

static const char *advice_on(struct text guarantee)
{
    if (text_starts_with(guarantee, TEXT("Redis has lost its replica")))
        return "Bring it back; if it is not to come back, restart the scheduler.";
    return "Use the private Redis, or one with appendfsync always.";
}

static void check_durability(struct doctor *doctor, struct text guarantee)
{
    bool keeps_all = text_starts_with(guarantee, TEXT("What was acknowledged survives"));

    if (guarantee.size == 0) return;
    add(doctor, keeps_all ? OK : WARN, "durability", keeps_all ? "" : advice_on(guarantee), "%.*s",
        TEXT_ARGS(guarantee));
}

/* Asked before the token: anyone may, and a scheduler without its store knows no token. Of a store
 * that is away nothing is known about what it keeps. */
static bool check_ready(struct doctor *doctor)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    size_t i, failure_count = doctor->failure_count;
    const json_t *check;

    if (!ask(doctor, "/readyz", &answer)) return false;
    json_array_foreach(field_array(answer.document, "checks"), i, check)
    {
        struct text name = field_text(check, "name");
        bool is_ok = field_is_true(check, "ok");
        char name_text[32];

        snprintf(name_text, sizeof name_text, "%.*s", TEXT_ARGS(name));
        add(doctor, is_ok ? OK : FAIL, name_text, is_ok ? "" : advice_for(name), "%.*s",
            TEXT_ARGS(field_text(check, "detail")));
    }
    if (answer.status == 200) {
        check_durability(doctor, field_text(answer.document, "guarantee"));
    } else if (doctor->failure_count == failure_count) {
        add(doctor, FAIL, "scheduler", advice_for(TEXT("")),
            "It is not ready, and does not say why: status %d.", answer.status);
    }
    return answer.status == 200;
}

/* Only 401 and 403 speak of the token; whatever else keeps the scheduler from knowing us is its own
 * trouble. */
static void refuse_session(struct doctor *doctor, const struct answer *answer)
{
    const char *from = doctor->cli->config.token_from;
    struct text detail = field_text(answer->document, "detail");

    if (answer->status == 401 || answer->status == 403) {
        add(doctor, FAIL, "token",
            "stakeoutd token create makes one; give it with STAKEOUT_TOKEN, --token or the file.",
            "%s%s %.*s", from ? from : "No token was given.", from ? ":" : "", TEXT_ARGS(detail));
    } else {
        add(doctor, FAIL, "scheduler", advice_for(TEXT("")),
            "It does not say who we are: status %d. %.*s", answer->status, TEXT_ARGS(detail));
    }
}

/* " of 'shop', 'cart'": of which applications a token is, if not of all. */
static void put_scope(const json_t *session, struct buf *to)
{
    const json_t *applications = json_object_get(session, "applications"), *name;
    size_t i;

    json_array_foreach(applications, i, name)
    {
        (void)buf_printf(to, "%s'%s'", i > 0 ? ", " : " of ", json_string_value(name));
    }
}

static bool check_token(struct doctor *doctor)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    OWN(buf_done) struct buf scope = BUF_INIT(TEXT_SIZE_MAX);
    struct text role;

    if (!ask(doctor, "/api/v1/session", &answer)) return false;
    if (answer.status != 200) {
        refuse_session(doctor, &answer);
        return false;
    }
    role = field_text(answer.document, "role");
    put_scope(answer.document, &scope);
    if (text_is_equal(role, TEXT("operator"))) {
        add(doctor, OK, "token", "", "The scheduler knows us as '%.*s', who may create tasks%.*s.",
            TEXT_ARGS(field_text(answer.document, "name")), TEXT_ARGS(buf_peek(&scope)));
    } else {
        add(doctor, WARN, "token", "An operator's token is needed to create, cancel or extend.",
            "The scheduler knows us as '%.*s', who may look (%.*s)%.*s.",
            TEXT_ARGS(field_text(answer.document, "name")), TEXT_ARGS(role),
            TEXT_ARGS(buf_peek(&scope)));
    }
    check_clock(doctor, answer.document);
    return true;
}

/* ------------------------------------------------------------------ instances */

static void check_offset(struct doctor *doctor, const json_t *instance)
{
    double offset_ms = field_number(instance, "clock_offset_ms");

    if (isnan(offset_ms) || fabs(offset_ms) <= OFFSET_MS_MAX) return;
    add(doctor, WARN, "clock", "Set its clock by NTP; tasks do not depend on it, dates do.",
        "The clock of %.*s is %.1f s %s of the scheduler's.",
        TEXT_ARGS(field_text(instance, "instance")), fabs(offset_ms) / 1000,
        offset_ms > 0 ? "ahead" : "behind");
}

/* What to do about an instance's note, by its slug, or about its trouble, by a word of it. */
static const struct {
    const char *word, *advice;
} cures[] = {
    { "no-record", "End every call that is begun; so many at once are not watched." },
    { "no-slot", "Run calls on fewer threads, or let threads end that run none." },
    { "too-deep", "Begin fewer calls within calls; the innermost ones are not watched." },
    { "no-interface", "Name interfaces by pattern, GET /item/{id}, not by the URL of a call." },
    { "forgotten", "End every call that is begun, also where the handler fails." },
    { "stale-token", "End each call once; attach what is detached, and nothing else." },
    { "moved-end", "Detach and attach a call that goes to another thread." },
    { "seccomp filter kills", "Let it allow these calls, or answer them with an error." },
    { "filters that were not tried",
      "Set filters for all threads at once (TSYNC), or before the threads are started." },
    { "process_vm_readv", "In a container, let seccomp allow it, or add CAP_SYS_PTRACE." },
    { "/syscall",
      "Let the process read its own /proc: no hidepid, no ptrace ban (Yama, seccomp)." },
    { "schedstat", "Nothing else is lost; kernels with CONFIG_SCHED_INFO have it." },
    { "perf_event_paranoid",
      "Give the process CAP_PERFMON (seccomp in a container, too), or unset STAKEOUT_ENGINE." },
    { "perf_event_mlock_kb", "Raise these limits, or leave it: nothing is lost." },
    { "perf", "Unset STAKEOUT_ENGINE if signals will do." },
    { "block our signal",
      "Let the threads receive SIGURG, or set STAKEOUT_SIGNAL to another one." },
    { "switched itself off", "Restart the process, and report the sentence as a bug of stakeout." },
};

static const char *advice_about(const char *sentence)
{
    for (size_t i = 0; i < ARRAY_COUNT(cures); i++) {
        if (strstr(sentence, cures[i].word)) return cures[i].advice;
    }
    return "";
}

static const char *says(const char *slug)
{
    for (unsigned i = 0; i < NOTE_COUNT; i++) {
        if (strcmp(note_slug((enum note)i), slug) == 0) return note_says((enum note)i);
    }
    return "an unknown reason";
}

static void check_notes(struct doctor *doctor, const json_t *instance)
{
    json_t *notes = json_object_get(instance, "notes"), *value;
    const char *slug;

    json_object_foreach(notes, slug, value)
    {
        if (json_integer_value(value) <= 0) continue;
        add(doctor, WARN, "probe", advice_about(slug),
            "%.*s: %s, %" JSON_INTEGER_FORMAT " time%s: %s.",
            TEXT_ARGS(field_text(instance, "instance")), slug, json_integer_value(value),
            json_integer_value(value) == 1 ? "" : "s", says(slug));
    }
}

static void check_switch(struct doctor *doctor, const json_t *instance)
{
    if (!text_is_equal(field_text(instance, "probe"), TEXT("off"))) return;
    add(doctor, WARN, "probe",
        "'stakeout application set APPLICATION --probe on' switches it on again.",
        "%.*s is switched off by an operator: it watches nothing.",
        TEXT_ARGS(field_text(instance, "instance")));
}

static void check_troubles(struct doctor *doctor, const json_t *instance)
{
    const json_t *trouble;
    size_t i;

    json_array_foreach(field_array(instance, "troubles"), i, trouble)
    {
        const char *sentence = json_string_value(trouble);

        if (!sentence) sentence = "(unknown)";
        add(doctor, WARN, "probe", advice_about(sentence), "%.*s: %s",
            TEXT_ARGS(field_text(instance, "instance")), sentence);
    }
}

/* One that is gone needs nothing. */
static bool is_gone(const json_t *instance)
{
    return text_is_equal(field_text(instance, "state"), TEXT("gone"));
}

static bool is_polling(const json_t *instance)
{
    return text_is_equal(field_text(instance, "state"), TEXT("polling"));
}

static void check_state(struct doctor *doctor, const json_t *instance, uint64_t now_wall_ms)
{
    struct text state = field_text(instance, "state"), name = field_text(instance, "instance");
    uint64_t seen_ms = field_time_ms(instance, "last_seen");
    OWN(buf_done) struct buf ago = BUF_INIT(256);

    format_ago(now_wall_ms > seen_ms ? now_wall_ms - seen_ms : 0, &ago);
    if (text_is_equal(state, TEXT("refused"))) {
        add(doctor, FAIL, "instance", "Link it with the probe of this version, or upgrade both.",
            "%.*s is refused: it speaks protocol %" PRIu64 ", and %" PRIu64 " is needed.",
            TEXT_ARGS(name), field_count(instance, "protocol"),
            field_count(instance, "needs_protocol"));
    } else if (text_is_equal(state, TEXT("silent"))) {
        add(doctor, WARN, "instance", "Is the process stopped, or its way to the scheduler cut?",
            "%.*s is silent since %s.", TEXT_ARGS(name), ago.data);
    }
}

static void check_instances(struct doctor *doctor)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const json_t *instances, *instance;
    size_t i, polling = 0, there = 0;

    if (!ask(doctor, "/api/v1/instances", &answer)) return;
    instances = field_array(answer.document, "instances");
    json_array_foreach(instances, i, instance)
    {
        if (is_gone(instance)) continue;
        there++;
        polling += is_polling(instance);
        check_state(doctor, instance, view_server_now_ms(&answer));
        check_offset(doctor, instance);
        check_switch(doctor, instance);
        check_troubles(doctor, instance);
        check_notes(doctor, instance);
    }
    if (polling > 0) {
        add(doctor, OK, "instances", "", "%zu of %zu are polling.", polling, there);
    } else {
        add(doctor, WARN, "instances",
            "Link a program with the probe (pkg-config stakeout), call stakeout_start(), and set "
            "STAKEOUT_SERVER; STAKEOUT_LOG=stderr makes the probe say why it cannot connect.",
            "No instance is polling.");
    }
}

/* ------------------------------------------------------------------ tasks */

/* A task that has been active for a while and that nobody took. */
static void check_task(struct doctor *doctor, const json_t *task)
{
    OWN(answer_done) struct answer ledger = ANSWER_INIT;
    OWN(buf_done) struct buf path = BUF_INIT(4096);
    struct task_id id;

    if (task_id_parse(field_text(task, "id"), &id) < 0) return;
    (void)buf_printf(&path, "/api/v1/tasks/%s/ledger", id.text);
    if (!ask(doctor, path.data, &ledger) || ledger.status != 200) return;
    if (ledger_has_taker(ledger.document)) return;
    add(doctor, WARN, "task", "stakeout task show says more.", "%s, %.*s of %.*s: %.*s", id.text,
        TEXT_ARGS(field_text(task, "interface")), TEXT_ARGS(field_text(task, "application")),
        TEXT_ARGS(field_text(ledger.document, "verdict")));
}

static void check_tasks(struct doctor *doctor)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const json_t *tasks, *task;
    size_t i;

    if (!ask(doctor, "/api/v1/tasks?state=ACTIVE", &answer)) return;
    if (answer.status != 200) {
        add(doctor, FAIL, "active", "", "%.*s", TEXT_ARGS(field_text(answer.document, "detail")));
        return;
    }
    tasks = field_array(answer.document, "tasks");
    add(doctor, OK, "active", "", "%zu%s task%s active.", json_array_size(tasks),
        field_text(answer.document, "next").size > 0 ? " or more" : "",
        json_array_size(tasks) == 1 ? " is" : "s are");
    json_array_foreach(tasks, i, task)
    {
        if (i < TASKS_ASKED_MAX) check_task(doctor, task);
    }
}

static void walk(struct doctor *doctor)
{
    if (!check_server(doctor)) return;
    if (!check_ready(doctor)) return;
    if (!check_token(doctor)) return;
    check_instances(doctor);
    check_tasks(doctor);
}

static void put_json(struct doctor *doctor)
{
    json_t *document = json_pack("{s:O}", "checks", doctor->lines);
    char *text = json_dumps(document, JSON_INDENT(1));

    (void)buf_text(&doctor->cli->out, text_of(text));
    (void)buf_text(&doctor->cli->out, TEXT("\n"));
    free(text);
    json_decref(document);
}

static void put_sum(struct doctor *doctor)
{
    struct cli *cli = doctor->cli;

    if (doctor->left_out > 0) {
        (void)buf_printf(&cli->out, "Left out: %zu more lines.\n", doctor->left_out);
    }
    if (doctor->failure_count > 0) {
        (void)buf_printf(&cli->out, "Failed: %zu; warnings: %zu.\n", doctor->failure_count,
                         doctor->warning_count);
    } else if (doctor->warning_count > 0) {
        (void)buf_printf(&cli->out, "It works; warnings: %zu.\n", doctor->warning_count);
    } else {
        (void)buf_text(&cli->out, TEXT("Everything works.\n"));
    }
}

int command_doctor(struct cli *cli)
{
    struct doctor doctor = { .cli = cli, .lines = json_array() };

    walk(&doctor);
    if (line_has(cli->line, OPTION_JSON)) {
        put_json(&doctor);
    } else {
        put_sum(&doctor);
    }
    json_decref(doctor.lines);
    return doctor.failure_count > 0 ? CLI_FAILED : CLI_DONE;
}
