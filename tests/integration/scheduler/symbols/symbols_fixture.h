/* SPDX-License-Identifier: Apache-2.0 */
/* symbols_fixture.h: the real worker, asked about the first frame of a sample that is made up.
 *
 *     struct question question = { .path = FIXTURES "/libinlined.so", .build_id = ..., ... };
 *     struct answer answer = ask(fixture, question);       turns the loop until it came
 *
 * The program of a test is its own worker: main() hands over to symbols_worker_run() when it is
 * executed as one. FIXTURES holds modules that this machine's compiler made; a fixture's root is a
 * temporary folder, in which debug information is looked for. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_SYMBOLS_FIXTURE_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_SYMBOLS_FIXTURE_H

#include "scheduler/analysis/analysis.h"
#include "scheduler/symbols/symbols.h"
#include "tests/support/test.h"

enum { LOCATIONS_KEPT = 8, PATH_SIZE = 512 };

/* What came back for the first frame of a sample, copied. */
struct answer {
    bool came;
    int times;
    uint32_t string;       /* to look at; 0 is the empty one */
    char waiting_for[256]; /* of the first snapshot, if there is a better text */
    uint32_t count;
    struct {
        char function[256], file[256];
        uint32_t line;
        bool is_inlined;
    } locations[LOCATIONS_KEPT];
};

struct fixture {
    struct event_base *base;
    struct symbols *symbols;
    char root[PATH_SIZE];      /* a temporary folder: the debug root, and what tests put there */
    char store[2 * PATH_SIZE]; /* in it */
    struct symbols_options options; /* for fixture_open() */
};

struct question {
    const char *path;
    struct text build_id;
    uint64_t offset;
    const char *name;
};

/* What the files really hold; fails the test where they do not. */
size_t build_id_of(const char *path, uint8_t ret[BUILD_ID_SIZE_MAX]);
uint64_t symbol_of(const char *path, const char *name);

/* Of a function of a module, where a file that was not stripped says that it is. The build-id lies
 * in `id`. */
struct question question_of(const char *module, const char *named, const char *function,
                            uint8_t id[BUILD_ID_SIZE_MAX]);

/* A sample whose first frame is the question; the caller frees it. */
struct sample *sample_of(const struct question *question);

/* For symbols_resolve(): fills a struct answer, whose `came` await() waits for. */
void on_resolved(void *answer, const struct sample_symbols *const *symbols, size_t count);
void await(struct fixture *fixture, const struct answer *answer);

struct answer ask(struct fixture *fixture, struct question question);

/* Asks for plain() of a module, under a path where no file is. */
struct answer ask_gone(struct fixture *fixture, const char *module);

/* Of each test: setup() reads module paths and is its own worker. teardown() checks that no child
 * of it is left. */
struct fixture *fixture_new(const char *program, bool reads_paths);
struct fixture *fixture_new_with(const struct symbols_options *options, bool has_store);
void fixture_open(struct fixture *fixture); /* again, after symbols_free() */
int setup(void **state);
int teardown(void **state);

#define TEST(claim, set_up) cmocka_unit_test_setup_teardown(claim, set_up, teardown)

#endif
