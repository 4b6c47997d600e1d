/* SPDX-License-Identifier: Apache-2.0 */
/* analysis_test.c: trees, hot lists and timelines, against sums made another way.
 *
 * The reference knows neither trees nor stacks' tables: it goes through the snapshots and asks of
 * each whether a function, or a way from the root, is in it. What is compared is the JSON, so that
 * its numbers are tested, too. */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "scheduler/analysis/private.h"
#include "tests/unit/scheduler/analysis/made_sample.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BUF_MAX = 64 << 20 };

/* ---- reading JSON ---- */

static uint64_t ns_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_number(value)) fail_msg("%s is no number", key);
    return (uint64_t)llround(json_number_value(value) * 1e6);
}

static json_t *json_of(const struct analysis *analysis)
{
    OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);
    json_error_t error;
    json_t *json;

    assert_int_equal(analysis_export(analysis, EXPORT_JSON, TEXT("title"), &text), 0);
    json = json_loadb(text.data, text.size, 0, &error);
    if (!json) fail_msg("%s at %d", error.text, error.position);
    return json;
}

static const char *function_of(const json_t *json, const json_t *owner)
{
    const json_t *frame =
        json_array_get(json_object_get(json, "frames"),
                       (size_t)json_integer_value(json_object_get(owner, "frame")));

    return json_string_value(json_object_get(frame, "function"));
}

/* ---- the reference ---- */

struct naive {
    const struct sample *const *samples;
    size_t count;
};

static struct text function_at(const struct sample *sample, uint32_t stack_index, uint32_t depth)
{
    const struct stack *stack = &sample->stacks.stacks[stack_index];
    uint32_t frame = sample->stacks.stack_frames[stack->first + stack->count - 1 - depth];

    return stack_table_text(&sample->stacks, sample->stacks.frames[frame].function);
}

static uint64_t weight_between(const struct sample *sample, uint32_t i)
{
    uint64_t end =
        i + 1 < sample->snapshot_count ? sample->snapshots[i + 1].offset_ns : sample->elapsed_ns;

    return end - sample->snapshots[i].offset_ns;
}

/* Does the stack, from the outermost in, begin with these functions? */
static bool begins_with(const struct sample *sample, uint32_t snapshot, const char *const *way,
                        uint32_t depth)
{
    uint32_t stack = sample->snapshots[snapshot].stack;

    if (sample->stacks.stacks[stack].count < depth) return false;
    for (uint32_t i = 0; i < depth; i++)
        if (!text_is_equal(function_at(sample, stack, i), text_of(way[i]))) return false;
    return true;
}

static uint64_t naive_way(const struct naive *naive, const char *const *way, uint32_t depth,
                          bool is_self)
{
    uint64_t sum = 0;

    for (size_t s = 0; s < naive->count; s++)
        for (uint32_t i = 0; i < naive->samples[s]->snapshot_count; i++) {
            uint32_t stack = naive->samples[s]->snapshots[i].stack;
            bool is_whole = naive->samples[s]->stacks.stacks[stack].count == depth;

            if (begins_with(naive->samples[s], i, way, depth) && (!is_self || is_whole))
                sum += weight_between(naive->samples[s], i);
        }
    return sum;
}

static uint64_t naive_function(const struct naive *naive, const char *function, bool is_self)
{
    uint64_t sum = 0;

    for (size_t s = 0; s < naive->count; s++)
        for (uint32_t i = 0; i < naive->samples[s]->snapshot_count; i++) {
            const struct sample *sample = naive->samples[s];
            uint32_t stack = sample->snapshots[i].stack;
            uint32_t count = sample->stacks.stacks[stack].count;
            bool is_met = false;

            for (uint32_t depth = is_self && count > 0 ? count - 1 : 0; depth < count; depth++)
                if (text_is_equal(function_at(sample, stack, depth), text_of(function)))
                    is_met = true;
            if (is_met) sum += weight_between(sample, i);
        }
    return sum;
}

/* ---- random samples ---- */

static uint32_t random_next(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)*seed * below >> 32);
}

/* Few functions, so that they recur, on deep stacks, with odd nanoseconds. */
static struct sample *random_sample(uint32_t *seed)
{
    struct sample *sample = made_sample(1000, 100, NULL, 0);
    uint32_t count = 1 + random_next(seed, 60);
    uint64_t offset_ns = 100 * NS_PER_MS + random_next(seed, 1000000);

    free(sample->snapshots);
    sample->snapshots = mem_zalloc(count, sizeof *sample->snapshots);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t frames[16], depth = 1 + random_next(seed, 12), stack;

        for (uint32_t j = 0; j < depth; j++) {
            char name[] = { 'f', (char)('a' + random_next(seed, 5)), '\0' };

            frames[j] = made_frame(sample, text_of(name), "/srv/shop", random_next(seed, 9));
        }
        assert_int_equal(stack_table_stack(&sample->stacks, frames, depth, &stack), 0);
        sample->snapshots[i] = (struct snapshot){
            .offset_ns = offset_ns,
            .stack = stack,
            .syscall = SYSCALL_NONE,
            .wait = (enum wait_kind)random_next(seed, WAIT_KIND_COUNT),
            .cpu_ns = i > 0 ? random_next(seed, 9000000) : 0,
            .queue_ns = i > 0 ? random_next(seed, 5000000) : 0,
        };
        offset_ns += 1 + random_next(seed, 20000000);
    }
    sample->snapshot_count = count;
    sample->elapsed_ns = offset_ns;
    sample->listened_ns = offset_ns - sample->snapshots[0].offset_ns;
    sample->end_cpu_ns = random_next(seed, 9000000);
    return sample;
}

/* ---- comparison ---- */

static void assert_parts_add_up(const json_t *object, uint64_t whole_ns)
{
    uint64_t waits_ns = 0;
    const char *kind;
    json_t *value;

    json_object_foreach(json_object_get(object, "waits_ms"), kind, value) waits_ns +=
        (uint64_t)llround(json_number_value(value) * 1e6);
    assert_int_equal(waits_ns, ns_of(object, "wait_ms"));
    assert_int_equal(ns_of(object, "cpu_ms") + ns_of(object, "queue_ms") + waits_ns, whole_ns);
}

static void assert_node(const json_t *json, const json_t *node, const struct naive *naive,
                        const char **way, uint32_t depth)
{
    uint64_t sum_ns = ns_of(node, "self_ms");
    size_t i;
    json_t *child;

    assert_int_equal(ns_of(node, "total_ms"), naive_way(naive, way, depth, false));
    assert_int_equal(ns_of(node, "self_ms"), naive_way(naive, way, depth, true));
    assert_parts_add_up(node, ns_of(node, "total_ms"));
    json_array_foreach(json_object_get(node, "children"), i, child)
    {
        way[depth] = function_of(json, child);
        sum_ns += ns_of(child, "total_ms");
        assert_node(json, child, naive, way, depth + 1);
    }
    assert_int_equal(sum_ns, ns_of(node, "total_ms"));
}

static void assert_hot(const json_t *json, const struct naive *naive)
{
    uint64_t self_ns = 0, before_ns = UINT64_MAX;
    size_t i;
    json_t *hot;

    json_array_foreach(json_object_get(json, "hot"), i, hot)
    {
        const char *function = function_of(json, hot);

        assert_int_equal(ns_of(hot, "total_ms"), naive_function(naive, function, false));
        assert_int_equal(ns_of(hot, "self_ms"), naive_function(naive, function, true));
        assert_true(ns_of(hot, "self_ms") <= before_ns);
        before_ns = ns_of(hot, "self_ms");
        self_ns += before_ns;
    }
    assert_int_equal(self_ns, ns_of(json, "listened_ms"));
}

static void assert_timeline(const json_t *json, const struct sample *sample)
{
    uint64_t sum_ns = 0;
    size_t i;
    json_t *moment;

    assert_int_equal(json_array_size(json_object_get(json, "timeline")), sample->snapshot_count);
    json_array_foreach(json_object_get(json, "timeline"), i, moment)
    {
        const json_t *stack = json_object_get(moment, "stack");
        uint32_t stack_index = sample->snapshots[i].stack;

        assert_int_equal(ns_of(moment, "at_ms"), sample->snapshots[i].offset_ns);
        assert_int_equal(json_array_size(stack), sample->stacks.stacks[stack_index].count);
        assert_parts_add_up(moment, ns_of(moment, "for_ms"));
        sum_ns += ns_of(moment, "for_ms");
    }
    assert_int_equal(sum_ns, sample->listened_ns);
}

static void sums_are_exact_of_any_samples(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        uint32_t seed = round + 1, count = 1 + round % 4;
        struct sample *samples[4];
        struct analysis *analysis;
        const char *way[16];
        json_t *json;

        for (uint32_t i = 0; i < count; i++)
            samples[i] = random_sample(&seed);
        struct naive naive = { (const struct sample *const *)samples, count };

        analysis = analysis_new(naive.samples, NULL, count);
        json = json_of(analysis);
        assert_node(json, json_object_get(json, "tree"), &naive, way, 0);
        assert_int_equal(ns_of(json_object_get(json, "tree"), "total_ms"),
                         ns_of(json, "listened_ms"));
        assert_int_equal(ns_of(json, "listened_ms") + ns_of(json, "unobserved_ms"),
                         ns_of(json, "elapsed_ms"));
        assert_hot(json, &naive);
        if (count == 1) assert_timeline(json, samples[0]);
        json_decref(json);
        analysis_free(analysis);
        for (uint32_t i = 0; i < count; i++)
            sample_free(samples[i]);
    }
}

static void a_function_that_calls_itself_counts_once(void **state)
{
    struct sample *sample = made_sample(
        200, 100, (struct look[]){ { .for_ms = 100, .cpu_ms = 100, .stack = "f < g < f < main" } },
        1);
    struct analysis *analysis = analysis_new((const struct sample *const[]){ sample }, NULL, 1);

    (void)state;
    assert_int_equal(analysis->hot.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(analysis->hot.rows[i].total_ns, 100 * NS_PER_MS);
    assert_int_equal(analysis->tree.count, 5); /* recursion is kept in the tree */
    analysis_free(analysis);
    sample_free(sample);
}

static void inlined_functions_are_nodes_of_their_own(void **state)
{
    struct sample *sample = made_sample(
        200, 100, (struct look[]){ { .for_ms = 100, .cpu_ms = 100, .stack = "outer < main" } }, 1);
    const struct source_location locations[] = {
        { .function = TEXT("inner"), .file = TEXT("/src/a.h"), .line = 7, .is_inlined = true },
        { .function = TEXT("outer"), .file = TEXT("/src/a.c"), .line = 70 },
    };
    struct frame_symbols frames[] = { { locations, 2 }, { NULL, 0 } };
    struct sample_symbols symbols = { .frames = frames, .frame_count = 2 };
    struct analysis *analysis = analysis_new((const struct sample *const[]){ sample },
                                             (const struct sample_symbols *const[]){ &symbols }, 1);
    json_t *json = json_of(analysis), *stack;
    json_t *frame;

    (void)state;
    stack = json_object_get(json_array_get(json_object_get(json, "timeline"), 0), "stack");
    assert_int_equal(json_array_size(stack), 3);
    frame = json_array_get(json_object_get(json, "frames"),
                           (size_t)json_integer_value(json_array_get(stack, 0)));
    assert_string_equal(json_string_value(json_object_get(frame, "function")), "inner");
    assert_string_equal(json_string_value(json_object_get(frame, "file")), "/src/a.h");
    assert_int_equal(json_integer_value(json_object_get(frame, "line")), 7);
    assert_true(json_is_true(json_object_get(frame, "inlined")));
    assert_true(json_is_null(json_object_get(frame, "language"))); /* a header is of any */
    frame = json_array_get(json_object_get(json, "frames"),
                           (size_t)json_integer_value(json_array_get(stack, 1)));
    assert_string_equal(json_string_value(json_object_get(frame, "function")), "outer");
    assert_string_equal(json_string_value(json_object_get(frame, "language")), "c");
    assert_false(json_is_true(json_object_get(frame, "inlined")));
    json_decref(json);
    analysis_free(analysis);
    sample_free(sample);
}

static void an_unnamed_function_is_called_by_where_it_starts(void **state)
{
    struct sample *sample = made_sample(200, 100, NULL, 0);
    struct frame frame = { .kind = FRAME_NATIVE, .offset = 0x1a55, .function_offset = 0x1a40 };
    struct analysis *analysis;
    uint32_t index, stack;

    (void)state;
    stack_table_module(&sample->stacks, TEXT("/opt/x/libshop.so"), TEXT(""), &frame.module);
    stack_table_frame(&sample->stacks, &frame, &index);
    stack_table_stack(&sample->stacks, &index, 1, &stack);
    sample->snapshots[0] = (struct snapshot){ .offset_ns = 100 * NS_PER_MS, .stack = stack };
    sample->snapshot_count = 1;
    analysis = analysis_new((const struct sample *const[]){ sample }, NULL, 1);
    assert_string_equal(
        frame_table_text(&analysis->frames, analysis->frames.frames[0].function).data,
        "libshop.so+0x1a40");
    analysis_free(analysis);
    sample_free(sample);
}

static void what_is_too_much_is_folded_and_still_counted(void **state)
{
    struct path_table paths;
    struct frame_table table;
    uint32_t frames[3 * DEPTH_MAX], depth = 0, path;

    (void)state;
    frame_table_init(&table);
    path_table_init(&paths);
    for (uint32_t i = 0; i < ARRAY_COUNT(frames); i++)
        frames[i] =
            frame_table_add(&table, (struct shown_frame){ .kind = FRAME_NATIVE, .offset = i });
    path = path_table_add(&paths, &table, frames, ARRAY_COUNT(frames));
    for (uint32_t at = path; at != 0; at = paths.rows[at].parent)
        depth++;
    assert_int_equal(depth, DEPTH_MAX + 1); /* a marker stands for the middle */

    paths.row_max = paths.count;
    path = path_table_add(&paths, &table, frames, 5);
    assert_int_equal(table.frames[paths.rows[path].frame].kind, FRAME_MARKER);
    assert_int_equal(path_table_add(&paths, &table, frames + 1, 7), path); /* the same one */
    path_table_done(&paths);
    frame_table_done(&table);
}

/* The deepest stack there can be, each frame with two more inlined: readers nest to 2048. */
static void the_deepest_tree_can_be_read(void **state)
{
    static const struct source_location inlined[] = {
        { TEXT("inner"), TEXT("/src/a.c"), 1, true },
        { TEXT("middle"), TEXT("/src/a.c"), 2, true },
        { TEXT(""), TEXT("/src/a.c"), 3, false },
    };
    struct sample *sample = made_sample(200, 100, NULL, 0);
    struct frame_symbols symbols_of_frames[STACK_FRAMES_MAX];
    struct sample_symbols symbols = { .frames = symbols_of_frames };
    uint32_t frames[STACK_FRAMES_MAX], stack;
    struct analysis *analysis;

    (void)state;
    for (uint32_t i = 0; i < STACK_FRAMES_MAX; i++) {
        frames[i] = made_frame(sample, TEXT("f"), "/srv/shop", i + 1);
        symbols_of_frames[i] = (struct frame_symbols){ inlined, ARRAY_COUNT(inlined) };
    }
    symbols.frame_count = STACK_FRAMES_MAX;
    assert_int_equal(stack_table_stack(&sample->stacks, frames, STACK_FRAMES_MAX, &stack), 0);
    sample->snapshots[0] = (struct snapshot){ .offset_ns = 100 * NS_PER_MS, .stack = stack };
    sample->snapshot_count = 1;
    analysis = analysis_new((const struct sample *const[]){ sample },
                            (const struct sample_symbols *const[]){ &symbols }, 1);
    assert_int_equal(analysis->paths.count, 1 + DEPTH_MAX + 1);
    json_decref(json_of(analysis));
    for (int format = 0; format < EXPORT_COUNT; format++) {
        OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);

        assert_int_equal(analysis_export(analysis, (enum export_format)format, TEXT(""), &text), 0);
    }
    analysis_free(analysis);
    sample_free(sample);
}

static void a_comparison_is_per_call_and_adds_up(void **state)
{
    uint32_t seed = 7;
    struct sample *samples[5];
    struct analysis *base, *other, *diff;
    const json_t *tree;
    json_t *json;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(samples); i++)
        samples[i] = random_sample(&seed);
    base = analysis_new((const struct sample *const *)samples, NULL, 3);
    other = analysis_new((const struct sample *const *)samples + 3, NULL, 2);
    diff = analysis_diff(base, other);
    json = json_of(diff);
    tree = json_object_get(json, "tree");
    assert_true(llabs((long long)(ns_of(tree, "base_ms") - base->listened_ns / 3)) <= 7);
    assert_true(llabs((long long)(ns_of(tree, "other_ms") - other->listened_ns / 2)) <= 7);
    for (uint32_t i = 0; i < diff->tree.count; i++) {
        const struct node *node = &diff->tree.nodes[i];
        uint64_t base_ns = cost_total(&diff->base_self[i]), other_ns = cost_total(&node->self);

        for (uint32_t child = node->first_child; child != 0; child = diff->tree.nodes[child].next) {
            base_ns += cost_total(&diff->base_total[child]);
            other_ns += cost_total(&diff->tree.nodes[child].total);
        }
        assert_int_equal(base_ns, cost_total(&diff->base_total[i]));
        assert_int_equal(other_ns, cost_total(&node->total));
    }
    assert_int_equal(diff->tree.nodes[0].count, other->moment_count);
    json_decref(json);
    analysis_free(diff);
    analysis_free(base);
    analysis_free(other);
    for (size_t i = 0; i < ARRAY_COUNT(samples); i++)
        sample_free(samples[i]);
}

static void no_samples_make_an_empty_analysis(void **state)
{
    struct analysis *analysis = analysis_new(NULL, NULL, 0),
                    *diff = analysis_diff(analysis, analysis);

    (void)state;
    json_decref(json_of(analysis));
    json_decref(json_of(diff));
    for (int format = 0; format < EXPORT_COUNT; format++) {
        OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);

        assert_int_equal(analysis_export(analysis, (enum export_format)format, TEXT(""), &text), 0);
    }
    analysis_free(diff);
    analysis_free(analysis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_exact_of_any_samples),
        cmocka_unit_test(a_function_that_calls_itself_counts_once),
        cmocka_unit_test(inlined_functions_are_nodes_of_their_own),
        cmocka_unit_test(an_unnamed_function_is_called_by_where_it_starts),
        cmocka_unit_test(what_is_too_much_is_folded_and_still_counted),
        cmocka_unit_test(the_deepest_tree_can_be_read),
        cmocka_unit_test(a_comparison_is_per_call_and_adds_up),
        cmocka_unit_test(no_samples_make_an_empty_analysis),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
