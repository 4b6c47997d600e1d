/* SPDX-License-Identifier: Apache-2.0 */
/* hostile_test.c: files that are no modules, workers that die, and workers that were taken over. */
#include "tests/integration/scheduler/symbols/symbols_fixture.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

/* Asks about a file that is no module, then about one that is: the worker must answer both. */
static void assert_harmless(struct fixture *fixture, const char *says, const char *path)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libinlined.so", FIXTURES "/libinlined.so", "plain", id);

    question.path = path;
    if (ask(fixture, question).count > 1) fail_msg("%s: answered", says);
    question.path = FIXTURES "/libinlined.so";
    if (ask(fixture, question).count != 1) fail_msg("after %s: not answered", says);
}

static void what_is_no_module_is_harmless(void **state)
{
    struct fixture *fixture = *state;
    char path[2 * PATH_SIZE];
    int fd;

    snprintf(path, sizeof path, "%s/fifo", fixture->root);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_harmless(fixture, "a FIFO", path);
    assert_harmless(fixture, "a device", "/dev/zero");
    assert_harmless(fixture, "a folder", fixture->root);
    assert_harmless(fixture, "a file of /proc", "/proc/self/maps");
    assert_harmless(fixture, "text", FIXTURES "/../CMakeFiles");
    assert_harmless(fixture, "a relative path", "libinlined.so");

    snprintf(path, sizeof path, "%s/huge", fixture->root);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\177ELF\2\1\1", 7), 7);
    assert_int_equal(ftruncate(fd, (off_t)5 << 30), 0);
    close(fd);
    assert_harmless(fixture, "5 GB", path);
}

/* Cuts and flips, deterministically: a hundred broken copies of a real module. */
static void broken_modules_are_harmless(void **state)
{
    struct fixture *fixture = *state;
    static unsigned char whole[256 * 1024];
    uint32_t seed = 20261122;
    char path[2 * PATH_SIZE];
    ssize_t size;
    int fd = open(FIXTURES "/libinlined.so", O_RDONLY | O_CLOEXEC);

    size = read(fd, whole, sizeof whole);
    close(fd);
    assert_true(size > 4096 && size < (ssize_t)sizeof whole);
    for (int i = 0; i < 100; i++) {
        static unsigned char broken[sizeof whole];
        size_t broken_size = (size_t)size;

        memcpy(broken, whole, broken_size);
        if (i % 4 == 0) broken_size = 64 + (size_t)(seed % (uint32_t)size);
        for (int flips = 0; i % 4 != 0 && flips < 30; flips++) {
            seed = seed * 1664525u + 1013904223u;
            /* Behind the first page are code and debug information; headers and note stay. */
            broken[4096 + seed % ((uint32_t)size - 4096)] ^= (unsigned char)(1u << seed % 8);
        }
        snprintf(path, sizeof path, "%s/broken-%d", fixture->root, i);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, broken, broken_size), broken_size);
        close(fd);
        seed = seed * 1664525u + 1013904223u;
    }
    for (int i = 0; i < 100; i++) {
        uint8_t id[BUILD_ID_SIZE_MAX];
        size_t id_size = build_id_of(FIXTURES "/libinlined.so", id);

        snprintf(path, sizeof path, "%s/broken-%d", fixture->root, i);
        ask(fixture,
            (struct question){ .path = path,
                               .build_id = { (char *)id, id_size },
                               .offset = symbol_of(FIXTURES "/libinlined.so", "inlined_here") });
    }
    assert_harmless(fixture, "broken modules", path);
}

/* ---- the death of a worker ---- */

static int setup_dying(void **state)
{
    *state = fixture_new("/bin/false", true);
    return 0;
}

static void a_worker_killed_over_a_question_leaves_it_open_and_comes_back(void **state)
{
    struct fixture *fixture = *state;
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libinlined.so", FIXTURES "/libinlined.so", "plain", id);
    struct answer answer = { 0 };
    struct sample *sample;
    int pid;

    assert_int_equal(ask(fixture, question).count, 1);
    pid = symbols_worker_pid(fixture->symbols);
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGSTOP), 0); /* so that it cannot answer first */
    question.offset++;
    sample = sample_of(&question);
    symbols_resolve(fixture->symbols, (const struct sample *const[]){ sample }, 1, on_resolved,
                    &answer);
    assert_int_equal(kill(pid, SIGKILL), 0);
    await(fixture, &answer);
    assert_int_equal(answer.count, 0);
    assert_int_equal(answer.times, 1);
    sample_free(sample);

    assert_int_equal(ask(fixture, question).count, 1); /* asked again, of a new worker */
    assert_int_not_equal(symbols_worker_pid(fixture->symbols), pid);
}

static void answers_are_remembered_without_the_worker(void **state)
{
    struct fixture *fixture = *state;
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question =
        question_of(FIXTURES "/libinlined.so", FIXTURES "/libinlined.so", "plain", id);

    assert_int_equal(ask(fixture, question).count, 1);
    assert_int_equal(kill(symbols_worker_pid(fixture->symbols), SIGKILL), 0);
    while (symbols_worker_pid(fixture->symbols) != 0)
        event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_int_equal(ask(fixture, question).count, 1);
    assert_int_equal(symbols_worker_pid(fixture->symbols), 0);
}

static void a_program_that_is_no_worker_leaves_all_open(void **state)
{
    struct answer answer = ask(*state, (struct question){ .path = FIXTURES "/libinlined.so",
                                                          .build_id = TEXT("12345678901234567890"),
                                                          .offset = 0x1000 });

    assert_int_equal(answer.count, 0);
    answer = ask(*state, (struct question){ .path = FIXTURES "/libinlined.so",
                                            .build_id = TEXT("12345678901234567890"),
                                            .offset = 0x2000 });
    assert_int_equal(answer.count, 0);
}

static void open_questions_end_with_the_symbols(void **state)
{
    struct fixture *fixture = *state;
    struct question question = { .path = "/nowhere/libshop.so",
                                 .build_id = TEXT("12345678901234567890"),
                                 .offset = 0x10 };
    struct sample *sample = sample_of(&question);
    const struct sample *samples[] = { sample };
    struct answer answers[2] = { 0 };

    symbols_resolve(fixture->symbols, samples, 1, on_resolved, &answers[0]);
    symbols_resolve(fixture->symbols, samples, 1, on_resolved, &answers[1]);
    fixture->symbols = symbols_free(fixture->symbols);
    assert_int_equal(answers[0].times, 1);
    assert_int_equal(answers[1].times, 1);
    sample_free(sample);
}

/* ---- workers that say what they should not ---- */

#define HOSTILE_WORKER "STAKEOUT_TEST_HOSTILE_WORKER"

/* Notes its start in the debug root, reads a question, and answers it in a way of its own. */
static int hostile_worker(const char *says, const char *root)
{
    static const uint32_t huge[] = { UINT32_MAX, 1, 1 }, other_id[] = { 9, 77, 1, 0 };
    static const uint32_t long_answer[] = { 16, 1, 1, 0, 0 }, many[] = { 9, 1, 1, 0xff };
    static const uint32_t other_count[] = { 8, 1, 0 };
    static const struct {
        const char *says;
        const uint32_t *words;
        size_t size;
    } answers[] = {
        { "nothing", huge, 0 },
        { "a huge size", huge, sizeof huge },
        { "half", long_answer, 7 },
        { "another id", other_id, 13 },
        { "a tail", long_answer, 20 },
        { "too many locations", many, 13 },
        { "another count", other_count, sizeof other_count },
    };
    char question[4096], path[2 * PATH_SIZE];
    int fd;

    snprintf(path, sizeof path, "%s/starts", root);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1) return 1;
    if (read(3, question, sizeof question) <= 0) return 1;
    for (size_t i = 0; i < ARRAY_COUNT(answers); i++)
        if (strcmp(says, answers[i].says) == 0)
            return write(3, answers[i].words, answers[i].size) < 0;
    return 1;
}

static off_t starts_of(const struct fixture *fixture)
{
    char path[2 * PATH_SIZE];
    struct stat info;

    snprintf(path, sizeof path, "%s/starts", fixture->root);
    return stat(path, &info) == 0 ? info.st_size : 0;
}

static void a_worker_that_was_taken_over_is_not_believed(void **state)
{
    static const char *const says[] = { "nothing",      "a huge size", "half",
                                        "another id",   "a tail",      "too many locations",
                                        "another count" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(says); i++) {
        struct fixture *fixture;
        struct answer answer;

        setenv(HOSTILE_WORKER, says[i], 1);
        fixture = fixture_new("/proc/self/exe", true);
        answer = ask(fixture, (struct question){ .path = "/srv/libshop.so",
                                                 .build_id = TEXT("12345678901234567890"),
                                                 .offset = 0x10 });
        if (answer.count != 0) fail_msg("%s: believed", says[i]);
        assert_int_equal(answer.times, 1);
        assert_int_equal(starts_of(fixture), 1);
        unsetenv(HOSTILE_WORKER);
        teardown((void **)&fixture);
    }
}

static void a_module_that_killed_two_workers_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct question question = { .path = "/srv/libdeadly.so",
                                 .build_id = TEXT("12345678901234567890") };

    setenv(HOSTILE_WORKER, "nothing", 1);
    for (uint64_t i = 1; i <= 5; i++) {
        question.offset = i;
        assert_int_equal(ask(fixture, question).count, 0);
        assert_int_equal(starts_of(fixture), i < 2 ? i : 2);
    }
    unsetenv(HOSTILE_WORKER);
    question.path = "/srv/libother.so"; /* others are asked about */
    question.name = "_Z1fv";
    assert_int_equal(ask(fixture, question).count, 1);
}

static int run_worker(int argc, char **argv)
{
    const char *says = getenv(HOSTILE_WORKER);

    return says ? hostile_worker(says, argv[3]) : symbols_worker_run(argc, argv);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_module_is_harmless, setup),
        TEST(broken_modules_are_harmless, setup),
        TEST(a_worker_killed_over_a_question_leaves_it_open_and_comes_back, setup),
        TEST(answers_are_remembered_without_the_worker, setup),
        TEST(a_program_that_is_no_worker_leaves_all_open, setup_dying),
        TEST(a_module_that_killed_two_workers_is_left_alone, setup),
        TEST(open_questions_end_with_the_symbols, setup),
        cmocka_unit_test(a_worker_that_was_taken_over_is_not_believed),
    };

    if (symbols_worker_is_meant(argc, argv)) return run_worker(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
