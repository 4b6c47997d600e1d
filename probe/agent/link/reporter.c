/* SPDX-License-Identifier: Apache-2.0 */
/* reporter.c
 *
 *     on_sample -> waiting[] --name, encode, thin--> queue --post--> settle
 *     sampler's thread | link's thread from here on
 *
 * The lock guards waiting[] alone, and is held for a store or two: the sampler never waits for
 * naming or for the network. */
#include "probe/agent/link/reporter.h"

#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "common/wire/report.h"
#include "probe/agent/engine/sampler.h"
#include "probe/agent/link/report_queue.h"
#include "probe/agent/link/settings.h"
#include "probe/agent/link/uplink.h"
#include "probe/agent/names/jit_map.h"
#include "probe/agent/names/symbol_index.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    WAITING_MAX = 2 * SAMPLES_IN_FLIGHT_MAX,
    REPORT_TIMEOUT_S = 10,
    JIT_NAME_SIZE = 512, /* names of templates and signatures are cut there */
    SYMBOLS_SIZE_MAX = SYMBOL_INDEX_SIZE_MAX / 4 * 3, /* the rest: name_data()'s index */
};

struct reporter {
    struct reporter_options options;
    pthread_mutex_t lock;
    struct sample *waiting[WAITING_MAX]; /* lock; in order of arrival */
    uint32_t waiting_count;              /* lock */
    size_t waiting_size;                 /* lock; bytes, estimated */
    size_t queued_size;                  /* lock; a copy of queue.size */
    struct report_queue queue;           /* the link's thread, like the next two */
    struct uplink_lane lane;
    struct symbol_index *symbols;
    struct jit_map *jit;
};

struct reporter *reporter_new(const struct reporter_options *options)
{
    struct reporter *reporter = calloc(1, sizeof *reporter);

    if (!reporter) return NULL;
    reporter->options = *options;
    reporter->queue = REPORT_QUEUE_INIT(REPORTS_QUEUED_SIZE_MAX + REPORT_SIZE_MAX);
    reporter->symbols = symbol_index_new(SYMBOLS_SIZE_MAX);
    pthread_mutex_init(&reporter->lock, NULL);
    reporter->jit = jit_map_new(NULL);
    if (!reporter->symbols || !reporter->jit) return reporter_free(reporter);
    return reporter;
}

struct reporter *reporter_free(struct reporter *reporter)
{
    if (!reporter) return NULL;
    for (uint32_t i = 0; i < reporter->waiting_count; i++) {
        sample_free(reporter->waiting[i]);
    }
    report_queue_done(&reporter->queue);
    symbol_index_free(reporter->symbols);
    jit_map_free(reporter->jit);
    pthread_mutex_destroy(&reporter->lock);
    free(reporter);
    return NULL;
}

static void settle(const struct reporter *reporter, const struct sample_id *id, uint32_t revision,
                   int outcome, enum call_drop drop)
{
    reporter->options.settle(&(struct settlement){
        .sample = *id, .revision = revision, .outcome = outcome, .drop = drop });
}

/* ---- waiting ---- */

/* What a sample weighs in memory, about. */
static size_t sample_size(const struct sample *sample)
{
    const struct stack_table *stacks = &sample->stacks;

    return sizeof *sample + sample->snapshot_count * sizeof *sample->snapshots +
           stacks->frame_count * sizeof *stacks->frames +
           stacks->stack_count * sizeof *stacks->stacks +
           stacks->stack_frame_count * sizeof *stacks->stack_frames;
}

/* An empty queue takes a sample of any size: its report is bounded. */
static bool has_room(const struct reporter *reporter, size_t size)
{
    size_t held = reporter->waiting_size + reporter->queued_size;

    if (reporter->waiting_count == WAITING_MAX) return false;
    return held == 0 || held + size <= REPORTS_QUEUED_SIZE_MAX;
}

bool reporter_add(struct reporter *reporter, struct sample *take_sample)
{
    size_t size = sample_size(take_sample);
    bool is_taken;

    pthread_mutex_lock(&reporter->lock);
    is_taken = has_room(reporter, size);
    if (is_taken) {
        reporter->waiting[reporter->waiting_count++] = take_sample;
        reporter->waiting_size += size;
    }
    pthread_mutex_unlock(&reporter->lock);
    if (is_taken) return true;
    settle(reporter, &take_sample->id, take_sample->revision, 0, CALL_DROP_QUEUE_FULL);
    sample_free(take_sample);
    return false;
}

static struct sample *take_waiting(struct reporter *reporter)
{
    struct sample *sample = NULL;

    pthread_mutex_lock(&reporter->lock);
    reporter->queued_size = reporter->queue.size;
    if (reporter->waiting_count > 0) {
        sample = reporter->waiting[0];
        reporter->waiting_size -= sample_size(sample);
        reporter->waiting_count--;
        memmove(reporter->waiting, reporter->waiting + 1,
                reporter->waiting_count * sizeof *reporter->waiting);
    }
    pthread_mutex_unlock(&reporter->lock);
    return sample;
}

size_t reporter_size(struct reporter *reporter)
{
    size_t size;

    pthread_mutex_lock(&reporter->lock);
    size = reporter->waiting_size;
    pthread_mutex_unlock(&reporter->lock);
    return size + reporter->queue.size + symbol_index_size(reporter->symbols) +
           jit_map_size(reporter->jit);
}

/* ---- names ---- */

static void name_frame(struct reporter *reporter, struct stack_table *stacks, uint32_t index)
{
    const struct frame *frame = &stacks->frames[index];
    const struct module *module = &stacks->modules[frame->module];
    struct symbol_module where = { stack_table_text(stacks, module->path),
                                   { (const char *)module->build_id, module->build_id_size } };
    struct symbol symbol;

    if (symbol_index_function(reporter->symbols, &where, frame->offset, &symbol) < 0) return;
    stack_table_name_frame(stacks, index, text_of(symbol.name), symbol.begin);
}

/* Code in no module's memory: a JIT may have written down what it is. */
static bool is_compiled_late(const struct stack_table *stacks, const struct frame *frame)
{
    return text_is_equal(stack_table_text(stacks, stacks->modules[frame->module].path),
                         TEXT("[unknown]"));
}

static void name_compiled(struct reporter *reporter, struct stack_table *stacks, uint32_t index,
                          bool *is_fresh)
{
    char name[JIT_NAME_SIZE];
    uint64_t begin;
    size_t size;

    if (!*is_fresh) jit_map_refresh(reporter->jit);
    *is_fresh = true;
    size = jit_map_find(reporter->jit, stacks->frames[index].offset, name, sizeof name, &begin);
    if (size > 0) stack_table_name_frame(stacks, index, (struct text){ name, size }, begin);
}

static void name_frames(struct reporter *reporter, struct stack_table *stacks)
{
    bool is_fresh = false; /* the perf map: it is looked at once per sample */

    for (uint32_t i = 0; i < stacks->frame_count; i++) {
        const struct frame *frame = &stacks->frames[i];

        if (frame->kind != FRAME_NATIVE || frame->function != 0) continue;
        if (frame->module >= stacks->module_count) continue;
        if (is_compiled_late(stacks, frame))
            name_compiled(reporter, stacks, i, &is_fresh);
        else
            name_frame(reporter, stacks, i);
    }
}

/* ---- encoding ---- */

static void introduce(const struct reporter *reporter, const char *host_ip, struct sample *sample)
{
    const struct settings *settings = reporter->options.settings;

    snprintf(sample->application, sizeof sample->application, "%s", settings->application);
    snprintf(sample->instance, sizeof sample->instance, "%s", settings->instance);
    snprintf(sample->host_ip, sizeof sample->host_ip, "%s", host_ip);
    sample->incarnation = reporter->options.incarnation;
}

/* Thins until the report fits. Returns 0 and how often in *ret_thinned. */
static int encode(struct sample *sample, struct buf *to, uint32_t *ret_thinned)
{
    uint32_t thinned = 0;
    int rc;

    for (;;) {
        buf_reset(to);
        rc = report_encode(sample, to);
        if (rc != -ENOBUFS || sample_thin(sample) == 0) break;
        thinned++;
    }
    if (rc == 0) *ret_thinned = thinned;
    return rc;
}

static int report_make(struct sample *sample, struct report **ret, uint32_t *ret_thinned)
{
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    OWN(report_freep) struct report *report = calloc(1, sizeof *report);
    int rc;

    if (!report) return -ENOMEM;
    rc = encode(sample, &body, ret_thinned);
    if (rc < 0) return rc;
    report->id = sample->id;
    report->task = sample->task;
    report->revision = sample->revision;
    report->body = buf_take(&body, &report->size);
    *ret = report_take(&report);
    return 0;
}

/* Returns how often it was thinned. */
static uint32_t enqueue(struct reporter *reporter, const char *host_ip, struct sample *sample)
{
    struct report *report;
    uint32_t thinned = 0;

    introduce(reporter, host_ip, sample);
    name_frames(reporter, &sample->stacks);
    if (report_make(sample, &report, &thinned) < 0) {
        settle(reporter, &sample->id, sample->revision, 0, CALL_DROP_ENCODING);
    } else if (report_queue_add(&reporter->queue, report) < 0) {
        report_free(report);
        settle(reporter, &sample->id, sample->revision, 0, CALL_DROP_QUEUE_FULL);
    }
    return thinned;
}

uint32_t reporter_encode(struct reporter *reporter, const char *host_ip,
                         struct task_id *ret_thinned)
{
    struct sample *sample;
    uint32_t count = 0;

    while ((sample = take_waiting(reporter)) != NULL) {
        if (enqueue(reporter, host_ip, sample) > 0) {
            *ret_thinned = sample->task;
            count++;
        }
        sample_free(sample);
    }
    return count;
}

/* ---- sending ---- */

static int read_outcome(struct text body, int *ret)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_report_answer answer;
    struct problem problem;

    if (wire_report_answer_decode(body, &arena, &answer, &problem) < 0) return -EPROTO;
    if (answer.outcome < REPORT_ACCEPTED || answer.outcome > REPORT_NO_TASK) return -EPROTO;
    *ret = (int)answer.outcome;
    return 0;
}

/* The first report is done with. */
static int finish(struct reporter *reporter, int outcome, enum call_drop drop)
{
    struct report *report = report_queue_take_first(&reporter->queue);

    settle(reporter, &report->id, report->revision, outcome, drop);
    report_free(report);
    return 0;
}

int reporter_send(struct reporter *reporter, struct uplink *uplink)
{
    struct report *report = report_queue_first(&reporter->queue);
    struct http_request request = { .path = "/probe/v1/report",
                                    .timeout_ns = REPORT_TIMEOUT_S * NS_PER_S };
    struct text body;
    int outcome, rc;

    if (!report) return -ENODATA;
    request.body = (struct text){ report->body, report->size };
    rc = uplink_post(uplink, &reporter->lane, &request, &body);
    if (rc == -EBADMSG) return finish(reporter, 0, CALL_DROP_REFUSED);
    if (rc == 0 && read_outcome(body, &outcome) < 0)
        rc = uplink_distrust(uplink, &reporter->lane, "its answer to a report cannot be read");
    if (rc == 0) return finish(reporter, outcome, 0);
    report_queue_defer(&reporter->queue);
    return rc;
}

struct uplink_lane *reporter_lane(struct reporter *reporter)
{
    return &reporter->lane;
}
