/* SPDX-License-Identifier: Apache-2.0 */
/* symbols_test.c: what the real worker says of modules as compilers, strip and dwz leave them. */
#include "tests/integration/scheduler/symbols/symbols_fixture.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 40 };

static int setup_without_paths(void **state)
{
    *state = fixture_new("/proc/self/exe", false);
    return 0;
}

/* ---- names and lines ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static void inlined_functions_come_innermost_first_with_their_lines(void **state)
{
    static const struct {
        const char *function;
        uint32_t line;
        bool is_inlined;
    } expected[] = { { "innermost", 9, true }, { "middle", 15, true }, { "outermost", 20, false } };
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libinlined.so", id);
    struct answer answer =
        ask(*state, (struct question){
                        .path = FIXTURES "/libinlined.so",
                        .build_id = { (char *)id, size },
                        .offset = symbol_of(FIXTURES "/libinlined.so", "inlined_here"),
                    });

    assert_int_equal(answer.count, ARRAY_COUNT(expected));
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_string_equal(answer.locations[i].function, expected[i].function);
        assert_int_equal(answer.locations[i].line, expected[i].line);
        assert_int_equal(answer.locations[i].is_inlined, expected[i].is_inlined);
        assert_string_equal(answer.locations[i].file, SOURCES "/inlined.c");
    }
}

static void cxx_names_are_demangled(void **state)
{
#ifdef HAS_CXX_FIXTURE
    static const char *const mangled = "_ZN4shop9Inventory7reserveEiPKc";
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libmangled.so", id);
    struct answer answer = ask(*state, (struct question){
                                           .path = FIXTURES "/libmangled.so",
                                           .build_id = { (char *)id, size },
                                           .offset = symbol_of(FIXTURES "/libmangled.so", mangled),
                                       });

    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "shop::Inventory::reserve(int, char const*)");
    assert_true(ends_with(answer.locations[0].file, "mangled.cc"));
#else
    (void)state;
    skip();
#endif
}

static void a_name_of_the_sample_is_demangled_without_any_file(void **state)
{
    struct answer answer = ask(*state, (struct question){ .path = "/nowhere/libshop.so",
                                                          .build_id = TEXT("12345678901234567890"),
                                                          .offset = 0x1234,
                                                          .name = "_ZN4Shop4findEi" });

    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "Shop::find(int)");
    assert_int_equal(answer.locations[0].line, 0);
}

static void of_inner_and_public_name_the_public_one_is_shown(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libinlined.so", FIXTURES "/libinlined.so", "public_name", id);

    assert_string_equal(ask(*state, question).locations[0].function, "___public_name");
    question.name = "public_name";
    assert_string_equal(ask(*state, question).locations[0].function, "public_name");
    question.name = "another_name"; /* the debug information knows better */
    assert_string_equal(ask(*state, question).locations[0].function, "___public_name");
}

static void the_name_of_a_lock_is_demangled(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_of(&(struct question){ .path = "/nowhere", .offset = 1 });
    struct answer answer = { 0 };
    struct snapshot *snapshot = mem_zalloc(1, sizeof *snapshot);

    assert_int_equal(
        stack_table_string(&sample->stacks, TEXT("mutex _ZN4shop9cart_lockE at 8"), &answer.string),
        0);
    snapshot->waiting_for = answer.string;
    sample->snapshots = snapshot;
    sample->snapshot_count = 1;
    symbols_resolve(fixture->symbols, (const struct sample *const[]){ sample }, 1, on_resolved,
                    &answer);
    await(fixture, &answer);
    assert_string_equal(answer.waiting_for, "mutex shop::cart_lock at 8");
    sample_free(sample);
}

/* Comes back in each turn of the loop. */
struct turns {
    struct event *event;
    int count;
};

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct turns *turns = context;

    (void)fd;
    (void)what;
    turns->count++;
    event_add(turns->event, &(struct timeval){ 0 });
}

static void on_many_resolved(void *context, const struct sample_symbols *const *symbols,
                             size_t count)
{
    struct answer *answer = context;

    assert_int_equal(count, SAMPLES);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(symbols[i]->frame_count, 1);
        assert_int_equal(symbols[i]->frames[0].count, 1);
        assert_int_equal(symbols[i]->unanswered_count, 0);
    }
    answer->came = true;
}

/* Of a hundred large samples all at once would hold the loop for a second. */
static void many_samples_are_looked_at_in_turns(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_of(&(struct question){ .name = "_ZN4shop4loadEi" });
    const struct sample *samples[SAMPLES];
    struct answer answer = { 0 };
    struct turns turns = { .count = 0 };

    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i] = sample;
    }
    symbols_resolve(fixture->symbols, samples, 1, on_resolved, &answer);
    await(fixture, &answer); /* named from here on: nothing is to be asked */
    answer.came = false;
    turns.event = evtimer_new(fixture->base, on_turn, &turns);
    assert_int_equal(event_add(turns.event, &(struct timeval){ 0 }), 0);
    symbols_resolve(fixture->symbols, samples, SAMPLES, on_many_resolved, &answer);
    await(fixture, &answer);
    assert_in_range(turns.count, SAMPLES - 1, 100 * SAMPLES);
    event_free(turns.event);
    sample_free(sample);
}

/* ---- where debug information lies ---- */

/* Puts the separate debug information where build-ids are looked up. */
static void install_debug_file(struct fixture *fixture, const uint8_t *id, size_t size)
{
    char hex[2 * BUILD_ID_SIZE_MAX + 1], command[4 * PATH_SIZE];

    text_to_hex(id, size, hex);
    snprintf(command, sizeof command,
             "mkdir -p '%s/.build-id/%.2s' && cp " FIXTURES "/libstripped.debug "
             "'%s/.build-id/%.2s/%s.debug'",
             fixture->root, hex, fixture->root, hex, hex + 2);
    assert_int_equal(system(command), 0);
}

static void what_dwz_took_out_is_found(void **state)
{
#ifdef HAS_DWZ_FIXTURE
    struct fixture *fixture = *state;
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libone.so", id);
    char hex[2 * BUILD_ID_SIZE_MAX + 1], command[8 * PATH_SIZE];
    struct question question = { .path = "/nowhere/libone.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libone.so", "entry_one") };
    struct answer answer;

    text_to_hex(id, size, hex);
    snprintf(command, sizeof command,
             "mkdir -p '%s/.build-id/%.2s' '%s/.dwz' && cp " FIXTURES "/common.dwz "
             "'%s/.dwz/common.debug' && cp " FIXTURES "/one.debug '%s/.build-id/%.2s/%s.debug'",
             fixture->root, hex, fixture->root, fixture->root, fixture->root, hex, hex + 2);
    assert_int_equal(system(command), 0);
    answer = ask(fixture, question);
    assert_int_equal(answer.count, 2);
    assert_string_equal(answer.locations[0].function, "count_products_of_shelf");
    assert_string_equal(answer.locations[0].file, SOURCES "/shared.c");
    assert_string_equal(answer.locations[1].function, "entry_one");
#else
    (void)state;
    skip();
#endif
}

static void a_stripped_module_is_named_from_its_debug_file(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libstripped.so", FIXTURES "/libinlined.so", "inlined_here", id);

    install_debug_file(*state, id, question.build_id.size);
    assert_int_equal(ask(*state, question).count, 3);
}

static void a_debug_link_beside_the_module_is_followed(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libstripped.so", FIXTURES "/libinlined.so", "inlined_here", id);

    assert_int_equal(ask(*state, question).count, 3);
}

static void a_module_without_debug_information_has_only_exported_names(void **state)
{
    struct fixture *fixture = *state;
    char command[4 * PATH_SIZE], path[2 * PATH_SIZE];
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libstripped.so", id);
    struct answer answer;

    snprintf(path, sizeof path, "%s/libalone.so", fixture->root);
    snprintf(command, sizeof command, "cp " FIXTURES "/libstripped.so '%s'", path);
    assert_int_equal(system(command), 0);
    answer =
        ask(fixture, (struct question){ .path = path,
                                        .build_id = { (char *)id, size },
                                        .offset = symbol_of(FIXTURES "/libinlined.so", "plain") });
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "plain"); /* of .dynsym */
    answer = ask(fixture,
                 (struct question){ .path = path, .build_id = { (char *)id, size }, .offset = 8 });
    assert_int_equal(answer.count, 0);
}

static void debug_files_are_read_where_paths_are_not(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libstripped.so", FIXTURES "/libinlined.so", "inlined_here", id);

    install_debug_file(*state, id, question.build_id.size);
    assert_int_equal(ask(*state, question).count, 3);
}

/* ---- what is not read ---- */

static void paths_are_left_alone_unless_allowed(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libinlined.so", FIXTURES "/libinlined.so", "plain", id);

    assert_int_equal(ask(*state, question).count, 0);
}

static void another_build_is_refused(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libinlined.so", FIXTURES "/libinlined.so", "plain", id);

    id[0] ^= 1;
    assert_int_equal(ask(*state, question).count, 0);
    id[0] ^= 1;
    question.build_id.size--;
    assert_int_equal(ask(*state, question).count, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(inlined_functions_come_innermost_first_with_their_lines, setup),
        TEST(cxx_names_are_demangled, setup),
        TEST(a_name_of_the_sample_is_demangled_without_any_file, setup),
        TEST(the_name_of_a_lock_is_demangled, setup),
        TEST(many_samples_are_looked_at_in_turns, setup),
        TEST(of_inner_and_public_name_the_public_one_is_shown, setup),
        TEST(a_stripped_module_is_named_from_its_debug_file, setup),
        TEST(what_dwz_took_out_is_found, setup),
        TEST(a_debug_link_beside_the_module_is_followed, setup),
        TEST(a_module_without_debug_information_has_only_exported_names, setup),
        TEST(paths_are_left_alone_unless_allowed, setup_without_paths),
        TEST(debug_files_are_read_where_paths_are_not, setup_without_paths),
        TEST(another_build_is_refused, setup),
    };

    if (symbols_worker_is_meant(argc, argv)) return symbols_worker_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
