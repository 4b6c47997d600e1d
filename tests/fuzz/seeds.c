/* SPDX-License-Identifier: Apache-2.0 */
/* seeds.c: writes the corpora of the decoders of common, or checks that they are what it would
 * write: seeds [--check] CORPUS-DIRECTORY. Run it after a change of messages.def.
 *
 * A seed is valid, or one step from it: from there a fuzzer finds the rest. */
#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "common/wire/report.h"
#include "tests/unit/common/support/random_sample.h"

#include "common/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct seeds {
    const char *directory;
    bool only_checks;
    uint32_t wrong_count;
};

static bool is_content(const char *path, struct text content)
{
    OWN(mem_freep) char *data = mem_alloc(content.size + 1);
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file) return false;
    size = fread(data, 1, content.size + 1, file);
    fclose(file);
    return text_is_equal((struct text){ data, size }, content);
}

static void write_content(const char *path, struct text content)
{
    FILE *file = fopen(path, "wb");

    CHECK(file != NULL);
    CHECK(fwrite(content.data, 1, content.size, file) == content.size);
    CHECK(fclose(file) == 0);
}

static void seed(struct seeds *seeds, const char *harness, const char *name, struct text content)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/%s", seeds->directory, harness);
    if (!seeds->only_checks) CHECK(mkdir(path, 0777) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/%s/%s", seeds->directory, harness, name);
    if (!seeds->only_checks) {
        write_content(path, content);
    } else if (!is_content(path, content)) {
        fprintf(stderr, "%s: not what seeds would write; run it without --check\n", path);
        seeds->wrong_count++;
    }
}

/* Encodes `value` as the message and makes it a seed of the message's harness. */
#define SEED(seeds, message, name, value)                              \
    do {                                                               \
        OWN(buf_done) struct buf seed_buf = BUF_INIT(REPORT_SIZE_MAX); \
        CHECK(wire_##message##_encode(value, &seed_buf) == 0);         \
        seed(seeds, #message, name, buf_peek(&seed_buf));              \
    } while (0)

static void seed_polls(struct seeds *seeds)
{
    struct wire_poll_task tasks[] = {
        { TEXT("0193e5f1a2b0000000f1"), TEXT("POST /checkout"), 1, 100, 20, 10, 299000, false },
        { TEXT("0193e5f1a2b0000000f2"), TEXT("GET /*"), 2, 50, 5, 1, 0, true },
    };

    SEED(seeds, identity, "v2", (&(struct wire_identity){ 2, TEXT("shop"), TEXT("host:1"), 7 }));
    SEED(seeds, poll, "first",
         (&(struct wire_poll){ .protocol = 1,
                               .application = TEXT("shop"),
                               .instance = TEXT("host-1:4711"),
                               .incarnation = UINT64_C(0x0123456789abcdef) }));
    SEED(seeds, poll, "parked",
         (&(struct wire_poll){ 1, TEXT("shop"), TEXT("host-1:4711"), 7, TEXT("e1-42"),
                               UINT64_C(1763694727482000000) }));
    SEED(seeds, poll_answer, "empty",
         (&(struct wire_poll_answer){ .protocol = 1, .version = TEXT("e1-0") }));
    SEED(seeds, poll_answer, "tasks",
         (&(struct wire_poll_answer){ 1, TEXT("e1-42"), tasks, 2, true, 10000, 5000 }));
    seed(seeds, "poll", "bomb-map32", TEXT("\xdf\x10\x00\x00\x00"));
    seed(seeds, "poll", "bomb-array32", TEXT("\xdd\x0f\xff\xff\xff\xdd\x0f\xff\xff\xff"));
    seed(seeds, "poll", "ext", TEXT("\x81\x01\xd4\x01\x00"));
    seed(seeds, "poll", "version-9", TEXT("\x81\x01\x09"));
    seed(seeds, "poll", "twice", TEXT("\x82\x01\x01\x01\x01"));
}

static void seed_pulses(struct seeds *seeds)
{
    struct wire_reason_count drops[] = { { TEXT("no-sample"), 2 }, { TEXT("queue-full"), 1 } };
    struct wire_pulse_interface interfaces[] = {
        { TEXT("POST /checkout"), 1000, 730000000, TEXT("\x10\x03\x01\x02") },
        { TEXT("GET /cart/{id}"), 1, 2000, TEXT("\x04\x01") },
    };
    struct wire_pulse_ledger ledger = {
        .task = TEXT("0193e5f1a2b0000000f1"),
        .seen = 100,
        .below = 90,
        .triggered = 10,
        .sampled = 7,
        .drops = drops,
        .drops_count = 2,
        .snapshots = 400,
        .snapshot_drops = drops,
        .snapshot_drops_count = 1,
        .late_ns_max = 1000000,
    };
    struct text troubles[] = { TEXT("signal 23 is taken by the host") };
    struct wire_pulse pulse = {
        .protocol = 1,
        .application = TEXT("shop"),
        .instance = TEXT("host-1:4711"),
        .incarnation = 7,
        .sequence = 3,
        .host_ip = TEXT("10.0.0.7"),
        .library = TEXT("0.1.0"),
        .language = TEXT("c"),
        .pid = 4711,
        .is_last = true,
        .interfaces = interfaces,
        .interfaces_count = 2,
        .ledgers = &ledger,
        .ledgers_count = 1,
        .notes = drops,
        .notes_count = 2,
        .troubles = troubles,
        .troubles_count = 1,
    };

    SEED(seeds, pulse, "full", &pulse);
    SEED(seeds, pulse_answer, "plain", (&(struct wire_pulse_answer){ 1, 99 }));
    SEED(seeds, report_answer, "accepted", (&(struct wire_report_answer){ 1, REPORT_ACCEPTED }));
}

static void seed_logs(struct seeds *seeds)
{
    struct wire_log_event events[] = {
        { 1, TEXT("0193e5f1a2b0000000f1"), 6, 1000000, TEXT(""), 1 },
        { 2, TEXT("0193e5f1a2b0000000f1"), 12, 5000, TEXT("no-sample"), 17 },
    };

    SEED(seeds, log, "two",
         (&(struct wire_log){ 1, TEXT("shop"), TEXT("host-1:4711"), 7, events, 2 }));
}

static void seed_reports(struct seeds *seeds)
{
    static const uint32_t counts[] = { 1, 2, 7, 40 };
    struct random_source source = { 2026 };

    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        OWN(sample_freep) struct sample *sample = random_sample(&source, counts[i]);
        OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
        char name[32];

        CHECK(report_encode(sample, &body) == 0);
        snprintf(name, sizeof name, "snapshots-%u", counts[i]);
        seed(seeds, "report", name, buf_peek(&body));
    }
}

static void seed_histograms(struct seeds *seeds)
{
    struct histogram histogram = { 0 };
    OWN(buf_done) struct buf bytes = BUF_INIT(2048);

    seed(seeds, "histogram", "one", TEXT("\x10\x03"));
    seed(seeds, "histogram", "behind-the-last", TEXT("\x6d\x01"));
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram.buckets[i] = UINT64_C(1) << i % 57;
    }
    CHECK(histogram_encode(&histogram, &bytes) == 0);
    seed(seeds, "histogram", "all", buf_peek(&bytes));
}

static void seed_texts(struct seeds *seeds)
{
    seed(seeds, "wall_time", "utc", TEXT("2026-11-21T03:12:07.482Z"));
    seed(seeds, "wall_time", "offset", TEXT("2024-02-29 23:59:60-05:30"));
    seed(seeds, "wall_time", "digits", TEXT("1763694727482"));
    seed(seeds, "traceparent", "plain",
         TEXT("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    seed(seeds, "traceparent", "later",
         TEXT("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
    seed(seeds, "traceparent", "task", TEXT("0193e5f1a2b0000000f1"));
    seed(seeds, "task_spec", "name", TEXT("POST /checkout"));
    seed(seeds, "task_spec", "prefix", TEXT("GET /*"));
    seed(seeds, "task_spec", "stars", TEXT("**"));
    seed(seeds, "text", "utf8", TEXT("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    seed(seeds, "text", "broken", TEXT("\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xff\x1b[2J"));
    seed(seeds, "canary", "canary", TEXT("canary"));
}

int main(int argc, char **argv)
{
    struct seeds seeds = { .only_checks = argc == 3 && strcmp(argv[1], "--check") == 0 };

    if (argc != 2 + seeds.only_checks) {
        fprintf(stderr, "usage: %s [--check] CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    seeds.directory = argv[argc - 1];
    seed_polls(&seeds);
    seed_pulses(&seeds);
    seed_logs(&seeds);
    seed_reports(&seeds);
    seed_histograms(&seeds);
    seed_texts(&seeds);
    return seeds.wrong_count > 0;
}
