/* SPDX-License-Identifier: Apache-2.0 */
/* worker_test.c: an analysis whose symbol worker is killed, or stands still, is answered all the
 * same; the worker is started again, and the next analysis has its files and lines.
 *
 * The samples were taken in this very program: it is built with debug information. */
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 512, ORDERS_MAX = 64 };

/* ------------------------------------------------------------------ this program, as a module */

struct self {
    uintptr_t base;
    struct text build_id;
    char path[PATH_SIZE];
};

static void find_build_id(const char *notes, size_t size, struct text *ret)
{
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
        const ElfW(Nhdr) *note = (const void *)(notes + at);
        size_t name_at = at + sizeof *note, data_at = name_at + (note->n_namesz + 3u) / 4 * 4;

        if (note->n_type == NT_GNU_BUILD_ID)
            *ret = (struct text){ notes + data_at, note->n_descsz };
        at = data_at + (note->n_descsz + 3u) / 4 * 4;
    }
}

static int read_self(struct dl_phdr_info *info, size_t size, void *context)
{
    struct self *self = context;

    (void)size;
    self->base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];

        if (header->p_type == PT_NOTE)
            find_build_id((const char *)(info->dlpi_addr + header->p_vaddr), header->p_memsz,
                          &self->build_id);
    }
    return 1; /* the program is the first one */
}

static const struct self *self(void)
{
    static struct self it;

    if (it.build_id.size > 0) return &it;
    dl_iterate_phdr(read_self, &it);
    assert_true(it.build_id.size > 0);
    assert_true(readlink("/proc/self/exe", it.path, sizeof it.path - 1) > 0);
    return &it;
}

/* ------------------------------------------------------------------ analyses */

struct order {
    char path[PATH_SIZE]; /* of its analysis */
};

/* A task with a sample of a place that was not asked about before. */
static struct order new_order(void)
{
    static unsigned count;
    struct fake_place place = { self()->path, self()->build_id,
                                (uintptr_t)new_order - self()->base + 8 + count };
    char application[32], id[TASK_ID_SIZE + 1];
    struct fake_probe probe = FAKE_PROBE(scheduler.port, application, "host-1:1");
    struct order order;

    snprintf(application, sizeof application, "worker-%u", count++);
    scheduler_create_task(application, "", id);
    fake_probe_poll(&probe);
    assert_int_equal(
        fake_probe_report(&probe, &(struct fake_sample){ .task = id, .place = &place }),
        REPORT_ACCEPTED);
    snprintf(order.path, sizeof order.path, "/api/v1/tasks/%s/analysis", id);
    return order;
}

/* Does its last finding say that the worker gave no answer? */
static bool says_why(const json_t *analysis)
{
    const json_t *findings = json_object_get(analysis, "findings");
    size_t count = json_array_size(findings);
    const char *last = count > 0 ? json_string_value(json_array_get(findings, count - 1)) : "";

    return strstr(last, "the symbol worker gave no answer") != NULL;
}

/* The sums are right, whether or not there are names. Returns whether there are lines. */
static bool has_lines(const json_t *analysis)
{
    const json_t *tree = json_object_get(analysis, "tree"), *frame;
    bool has = false;
    size_t index;

    assert_true(json_number_value(json_object_get(tree, "total_ms")) == 100);
    json_array_foreach(json_object_get(analysis, "frames"), index, frame)
    {
        const char *file = strrchr(text_at(frame, "file"), '/');

        has = has || (file && strcmp(file, "/worker_test.c") == 0 && number_at(frame, "line") > 0);
    }
    assert_int_equal(has, !says_why(analysis)); /* what is missing is said to be so */
    return has;
}

static bool analyse(const struct order *order)
{
    json_t *analysis = scheduler_get(order->path);
    bool has = has_lines(analysis);

    json_decref(analysis);
    return has;
}

/* One that was begun before. */
static bool hear(int fd)
{
    struct api_answer answer;
    bool has;

    api_receive(fd, &answer);
    assert_int_equal(answer.status, 200);
    has = has_lines(answer.json);
    api_answer_done(&answer);
    return has;
}

static bool is_analysed(void *context)
{
    return analyse(context);
}

/* ------------------------------------------------------------------ the worker */

static bool is_worker(pid_t pid)
{
    char path[64], words[128] = "";
    size_t size;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    file = fopen(path, "re");
    if (!file) return false;
    size = fread(words, 1, sizeof words - 1, file);
    fclose(file);
    return size > 0 && memmem(words, size, "--symbol-worker", 15) != NULL;
}

/* The scheduler's child that looks symbols up; 0: there is none. */
static pid_t worker_pid(void)
{
    pid_t found = 0;
    char path[64];
    FILE *file;
    int pid;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)scheduler.pid,
             (int)scheduler.pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fscanf(file, "%d", &pid) == 1) {
        if (is_worker(pid)) found = pid;
    }
    fclose(file);
    return found;
}

static bool is_reaped(void *context)
{
    const pid_t *pid = context;

    return kill(*pid, 0) < 0 && errno == ESRCH;
}

/* A worker that has answered before, and answers nothing now. */
static pid_t stopped_worker(void)
{
    struct order order = new_order();
    pid_t pid;

    assert_true(analyse(&order));
    pid = worker_pid();
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    return pid;
}

static void assert_that_another_one_answers(pid_t old)
{
    struct order order = new_order();

    if (!wait_until(is_analysed, &order, 60000)) fail_msg("there never were lines again");
    assert_true(worker_pid() > 0);
    assert_int_not_equal(worker_pid(), old);
    assert_true(wait_until(is_reaped, &old, 10000));
}

/* ------------------------------------------------------------------ claims */

static void an_analysis_survives_its_worker_s_death(void **state)
{
    pid_t pid = stopped_worker(); /* so that it dies over the question, not behind it */
    struct order order = new_order();
    int fd = api_send(&(struct api_call){ .port = scheduler.port, .path = order.path });

    (void)state;
    /* It was sent later and is read from Redis: when it is here, the sample was read, too. */
    json_decref(scheduler_get("/api/v1/tasks?limit=1"));
    assert_int_equal(kill(pid, SIGKILL), 0);
    hear(fd);
    assert_that_another_one_answers(pid);
    assert_true(wait_until(is_analysed, &order, 60000)); /* nothing was remembered of the loss */
}

static void an_analysis_does_not_wait_for_ever_for_a_worker_that_stands_still(void **state)
{
    pid_t pid = stopped_worker();
    struct order order = new_order();

    (void)state;
    assert_false(analyse(&order));
    assert_int_equal(worker_pid(), pid); /* nor until it is given up */
    assert_that_another_one_answers(pid);
    assert_true(wait_until(is_analysed, &order, 60000));
}

/* Each has a scheduler of its own: a module that two workers died over is left alone. */
#define WORKER_TEST(name) cmocka_unit_test_setup_teardown(name, scheduler_setup, scheduler_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(an_analysis_survives_its_worker_s_death),
        WORKER_TEST(an_analysis_does_not_wait_for_ever_for_a_worker_that_stands_still),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
