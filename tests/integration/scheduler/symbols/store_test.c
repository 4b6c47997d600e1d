/* SPDX-License-Identifier: Apache-2.0 */
/* store_test.c: files on their way into the store, by the process that takes them, and what they do
 * to names: of answers that were given before, too. */
#include "tests/integration/scheduler/symbols/symbols_fixture.h"

#include "common/base/clock.h"
#include "common/base/own.h"

#include <elf.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int setup_store(void **state)
{
    *state = fixture_new_with(
        &(struct symbols_options){ .program = "/proc/self/exe", .read_module_paths = false }, true);
    return 0;
}

/* ---- uploading ---- */

struct told {
    bool came, is_stored, has_lines, has_names;
    enum problem_code code;
    char build_id[2 * BUILD_ID_SIZE_MAX + 1];
};

static void on_uploaded(void *context, const struct symbol_upload_result *result)
{
    struct told *told = context;

    assert_false(told->came);
    told->came = true;
    told->is_stored = result->file != NULL;
    told->has_lines = result->has_lines;
    told->has_names = result->has_names;
    if (result->problem) told->code = result->problem->code;
    if (result->file) memcpy(told->build_id, result->file->build_id, sizeof told->build_id);
}

/* Sends what the file holds, as far as it is taken, turning the loop. */
static void send_file(struct fixture *fixture, struct symbol_upload *upload, const char *path)
{
    OWN(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    static char part[256 * 1024];
    ssize_t size;

    assert_true(fd >= 0);
    while ((size = read(fd, part, sizeof part)) > 0) {
        for (ssize_t at = 0; at < size;) {
            int to = symbols_upload_fd(upload);
            ssize_t went;

            if (to < 0) return; /* it was refused by what came so far */
            went = send(to, part + at, (size_t)(size - at), MSG_NOSIGNAL);
            if (went > 0) at += went;
            if (went < 0 && errno != EAGAIN) return;
            event_base_loop(fixture->base, EVLOOP_NONBLOCK);
        }
    }
}

static struct symbol_upload *begin(struct fixture *fixture, const char *path)
{
    struct problem problem = { 0 };
    struct symbol_upload *upload;
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    upload = symbols_upload_begin(fixture->symbols, (uint64_t)info.st_size, &problem);
    if (!upload) fail_msg("%s", problem.detail);
    return upload;
}

static struct told upload(struct fixture *fixture, const char *path)
{
    uint64_t deadline_ns = clock_monotonic_ns() + 40 * NS_PER_S;
    struct symbol_upload *upload = begin(fixture, path);
    struct told told = { .came = false };

    send_file(fixture, upload, path);
    symbols_upload_end(upload, on_uploaded, &told);
    assert_false(told.came);
    while (!told.came) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
    return told;
}

static size_t incoming_count(const struct fixture *fixture)
{
    char command[4 * PATH_SIZE];
    unsigned count = 99;
    FILE *list;

    snprintf(command, sizeof command, "ls '%s/incoming' | wc -l", fixture->store);
    list = popen(command, "r");
    assert_non_null(list);
    assert_int_equal(fscanf(list, "%u", &count), 1);
    pclose(list);
    return count;
}

/* ---- what an upload does ---- */

static void what_was_answered_before_gains_names_and_loses_them_again(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    struct told told;

    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 0);
    told = upload(fixture, FIXTURES "/libinlined.so");
    assert_true(told.is_stored && told.has_lines && told.has_names);
    answer = ask_gone(fixture, FIXTURES "/libinlined.so");
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "plain");
    assert_true(answer.locations[0].line > 0);

    assert_int_equal(symbols_counts(fixture->symbols).hits, 1);
    assert_int_equal(symbols_counts(fixture->symbols).misses, 1);
    assert_int_equal(symbols_file_remove(fixture->symbols, text_of(told.build_id)), 0);
    assert_int_equal(symbols_file_remove(fixture->symbols, text_of(told.build_id)), -ENOENT);
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 0);
}

static void a_restart_finds_what_was_stored_and_clears_what_was_not(void **state)
{
    struct fixture *fixture = *state;
    struct symbol_upload *half;
    char path[4 * PATH_SIZE];
    FILE *stray;

    upload(fixture, FIXTURES "/libstripped.debug");
    half = begin(fixture, FIXTURES "/libinlined.so");
    assert_int_equal(incoming_count(fixture), 1);
    symbols_upload_drop(half);
    assert_int_equal(incoming_count(fixture), 0);
    snprintf(path, sizeof path, "%s/incoming/0123456789abcdef", fixture->store);
    stray = fopen(path, "w"); /* as kill -9 leaves it */
    assert_non_null(stray);
    fclose(stray);
    fixture->symbols = symbols_free(fixture->symbols);
    fixture_open(fixture);
    assert_int_equal(incoming_count(fixture), 0);
    assert_int_equal(symbols_counts(fixture->symbols).store_files, 1);
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 1);
}

static void what_cannot_be_named_by_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct told told = upload(fixture, FIXTURES "/libbare.so"); /* stripped of everything */

    assert_false(told.is_stored);
    assert_int_equal(told.code, PROBLEM_BAD_BODY);
    told = upload(fixture, FIXTURES "/libnoid.so");
    assert_false(told.is_stored);
    told = upload(fixture, FIXTURES "/libmini.so"); /* names alone are something */
    assert_true(told.is_stored && !told.has_lines && told.has_names);
    assert_int_equal(symbols_counts(fixture->symbols).store_files, 1);
    assert_int_equal(symbols_counts(fixture->symbols).uploads_refused, 2);
    assert_int_equal(incoming_count(fixture), 0);
}

/* ---- bounds ---- */

static uint64_t size_of(const char *path)
{
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

static void a_file_over_the_limit_is_refused_before_a_byte_of_it(void **state)
{
    uint64_t size = size_of(FIXTURES "/libinlined.so");
    struct fixture *fixture = fixture_new_with(
        &(struct symbols_options){ .program = "/proc/self/exe", .upload_size_max = size }, true);
    struct problem problem = { 0 };

    *state = fixture;
    assert_true(upload(fixture, FIXTURES "/libinlined.so").is_stored);
    assert_null(symbols_upload_begin(fixture->symbols, size + 1, &problem));
    assert_int_equal(problem.code, PROBLEM_TOO_LARGE);
}

static void two_uploads_at_once_and_no_third(void **state)
{
    struct fixture *fixture = *state;
    struct symbol_upload *first = begin(fixture, FIXTURES "/libinlined.so");
    struct symbol_upload *second = begin(fixture, FIXTURES "/libinlined.so");
    struct problem problem = { 0 };

    assert_null(symbols_upload_begin(fixture->symbols, 100, &problem));
    assert_int_equal(problem.code, PROBLEM_BUSY);
    symbols_upload_drop(first);
    first = begin(fixture, FIXTURES "/libinlined.so");
    symbols_upload_drop(first);
    symbols_upload_drop(second);
}

static void over_the_budget_the_one_that_was_used_longest_ago_goes(void **state)
{
    uint64_t inlined = size_of(FIXTURES "/libinlined.so");
    uint64_t split = size_of(FIXTURES "/split5/libsplit.so");
    struct fixture *fixture = fixture_new_with(
        &(struct symbols_options){ .program = "/proc/self/exe", .store_size_max = inlined + split },
        true);

    *state = fixture;
    upload(fixture, FIXTURES "/libinlined.so");
    upload(fixture, FIXTURES "/split5/libsplit.so");
    assert_int_equal(symbols_counts(fixture->symbols).store_files, 2); /* exactly full */
    assert_int_equal(symbols_counts(fixture->symbols).store_evicted, 0);
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count,
                     1); /* now the other one is the older */
    upload(fixture, FIXTURES "/split4/libsplit.so");
    assert_int_equal(symbols_counts(fixture->symbols).store_files, 2);
    assert_int_equal(symbols_counts(fixture->symbols).store_evicted, 1);
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 1);
}

/* ---- hostile files ---- */

static void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void assert_refused(struct fixture *fixture, const char *says, const char *path)
{
    struct told told = upload(fixture, path);

    if (told.is_stored) fail_msg("%s: stored", says);
    if (told.code != PROBLEM_BAD_BODY) fail_msg("%s: problem %d", says, told.code);
}

static void hostile_files_are_refused_or_harmless(void **state)
{
    struct fixture *fixture = *state;
    static unsigned char whole[256 * 1024], broken[sizeof whole];
    FILE *from = fopen(FIXTURES "/libinlined.so", "rb");
    size_t size = fread(whole, 1, sizeof whole, from);
    Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)broken;
    char path[4 * PATH_SIZE];
    uint32_t seed = 20261122;

    fclose(from);
    snprintf(path, sizeof path, "%s/hostile", fixture->root);
    for (size_t part = 1; part < size; part = part * 3 + 1) {
        write_file(path, whole, part);
        assert_refused(fixture, "truncated", path);
    }
#define BREAK(says, how)            \
    memcpy(broken, whole, size);    \
    how;                            \
    write_file(path, broken, size); \
    assert_refused(fixture, says, path)
    BREAK("another machine", header->e_machine = EM_AARCH64);
    BREAK("32 bits", header->e_ident[EI_CLASS] = ELFCLASS32);
    BREAK("big endian", header->e_ident[EI_DATA] = ELFDATA2MSB);
    BREAK("wild section headers", header->e_shoff = UINT64_MAX - 100);
    BREAK("sections behind the end", header->e_shoff = size);
    BREAK("enormous counts", header->e_shnum = header->e_phnum = UINT16_MAX);
    BREAK("no such name section", header->e_shstrndx = UINT16_MAX);
    BREAK("another entry size", header->e_shentsize = 1);
#undef BREAK
    write_file(path, "", 1);
    assert_int_equal(truncate(path, 100 << 20), 0);
    assert_refused(fixture, "100 MB of zeros", path);

    /* Flips anywhere: whatever is stored of these must not hurt who looks it up. */
    for (int i = 0; i < 60; i++) {
        memcpy(broken, whole, size);
        for (int flips = 0; flips < 20; flips++) {
            seed = seed * 1664525u + 1013904223u;
            broken[seed % size] ^= (unsigned char)(1u << (seed >> 8) % 8);
        }
        write_file(path, broken, size);
        upload(fixture, path);
        ask_gone(fixture, FIXTURES "/libinlined.so");
    }
    upload(fixture, FIXTURES "/libinlined.so");
    assert_int_equal(ask_gone(fixture, FIXTURES "/libinlined.so").count, 1);
    assert_int_equal(incoming_count(fixture), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_answered_before_gains_names_and_loses_them_again, setup_store),
        TEST(a_restart_finds_what_was_stored_and_clears_what_was_not, setup_store),
        TEST(what_cannot_be_named_by_is_refused, setup_store),
        TEST(a_file_over_the_limit_is_refused_before_a_byte_of_it, NULL),
        TEST(two_uploads_at_once_and_no_third, setup_store),
        TEST(over_the_budget_the_one_that_was_used_longest_ago_goes, NULL),
        TEST(hostile_files_are_refused_or_harmless, setup_store),
    };

    if (symbols_worker_is_meant(argc, argv)) return symbols_worker_run(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
