/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/unwind/modules.h"

#include "tests/support/test.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void own_code_is_in_the_program(void **state)
{
    struct modules modules = { 0 };
    const struct loaded_module *module;
    uint64_t address = (uint64_t)(uintptr_t)&own_code_is_in_the_program;

    (void)state;
    assert_true(modules_refresh(&modules));
    module = modules_find(&modules, address);
    assert_non_null(module);
    assert_non_null(strstr(module->path, "modules"));
    assert_true(module_holds_code(module, address));
    assert_false(module_holds_code(module, (uint64_t)(uintptr_t)module->path));
    assert_int_not_equal(module->unwind_header, 0);
    assert_int_equal(modules_find(&modules, 4096), NULL);
    modules_done(&modules);
}

static void the_vdso_is_a_module(void **state)
{
    struct modules modules = { 0 };
    const struct loaded_module *module;

    (void)state;
    modules_refresh(&modules);
    module = modules_find(&modules, getauxval(AT_SYSINFO_EHDR));
    assert_non_null(module);
    assert_string_equal(module->path, "[vdso]");
    modules_done(&modules);
}

static void libraries_that_come_and_go_are_noticed(void **state)
{
    struct modules modules = { 0 };
    uint64_t address;
    void *library, *symbol;

    (void)state;
    modules_refresh(&modules);
    assert_false(modules_refresh(&modules));
    library = dlopen(UNWOUND_LIBRARY, RTLD_NOW);
    assert_non_null(library);
    symbol = dlsym(library, "unwound_work");
    address = (uint64_t)(uintptr_t)symbol;
    assert_null(modules_find(&modules, address));
    assert_true(modules_refresh(&modules));
    assert_non_null(modules_find(&modules, address));
    assert_non_null(strstr(modules_find(&modules, address)->path, "unwound_bare"));
    dlclose(library);
    assert_true(modules_refresh(&modules));
    assert_null(modules_find(&modules, address));
    modules_done(&modules);
}

static void build_ids_are_read(void **state)
{
    struct modules modules = { 0 };
    const struct loaded_module *libc;

    (void)state;
    modules_refresh(&modules);
    libc = modules_find(&modules, (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "qsort"));
    assert_non_null(libc);
    assert_int_equal(libc->build_id_size, 20); /* SHA-1, as Debian's linker makes it */
    modules_done(&modules);
}

/* The host may have protected them: this library has them in a page behind its headers. */
static void notes_that_cannot_be_read_are_left_out(void **state)
{
    struct modules modules = { 0 };
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    void *library = dlopen(NOTED_LIBRARY, RTLD_NOW), *work;
    const struct loaded_module *module;
    unsigned char *notes;
    Dl_info info;

    (void)state;
    assert_non_null(library);
    work = dlsym(library, "unwound_work");
    assert_int_not_equal(dladdr(work, &info), 0);
    notes = (unsigned char *)info.dli_fbase + page_size;
    assert_int_equal(mprotect(notes, page_size, PROT_NONE), 0);
    modules_refresh(&modules);
    assert_int_equal(mprotect(notes, page_size, PROT_READ), 0);
    module = modules_find(&modules, (uint64_t)(uintptr_t)work);
    assert_non_null(module);
    assert_int_equal(module->build_id_size, 0);
    modules_done(&modules);
    modules_refresh(&modules);
    module = modules_find(&modules, (uint64_t)(uintptr_t)work);
    assert_int_equal(module->build_id_size, 20); /* so it was there that they were */
    dlclose(library);
    modules_done(&modules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_code_is_in_the_program),
        cmocka_unit_test(the_vdso_is_a_module),
        cmocka_unit_test(libraries_that_come_and_go_are_noticed),
        cmocka_unit_test(build_ids_are_read),
        cmocka_unit_test(notes_that_cannot_be_read_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
