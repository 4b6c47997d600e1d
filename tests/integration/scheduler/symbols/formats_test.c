/* SPDX-License-Identifier: Apache-2.0 */
/* formats_test.c: the same function, whose debug information lies in each of the places and shapes
 * that tools put it into. What is found must be the same everywhere. */
#include "tests/integration/scheduler/symbols/symbols_fixture.h"

#include "common/base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Asks for the address in which two functions are inlined. */
static struct answer ask_inlined(struct fixture *fixture, const char *path, const char *names)
{
    uint8_t id[BUILD_ID_SIZE_MAX];

    return ask(fixture, question_of(path, names, "inlined_here", id));
}

/* libelf 0.188 knows no zstd: the symbol table still names what it can. With a newer one the whole
 * is there. */
static void what_cannot_be_unpacked_leaves_the_names(void **state)
{
    struct answer answer = ask_inlined(*state, FIXTURES "/libzstd.so", FIXTURES "/libinlined.so");

    assert_true(answer.count == 1 || answer.count == 3);
    assert_string_equal(answer.locations[answer.count - 1].function, "outermost");
}

/* Innermost first: three functions, each with its line in inlined.c. */
static void assert_whole(const char *says, const struct answer *answer)
{
    if (answer->count != 3) fail_msg("%s: %u locations", says, answer->count);
    for (uint32_t i = 0; i < 3; i++) {
        const char *file = answer->locations[i].file;
        const char *name = strrchr(file, '/');

        if (!name || strcmp(name, "/inlined.c") != 0) fail_msg("%s: file '%s'", says, file);
        if (answer->locations[i].line == 0) fail_msg("%s: no line", says);
        assert_int_equal(answer->locations[i].is_inlined, i < 2);
    }
    assert_string_equal(answer->locations[2].function, "outermost");
}

static void assert_same(const char *says, const struct answer *left, const struct answer *right)
{
    assert_whole(says, left);
    for (uint32_t i = 0; i < 3; i++) {
        if (strcmp(left->locations[i].function, right->locations[i].function) != 0 ||
            left->locations[i].line != right->locations[i].line)
            fail_msg("%s: %s:%u, not %s:%u", says, left->locations[i].function,
                     left->locations[i].line, right->locations[i].function,
                     right->locations[i].line);
    }
}

static void compressed_sections_are_read(void **state)
{
    static const char *const paths[] = { FIXTURES "/libzlib.so", FIXTURES "/libzlib-gnu.so" };
    struct answer plain = ask_inlined(*state, FIXTURES "/libinlined.so", FIXTURES "/libinlined.so");

    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct answer answer = ask_inlined(*state, paths[i], FIXTURES "/libinlined.so");

        assert_same(paths[i], &answer, &plain);
    }
}

static void split_units_are_read_from_their_objects_and_from_packages(void **state)
{
    static const char *const paths[] = { FIXTURES "/split5/libsplit.so",
                                         FIXTURES "/split4/libsplit.so",
#ifdef HAS_DWP5_FIXTURE
                                         FIXTURES "/split5p/libpacked.so",
#endif
                                         FIXTURES "/split4p/libpacked.so" };

    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct answer answer;

        answer = ask_inlined(*state, paths[i], paths[i]);
        assert_whole(paths[i], &answer);
    }
}

/* Copies a module and what lies beside it. */
static void copy_to(const struct fixture *fixture, const char *from, const char *name)
{
    char command[4 * PATH_SIZE];

    snprintf(command, sizeof command, "cp '%s' '%s/%s'", from, fixture->root, name);
    assert_int_equal(system(command), 0);
}

static void a_split_unit_of_another_build_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    char path[2 * PATH_SIZE];
    struct answer answer;

    /* A package beside the module is looked at first; this one has another build's units. The
     * module's own .dwo is still where it was compiled. */
    copy_to(fixture, FIXTURES "/split5/libsplit.so", "libother.so");
    copy_to(fixture, FIXTURES "/split4p/libpacked.so.dwp", "libother.so.dwp");
    snprintf(path, sizeof path, "%s/libother.so", fixture->root);
    answer = ask_inlined(fixture, path, path);
    assert_whole("beside another build's package", &answer);
}

/* Changes the id of the one unit of a .dwo of DWARF 5. */
static void change_unit_id(const char *path)
{
    static const char head[] = {
        5, 0, 5, 8, 0, 0, 0, 0
    }; /* version, split, 8, abbreviations at 0 */
    char bytes[64 * 1024], *at;
    FILE *file = fopen(path, "r+b");
    size_t size;

    assert_non_null(file);
    size = fread(bytes, 1, sizeof bytes, file);
    at = memmem(bytes, size, head, sizeof head);
    assert_non_null(at);
    at[sizeof head] ^= 1;
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void a_split_unit_of_another_id_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    char path[2 * PATH_SIZE], unit[2 * PATH_SIZE], command[6 * PATH_SIZE];

    snprintf(path, sizeof path, "%s/libmoved.so", fixture->root);
    snprintf(unit, sizeof unit, "%s/splat.dwo", fixture->root);
    snprintf(command, sizeof command,
             "sed 's/split\\.dwo/splat.dwo/g' " FIXTURES "/split5/libsplit.so > '%s'", path);
    assert_int_equal(system(command), 0);
    copy_to(fixture, FIXTURES "/split5/split.dwo", "splat.dwo");
    assert_int_equal(ask_inlined(fixture, path, path).count, 3); /* beside the module */

    fixture->symbols = symbols_free(fixture->symbols);
    change_unit_id(unit);
    fixture_open(fixture);
    assert_int_equal(ask_inlined(fixture, path, path).count, 1);
}

static void a_split_unit_that_is_gone_leaves_the_line(void **state)
{
    struct fixture *fixture = *state;
    char path[2 * PATH_SIZE], command[6 * PATH_SIZE];
    struct answer answer;

    /* The name of the .dwo is changed within the copy: as if it had been removed. */
    snprintf(path, sizeof path, "%s/libgone.so", fixture->root);
    snprintf(command, sizeof command,
             "sed 's/split\\.dwo/splat.dwo/g' " FIXTURES "/split5/libsplit.so > '%s'", path);
    assert_int_equal(system(command), 0);
    answer = ask_inlined(fixture, path, path);
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "outermost");
    assert_true(answer.locations[0].line > 0); /* the line table is the skeleton's */
}

static void mini_debug_information_names_what_is_not_exported(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libmini.so", FIXTURES "/libinlined.so", "not_exported", id);
    struct answer answer = ask(*state, question);

    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "not_exported");
    assert_int_equal(answer.locations[0].line, 0);
    question.path = FIXTURES "/libstripped.so";
    answer = ask(*state, question);
    assert_true(answer.count > 0); /* by its debug link, with lines */
}

static void a_debug_link_must_have_the_right_checksum(void **state)
{
    struct fixture *fixture = *state;
    char path[2 * PATH_SIZE], debug[2 * PATH_SIZE];
    struct answer answer;
    uint8_t byte = 0;
    int fd;

    copy_to(fixture, FIXTURES "/libstripped.so", "libstripped.so");
    copy_to(fixture, FIXTURES "/libstripped.debug", "libstripped.debug");
    snprintf(path, sizeof path, "%s/libstripped.so", fixture->root);
    snprintf(debug, sizeof debug, "%s/libstripped.debug", fixture->root);
    answer = ask_inlined(fixture, path, FIXTURES "/libinlined.so");
    assert_whole("the right checksum", &answer);

    /* One byte more: the build-id still agrees, the file does not. */
    fixture->symbols = symbols_free(fixture->symbols);
    fd = open(debug, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, &byte, 1), 1);
    close(fd);
    fixture_open(fixture);
    answer = ask_inlined(fixture, path, FIXTURES "/libinlined.so");
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.locations[0].line, 0);
}

/* As an upgrade does it: the file of that name is another build now. */
static void a_module_that_was_replaced_is_not_named_by_the_new_file(void **state)
{
    struct fixture *fixture = *state;
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libinlined.so", FIXTURES "/libinlined.so", "plain", id);
    char path[2 * PATH_SIZE];

    copy_to(fixture, FIXTURES "/split5/libsplit.so", "libshop.so");
    snprintf(path, sizeof path, "%s/libshop.so", fixture->root);
    question.path = path;
    assert_int_equal(ask(fixture, question).count, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(compressed_sections_are_read, setup),
        TEST(what_cannot_be_unpacked_leaves_the_names, setup),
        TEST(split_units_are_read_from_their_objects_and_from_packages, setup),
        TEST(a_split_unit_of_another_build_is_not_taken, setup),
        TEST(a_split_unit_of_another_id_is_not_taken, setup),
        TEST(a_split_unit_that_is_gone_leaves_the_line, setup),
        TEST(mini_debug_information_names_what_is_not_exported, setup),
        TEST(a_debug_link_must_have_the_right_checksum, setup),
        TEST(a_module_that_was_replaced_is_not_named_by_the_new_file, setup),
    };

    if (symbols_worker_is_meant(argc, argv)) return symbols_worker_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
