/* SPDX-License-Identifier: Apache-2.0 */
/* Analyses as text, against golden text: tests/unit/tools/cli/golden/NAME.json and .txt. With
 * GOLDEN_WRITE set, the texts are written instead; git diff shows what that changed. */
#include "tests/support/test.h"
#include "tools/cli/screen/tree.h"
#include "tools/cli/view/analysis.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct screen screen_of(uint32_t width, bool has_utf8)
{
    return (struct screen){ .width = width, .has_utf8 = has_utf8 };
}

static json_t *load(const char *name)
{
    char path[512];
    json_error_t error;
    json_t *document;

    snprintf(path, sizeof path, GOLDEN_DIRECTORY "/%s.json", name);
    document = json_load_file(path, 0, &error);
    if (!document) fail_msg("%s: %s", path, error.text);
    return document;
}

static void assert_golden(const struct buf *text, const char *name)
{
    char path[512], expected[64 * 1024];
    FILE *file;
    size_t size;

    snprintf(path, sizeof path, GOLDEN_DIRECTORY "/%s.txt", name);
    if (getenv("GOLDEN_WRITE")) {
        file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs(text->data, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    file = fopen(path, "r");
    if (!file) fail_msg("%s is missing", path);
    size = fread(expected, 1, sizeof expected - 1, file);
    expected[size] = '\0';
    assert_int_equal(fclose(file), 0);
    if (strcmp(text->data, expected) != 0) fail_msg("%s is not:\n%s", path, text->data);
}

static void assert_width(const struct screen *screen, const struct buf *text)
{
    for (char *line = text->data, *end; (end = strchr(line, '\n')); line = end + 1) {
        struct text shown = { line, (size_t)(end - line) };

        if (screen_columns(screen, shown) > screen->width)
            fail_msg("wider than %u: %.*s", screen->width, TEXT_ARGS(shown));
    }
}

static void put(struct cli *cli, const char *name, bool has_all)
{
    struct analysis_options options = { .percent_min = has_all ? 0 : 2, .has_all = has_all };
    json_t *analysis = load(name);

    analysis_put(cli, analysis, &options);
    json_decref(analysis);
    assert_width(&cli->screen, &cli->out);
}

static void analysis_is_readable_at_80_columns(void **state)
{
    struct cli cli = { .screen = screen_of(80, true), .out = BUF_INIT(1 << 20) };

    (void)state;
    put(&cli, "checkout", false);
    assert_golden(&cli.out, "checkout");
    assert_null(strchr(cli.out.data, '\x1b'));
    buf_done(&cli.out);
}

static void whole_analysis_shows_every_frame(void **state)
{
    struct cli cli = { .screen = screen_of(80, true), .out = BUF_INIT(1 << 20) };

    (void)state;
    put(&cli, "checkout", true);
    assert_golden(&cli.out, "checkout_all");
    assert_null(strstr(cli.out.data, "Folded"));
    buf_done(&cli.out);
}

static void analysis_can_be_plain_ascii(void **state)
{
    struct cli cli = { .screen = screen_of(80, false), .out = BUF_INIT(1 << 20) };

    (void)state;
    put(&cli, "checkout", false);
    for (size_t i = 0; i < cli.out.size; i++) {
        assert_true((unsigned char)cli.out.data[i] < 0x7f);
    }
    assert_golden(&cli.out, "checkout_ascii");
    buf_done(&cli.out);
}

static void any_width_is_kept(void **state)
{
    (void)state;
    for (uint32_t width = 60; width < 200; width += 7) {
        struct cli cli = { .screen = screen_of(width, true), .out = BUF_INIT(1 << 20) };

        put(&cli, "checkout", true);
        buf_done(&cli.out);
    }
}

static void comparison_shows_what_cancels_out_above(void **state)
{
    const struct screen screen = screen_of(80, true);
    struct buf text = BUF_INIT(1 << 20);
    json_t *analysis = load("diff");
    struct tree_folded folded;

    (void)state;
    tree_print_diff(&screen, analysis, 2, &text, &folded);
    json_decref(analysis);
    assert_width(&screen, &text);
    assert_golden(&text, "diff");
    assert_non_null(strstr(text.data, "slow_path"));
    assert_int_equal(folded.branch_count, 1);
    buf_done(&text);
}

/* What is shown and what is folded are the whole: nothing is lost between them. */
static void folded_time_is_counted(void **state)
{
    const struct screen screen = screen_of(80, true);
    json_t *analysis = load("checkout");

    (void)state;
    for (double percent = 0; percent <= 20; percent += 1) {
        struct buf text = BUF_INIT(1 << 20);
        struct tree_folded folded;

        tree_print(&screen, analysis, percent, &text, &folded);
        if (percent == 0) assert_int_equal(folded.branch_count, 0);
        if (percent == 1) assert_int_equal(folded.branch_count, 2);
        if (percent == 1) assert_true(folded.ms > 11.99 && folded.ms < 12.01);
        if (percent == 20) assert_int_equal(folded.branch_count, 4);
        assert_int_equal(folded.stem_count, percent == 0 ? 0 : 5);
        buf_done(&text);
    }
    json_decref(analysis);
}

/* 600 callers deep, forking at each step: guides are cut, names are kept. */
static void deep_trees_keep_their_names(void **state)
{
    const struct screen screen = screen_of(80, true);
    struct buf text = BUF_INIT(16 << 20);
    json_t *frames = json_pack("[{ss},{ss}]", "function", "deep", "function", "side");
    json_t *node =
        json_pack("{si,sf,sf,s[]}", "frame", 0, "total_ms", 1.0, "self_ms", 1.0, "children");
    struct tree_folded folded;
    json_t *analysis;

    (void)state;
    for (int depth = 0; depth < 600; depth++) {
        json_t *side = json_pack("{si,sf,s[]}", "frame", 1, "total_ms", 0.5, "children");

        node = json_pack("{si,sf,s[oo]}", "frame", 0, "total_ms", 100.0, "children", node, side);
    }
    analysis = json_pack("{so,so}", "frames", frames, "tree", node);
    tree_print(&screen, analysis, 0, &text, &folded);
    assert_width(&screen, &text);
    assert_null(strstr(text.data, "dee\u2026"));
    json_decref(analysis);
    buf_done(&text);
}

static void empty_and_strange_analyses_do_no_harm(void **state)
{
    static const char *const documents[] = {
        "{}",
        "{\"samples\": 1, \"tree\": null}",
        "{\"samples\": 1, \"tree\": {\"children\": [null, 3, {}]}}",
        "{\"samples\": 1, \"tree\": {\"children\": [{\"frame\": -1, \"total_ms\": \"x\"}]}}",
        "{\"samples\": 1, \"frames\": [], \"tree\": {\"children\": [{\"frame\": 99}]}}",
        "{\"samples\": 1, \"findings\": [1, null], \"hot\": [null, {}], \"snapshots\": -5}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(documents); i++) {
        struct cli cli = { .screen = screen_of(80, true), .out = BUF_INIT(1 << 20) };
        struct analysis_options options = { .percent_min = 2 };
        json_t *document = json_loads(documents[i], 0, NULL);

        assert_non_null(document);
        analysis_put(&cli, document, &options);
        assert_true(text_is_utf8(buf_peek(&cli.out)));
        json_decref(document);
        buf_done(&cli.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(analysis_is_readable_at_80_columns),
        cmocka_unit_test(whole_analysis_shows_every_frame),
        cmocka_unit_test(analysis_can_be_plain_ascii),
        cmocka_unit_test(any_width_is_kept),
        cmocka_unit_test(comparison_shows_what_cancels_out_above),
        cmocka_unit_test(folded_time_is_counted),
        cmocka_unit_test(deep_trees_keep_their_names),
        cmocka_unit_test(empty_and_strange_analyses_do_no_harm),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8")) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
