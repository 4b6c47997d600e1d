/* SPDX-License-Identifier: Apache-2.0 */
/* write_exports.c: writes one analysis in every format into a folder, and into expected.json what
 * a reader should find in them: tests/integration/scheduler/exports/README.md.
 *
 * The calls are such that all of it is there: inlined functions, recursion, several modules, all
 * states, and names that are markup in some format. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/analysis/private.h"
#include "tests/unit/scheduler/analysis/made_sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_MAX = 64 << 20, SYMBOLS_MAX = 64 };

#define LIBC "@/usr/lib/x86_64-linux-gnu/libc.so.6"

static const struct look first[] = {
    { 100, 90, 10, WAIT_NONE, NULL, "parse < handle < main" },
    { 300, 300, 0, WAIT_NONE, NULL, "walk < walk < walk < handle < main" },
    { 500, 1, 0, WAIT_SLEEP, NULL, "nanosleep" LIBC " < back_off < handle < main" },
    { 200, 0, 2, WAIT_LOCK, "mutex cart_lock", "futex_wait" LIBC " < reserve < handle < main" },
    { 50, 50, 0, WAIT_NONE, NULL, "<script>alert('&\"')</script> < handle < main" },
};

static const struct look second[] = {
    { 40, 40, 0, WAIT_NONE, NULL, "walk < walk < handle < main" },
    { 900, 0, 0, WAIT_NETWORK, "10.0.0.7:5432", "poll" LIBC " < a;b\nc \u202ed < handle < main" },
    { 60, 0, 0, WAIT_DISK, "", "\U0001f600 < handle < main" },
};

/* `walk` is given a file and a line, and a function that is inlined into it. */
static struct sample_symbols symbols_of(const struct sample *sample,
                                        struct frame_symbols frames[SYMBOLS_MAX])
{
    static const struct source_location walk[] = {
        { TEXT("visit"), TEXT("/src/shop/tree.h"), 12, true },
        { TEXT("walk"), TEXT("/src/shop/tree.c"), 340, false },
    };

    CHECK(sample->stacks.frame_count <= SYMBOLS_MAX);
    for (uint32_t i = 0; i < sample->stacks.frame_count; i++) {
        struct text name = stack_table_text(&sample->stacks, sample->stacks.frames[i].function);

        frames[i] = (struct frame_symbols){ 0 };
        if (text_is_equal(name, TEXT("walk"))) frames[i] = (struct frame_symbols){ walk, 2 };
    }
    return (struct sample_symbols){ .frames = frames, .frame_count = sample->stacks.frame_count };
}

static void write_file(const char *folder, const char *name, struct text text)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    CHECK(file && fwrite(text.data, 1, text.size, file) == text.size && fclose(file) == 0);
}

static void write_export(const struct analysis *analysis, enum export_format format,
                         const char *folder, const char *name)
{
    OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);

    CHECK(analysis_export(analysis, format, TEXT("POST /checkout <b>\u202e&amp;"), &text) == 0);
    write_file(folder, name, buf_peek(&text));
}

static void write_expected(const struct analysis *analysis, const char *folder)
{
    OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);
    const struct cost *total = &analysis->tree.nodes[0].total;

    buf_printf(&text,
               "{\"calls\":%" PRIu32 ",\"wall\":%" PRIu64 ",\"cpu\":%" PRIu64 ",\"queue\":%" PRIu64
               ",\"wait\":%" PRIu64 ",\"snapshots\":%zu,\"totals\":{",
               analysis->call_count, cost_total(total), total->ns[COST_CPU], total->ns[COST_QUEUE],
               cost_wait(total), analysis->moment_count);
    for (uint32_t i = 0; i < analysis->hot.count; i++) {
        const struct hot *hot = &analysis->hot.rows[i];
        uint32_t name = analysis->frames.frames[hot->frame].function;
        const char *const asked[] = { "walk", "visit", "reserve", "back_off", "main" };

        for (size_t j = 0; j < ARRAY_COUNT(asked); j++)
            if (text_is_equal(frame_table_text(&analysis->frames, name), text_of(asked[j])))
                buf_printf(&text, "\"%s\":[%" PRIu64 ",%" PRIu64 "],", asked[j], hot->total_ns,
                           hot->self_ns);
    }
    buf_printf(&text, "\"\":[0,0]}}\n");
    write_file(folder, "expected.json", buf_peek(&text));
}

int main(int argc, char **argv)
{
    struct sample *samples[] = {
        made_sample(1250, 100, first, ARRAY_COUNT(first)),
        made_sample(1100, 100, second, ARRAY_COUNT(second)),
    };
    struct frame_symbols frames[2][SYMBOLS_MAX];
    struct sample_symbols symbols[2] = { symbols_of(samples[0], frames[0]),
                                         symbols_of(samples[1], frames[1]) };
    const struct sample_symbols *const pointers[] = { &symbols[0], &symbols[1] };
    const struct sample *const *loans = (const struct sample *const *)samples;
    struct analysis *both = analysis_new(loans, pointers, 2);
    struct analysis *base = analysis_new(loans, pointers, 1);
    struct analysis *other = analysis_new(loans + 1, pointers + 1, 1);
    struct analysis *diff = analysis_diff(base, other);
    struct analysis *none = analysis_new(NULL, NULL, 0);

    CHECK(argc == 2);
    for (int format = 0; format < EXPORT_COUNT; format++) {
        char name[64];

        snprintf(name, sizeof name, "calls.%s", export_format_suffix((enum export_format)format));
        write_export(both, (enum export_format)format, argv[1], name);
    }
    write_export(diff, EXPORT_SVG, argv[1], "diff.svg");
    write_export(none, EXPORT_SPEEDSCOPE, argv[1], "none.speedscope.json");
    write_expected(both, argv[1]);
    analysis_free(none);
    analysis_free(diff);
    analysis_free(other);
    analysis_free(base);
    analysis_free(both);
    sample_free(samples[0]);
    sample_free(samples[1]);
    return 0;
}
