/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of real modules: built meanwhile, kept, dropped, pushed out, inherited. The clock is the
 * test's. */
#include "probe/agent/unwind/unwind_tables.h"

#include "common/model/limits.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/unwind/modules.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

static struct modules modules;
static uint64_t now_ns;

static bool refresh(void)
{
    return unwind_tables_refresh(&modules, modules_refresh(&modules), now_ns);
}

static struct unwind_found found;

static bool is_found(uint64_t pc)
{
    return unwind_tables_find(&modules, pc, &found) != TABLE_NONE;
}

static uint64_t address_of(void *library, const char *name)
{
    void *address = dlsym(library, name);

    assert_non_null(address);
    return (uint64_t)(uintptr_t)address;
}

static struct unwind_tables_counts counts_now(void)
{
    struct unwind_tables_counts counts;

    unwind_tables_count(&counts);
    return counts;
}

static bool nothing_is_ordered(void *context)
{
    (void)context;
    refresh();
    return counts_now().ordered == 0;
}

static void await_builder(void)
{
    assert_true(wait_until(nothing_is_ordered, NULL, WAIT_MS));
}

/* One that no sanitizer puts another in front of. */
static uint64_t libc_function(void)
{
    return (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
}

static uint64_t own_function(void)
{
    return (uint64_t)(uintptr_t)&libc_function;
}

static int open_tables(size_t size_max)
{
    now_ns = 1000 * NS_PER_S;
    modules_done(&modules);
    if (unwind_tables_open(size_max) < 0) return -1;
    refresh();
    return 0;
}

static int open_usual(void **state)
{
    (void)state;
    return open_tables(UNWIND_TABLES_SIZE_MAX);
}

static int close_tables(void **state)
{
    (void)state;
    unwind_tables_close();
    modules_done(&modules);
    return 0;
}

static void a_table_is_built_when_its_module_is_first_met(void **state)
{
    (void)state;
    assert_int_equal(counts_now().ordered, 0);
    assert_false(is_found(libc_function()));
    assert_int_equal(row_kind(found.rule), ROW_OTHER); /* libunwind steps meanwhile */
    assert_int_equal(counts_now().ordered, 1);
    assert_false(is_found(libc_function() + 1)); /* it is ordered once */
    await_builder();
    assert_int_equal(counts_now().ready, 1);
    assert_int_equal(counts_now().built_count, 1);
    assert_true(is_found(libc_function()));
    assert_int_equal(found.rule, row_rule(ROW_RSP, 0, 1)); /* at a function's first instruction */
    assert_int_equal(found.function, libc_function());
    assert_true(unwind_tables_cpu_ns() > 0);
    assert_true(counts_now().size > 100 * 1024);
}

static void what_is_no_code_is_no_matter_of_tables(void **state)
{
    static const char text[] = "data";

    (void)state;
    assert_false(is_found((uint64_t)(uintptr_t)text));
    assert_int_equal(row_kind(found.rule), ROW_NONE);
    assert_false(is_found(4096));
    assert_int_equal(row_kind(found.rule), ROW_NONE);
    assert_int_equal(counts_now().ordered, 0);
}

static void the_vdso_has_a_table(void **state)
{
    uint64_t pc = 0;

    (void)state;
    for (uint32_t i = 0; i < modules.count; i++) {
        if (strcmp(modules.list[i].path, "[vdso]") != 0) continue;
        for (uint32_t j = 0; j < modules.list[i].segment_count; j++) {
            if (modules.list[i].segments[j].is_code) pc = modules.list[i].segments[j].low;
        }
    }
    assert_true(pc != 0);
    is_found(pc);
    await_builder();
    assert_int_equal(counts_now().ready, 1);
    assert_int_equal(counts_now().failed, 0);
}

static void a_module_that_went_loses_its_table_and_no_other_is_touched(void **state)
{
    void *library = dlopen(UNWOUND_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    uint64_t pc = address_of(library, "unwound_work"), size;

    (void)state;
    refresh();
    is_found(libc_function());
    is_found(own_function());
    await_builder();
    size = counts_now().size;
    is_found(pc);
    await_builder();
    assert_true(is_found(pc) && is_found(libc_function()) && is_found(own_function()));
    assert_int_equal(counts_now().built_count, 3);
    assert_true(counts_now().size > size);
    assert_int_equal(dlclose(library), 0);
    assert_true(refresh());
    assert_false(is_found(pc));
    assert_int_equal(row_kind(found.rule), ROW_NONE);
    assert_int_equal(counts_now().freed_count, 1);
    assert_int_equal(counts_now().size, size);
    assert_true(is_found(libc_function()) && is_found(own_function()));
    library = dlopen(UNWOUND_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    assert_true(refresh());
    is_found(address_of(library, "unwound_work"));
    await_builder();
    assert_true(is_found(address_of(library, "unwound_work")));
    assert_int_equal(counts_now().built_count, 4); /* the two others are what they were */
    dlclose(library);
}

static void a_module_may_go_while_its_table_is_built(void **state)
{
    uint64_t size;

    (void)state;
    is_found(libc_function());
    await_builder();
    size = counts_now().size;
    for (int i = 0; i < 300; i++) {
        void *library = dlopen(UNWOUND_LIBRARY, RTLD_NOW | RTLD_LOCAL);

        refresh();
        is_found(address_of(library, "unwound_work"));
        dlclose(library);
        refresh();
    }
    await_builder();
    assert_int_equal(counts_now().ready, 1);
    assert_int_equal(counts_now().size, size);
}

static int open_small(void **state)
{
    (void)state;
    return open_tables(260 * 1024); /* libc's table is of 224 KB, and little fits beside it */
}

static void above_the_bound_the_one_goes_that_was_not_met_for_longest(void **state)
{
    uint64_t stdio = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "cmocka_set_message_output");
    void *large = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    void *other = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
    uint64_t size, math = address_of(other, "sin");

    (void)state;
    refresh();
    is_found(libc_function());
    is_found(stdio);
    await_builder();
    size = counts_now().size;
    assert_true(is_found(libc_function()) && is_found(stdio));

    /* One that could not fit even alone is none at all, and is not tried again. */
    is_found(address_of(large, "SHA256"));
    await_builder();
    assert_int_equal(counts_now().failed, 1);
    assert_int_equal(counts_now().size, size);

    /* Both were met within the minute: there is no room. */
    now_ns += TABLE_KEPT_NS / 2;
    refresh();
    is_found(math);
    await_builder();
    assert_false(is_found(math));
    assert_int_equal(counts_now().failed, 2);
    assert_true(is_found(stdio));

    /* Then libc's is met no more, the other is; and what failed is tried again. */
    now_ns += TABLE_RETRY_NS;
    refresh();
    assert_true(is_found(stdio));
    is_found(math);
    await_builder();
    assert_true(is_found(math) && is_found(stdio));
    assert_false(is_found(libc_function()));
    assert_int_equal(counts_now().freed_count, 1);
    dlclose(large);
    dlclose(other);
}

#ifndef WITHOUT_THREADS_AFTER_FORK

/* In the child: are the parent's tables there at once, and do they still say the same? */
static int child_main(uint32_t wanted_rule)
{
    uint64_t built;

    filters_forget(); /* its lock may have been the builder's */
    unwind_tables_forget();
    if (unwind_tables_open(UNWIND_TABLES_SIZE_MAX) != 0) return 1;
    built = counts_now().built_count;
    unwind_tables_refresh(&modules, true, now_ns);
    if (counts_now().ready != 2 || counts_now().ordered != 0) return 2;
    if (!is_found(libc_function()) || found.rule != wanted_rule) return 3;
    if (!is_found(own_function())) return 4;
    if (counts_now().built_count != built) return 5;
    unwind_tables_close(); /* its own copies: the parent's stay */
    return counts_now().ready == 0 ? 0 : 6;
}

static void a_child_has_the_tables_of_its_parent(void **state)
{
    int status = -1;
    pid_t child;

    (void)state;
    is_found(libc_function());
    is_found(own_function());
    await_builder();
    assert_true(is_found(libc_function()));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(child_main(found.rule));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(is_found(libc_function()) && is_found(own_function()));
}

/* Forks at any moment of building and dropping: what the child adopts is whole, and usable. */
static void a_fork_may_come_at_any_moment(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        void *library = dlopen(UNWOUND_LIBRARY, RTLD_NOW | RTLD_LOCAL);
        uint64_t pc = address_of(library, "unwound_work");
        int status = -1;
        pid_t child;

        refresh();
        is_found(pc);
        is_found(libc_function());
        if (i % 3 == 0) await_builder();
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            filters_forget(); /* its lock may have been the builder's */
            unwind_tables_forget();
            if (unwind_tables_open(UNWIND_TABLES_SIZE_MAX) != 0) _exit(1);
            unwind_tables_refresh(&modules, true, now_ns);
            is_found(pc);
            is_found(libc_function());
            if (!wait_until(nothing_is_ordered, NULL, WAIT_MS)) _exit(2);
            if (!is_found(pc) || found.function != pc) _exit(3);
            if (!is_found(libc_function())) _exit(4);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status != 0) fail_msg("fork %d: %x", i, (unsigned)status);
        dlclose(library);
        refresh();
    }
}

#endif

static void a_stop_does_not_wait_for_a_large_table(void **state)
{
    void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);

    (void)state;
    assert_non_null(library);
    refresh();
    is_found(address_of(library, "SHA256"));
    is_found(libc_function());
    unwind_tables_close();
    assert_int_equal(counts_now().ready + counts_now().ordered, 0);
    assert_int_equal(open_tables(UNWIND_TABLES_SIZE_MAX), 0);
    dlclose(library);
}

static void there_is_one_set_in_a_process(void **state)
{
    (void)state;
    assert_true(unwind_tables_open(UNWIND_TABLES_SIZE_MAX) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_usual, close_tables)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_table_is_built_when_its_module_is_first_met),
        TEST(what_is_no_code_is_no_matter_of_tables),
        TEST(the_vdso_has_a_table),
        TEST(a_module_that_went_loses_its_table_and_no_other_is_touched),
        TEST(a_module_may_go_while_its_table_is_built),
        cmocka_unit_test_setup_teardown(above_the_bound_the_one_goes_that_was_not_met_for_longest,
                                        open_small, close_tables),
#ifndef WITHOUT_THREADS_AFTER_FORK
        TEST(a_child_has_the_tables_of_its_parent),
        TEST(a_fork_may_come_at_any_moment),
#endif
        TEST(a_stop_does_not_wait_for_a_large_table),
        TEST(there_is_one_set_in_a_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
