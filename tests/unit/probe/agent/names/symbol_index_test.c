/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_index.c against what dladdr() says of libc, against this program's own symbols, and
 * against files that are not what they claim to be. */
#include "probe/agent/names/symbol_index.h"

#include "probe/agent/unwind/elf_file.h"
#include "tests/support/test.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

/* A module of this process as the sampler would name it. */
struct loaded {
    char path[PATH_MAX];
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    size_t build_id_size;
    uint64_t bias;
};

static struct symbol_module module_of(const struct loaded *loaded)
{
    return (struct symbol_module){ text_of(loaded->path),
                                   { (const char *)loaded->build_id, loaded->build_id_size } };
}

static void load(const void *address, struct loaded *ret)
{
    struct elf_file file;
    struct link_map *map;
    Dl_info info;

    *ret = (struct loaded){ 0 };
    assert_int_not_equal(dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP), 0);
    assert_non_null(realpath(map->l_name[0] ? map->l_name : "/proc/self/exe", ret->path));
    ret->bias = map->l_addr;
    assert_int_equal(elf_file_open(ret->path, &file), 0);
    ret->build_id_size = elf_file_build_id(&file, ret->build_id);
    elf_file_close(&file);
}

/* What the tests look for in this very program. */
int a_variable_with_a_name[4] = { 4711 };
static int a_static_variable = 42;

__attribute__((noinline)) static int a_static_function(int x)
{
    return x * a_static_variable + 1;
}

int an_old_name(int x);
int an_old_name(int x)
{
    return a_static_function(x) + 7;
}
int __a_name_with_bars(int x) __attribute__((alias("an_old_name")));

static int setup(void **state)
{
    *state = symbol_index_new(SYMBOL_INDEX_SIZE_MAX);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    symbol_index_free(*state);
    return 0;
}

typedef int (*look_up_fn)(struct symbol_index *, const struct symbol_module *, uint64_t,
                          struct symbol *);

static void assert_named(struct symbol_index *index, look_up_fn look_up, const void *object,
                         size_t into, const char *name)
{
    struct loaded loaded;
    struct symbol_module module;
    struct symbol symbol;
    uint64_t offset;

    load(object, &loaded);
    module = module_of(&loaded);
    offset = (uint64_t)(uintptr_t)object - loaded.bias;
    assert_int_equal(look_up(index, &module, offset + into, &symbol), 0);
    assert_string_equal(symbol.name, name);
    assert_int_equal(symbol.begin, offset);
}

static void own_functions_are_named_at_every_byte(void **state)
{
    assert_int_equal(an_old_name(1), 50);
    assert_named(*state, symbol_index_function, (const void *)a_static_function, 0,
                 "a_static_function");
    assert_named(*state, symbol_index_function, (const void *)a_static_function, 3,
                 "a_static_function");
}

static void of_aliases_the_plainest_is_taken(void **state)
{
    assert_named(*state, symbol_index_function, (const void *)an_old_name, 0, "an_old_name");
}

static void own_variables_are_named(void **state)
{
    assert_named(*state, symbol_index_object, &a_static_variable, 0, "a_static_variable");
    assert_named(*state, symbol_index_object, a_variable_with_a_name,
                 3 * sizeof *a_variable_with_a_name, "a_variable_with_a_name");
}

/* libc's exported functions, by what the loader says of them. */
static void exported_functions_of_libc_are_where_the_loader_says(void **state)
{
    static const char *const names[] = { "malloc", "qsort", "getaddrinfo", "vsnprintf", "poll" };

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const void *function = dlsym(RTLD_DEFAULT, names[i]);
        struct loaded loaded;
        struct symbol_module module;
        struct symbol symbol;
        Dl_info info;

        assert_non_null(function);
        assert_int_not_equal(dladdr(function, &info), 0);
        if (!strstr(info.dli_fname, "libc.so")) continue; /* a sanitizer's interceptor */
        load(function, &loaded);
        module = module_of(&loaded);
        assert_int_equal(symbol_index_function(
                             *state, &module, (uint64_t)(uintptr_t)function - loaded.bias, &symbol),
                         0);
        assert_int_equal(symbol.begin, (uint64_t)(uintptr_t)info.dli_saddr - loaded.bias);
    }
}

static void the_vdso_is_read_from_memory(void **state)
{
    uint64_t image = getauxval(AT_SYSINFO_EHDR);
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    struct symbol_module module = { .path = TEXT("[vdso]") };
    struct symbol symbol = { .name = "" };
    struct elf_file file;
    bool is_found = false;

    if (image == 0) skip();
    assert_int_equal(elf_file_open_image(image, &file), 0);
    module.build_id = (struct text){ (const char *)build_id, elf_file_build_id(&file, build_id) };
    elf_file_close(&file);
    for (uint64_t offset = 0; offset < 8192 && !is_found; offset += 16) {
        is_found = symbol_index_function(*state, &module, offset, &symbol) == 0 &&
                   strstr(symbol.name, "clock_gettime") != NULL;
    }
    assert_true(is_found);
}

/* After an upgrade the path leads elsewhere, or nowhere. */
static void a_program_that_was_replaced_on_disk_is_still_named(void **state)
{
    struct loaded loaded;
    struct symbol_module module;
    struct symbol symbol;

    load((const void *)a_static_function, &loaded);
    if (loaded.build_id_size == 0) skip();
    snprintf(loaded.path, sizeof loaded.path, "/bin/sh");
    module = module_of(&loaded);
    assert_int_equal(symbol_index_function(*state, &module,
                                           (uint64_t)(uintptr_t)a_static_function - loaded.bias,
                                           &symbol),
                     0);
    assert_string_equal(symbol.name, "a_static_function");
}

static void another_build_id_is_another_module(void **state)
{
    struct loaded loaded;
    struct symbol_module module;
    struct symbol symbol;
    uint64_t offset;

    load((const void *)a_static_function, &loaded);
    if (loaded.build_id_size == 0) skip();
    loaded.build_id[0] ^= 1;
    module = module_of(&loaded);
    offset = (uint64_t)(uintptr_t)a_static_function - loaded.bias;
    assert_int_equal(symbol_index_function(*state, &module, offset, &symbol), -ESTALE);
}

/* ---- files that were made for it ---- */

struct made {
    char path[64];
    struct symbol_module module;
};

/* A copy of this program, of its first `size` bytes; the caller unlinks it. */
static void make_copy(const char *command, struct made *ret)
{
    char line[PATH_MAX + 256];
    int fd;

    snprintf(ret->path, sizeof ret->path, "/tmp/stakeout_symbols_XXXXXX");
    fd = mkstemp(ret->path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(line, sizeof line, "%s /proc/%d/exe %s", command, (int)getpid(), ret->path);
    assert_int_equal(system(line), 0);
    ret->module = (struct symbol_module){ .path = text_of(ret->path) };
}

static void a_stripped_function_has_the_begin_of_its_unwind_entry(void **state)
{
    struct loaded loaded;
    struct made made;
    struct symbol symbol;
    uint64_t offset;
    int rc;

    load((const void *)a_static_function, &loaded);
    make_copy("objcopy --strip-all", &made);
    made.module.build_id = module_of(&loaded).build_id;
    offset = (uint64_t)(uintptr_t)a_static_function - loaded.bias;
    rc = symbol_index_function(*state, &made.module, offset + 4, &symbol);
    unlink(made.path);
    assert_int_equal(rc, 0);
    assert_string_equal(symbol.name, "");
    assert_int_equal(symbol.begin, offset);
}

static void a_file_that_is_replaced_gives_no_names(void **state)
{
    struct loaded loaded;
    struct made made;
    struct symbol symbol;
    uint64_t offset;
    int before, after;

    load((const void *)a_static_function, &loaded);
    make_copy("cp", &made);
    made.module.build_id = module_of(&loaded).build_id;
    offset = (uint64_t)(uintptr_t)a_static_function - loaded.bias;
    before = symbol_index_function(*state, &made.module, offset, &symbol);
    assert_int_equal(truncate(made.path, 100), 0);
    symbol.name[0] = '\0';
    after = symbol_index_function(*state, &made.module, offset, &symbol);
    unlink(made.path);
    assert_int_equal(before, 0);
    assert_true(after < 0 || symbol.name[0] == '\0');
}

static void what_is_no_module_is_refused(void **state)
{
    static const struct {
        const char *path;
        int rc;
    } paths[] = {
        { "/dev/null", -ENOEXEC }, { "/dev/zero", -ENOEXEC },
        { "/proc", -ENOEXEC },     { "/etc/passwd", -ENOEXEC },
        { "/nowhere", -ENOENT },   { "relative", -ENOENT },
        { "", -ENOENT },
    };
    struct symbol symbol;

    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct symbol_module module = { .path = text_of(paths[i].path) };
        int rc = symbol_index_function(*state, &module, 4096, &symbol);

        if (rc != paths[i].rc) fail_msg("'%s': %d", paths[i].path, rc);
    }
}

static void a_fifo_does_not_hang_us(void **state)
{
    char path[] = "/tmp/stakeout_fifo_XXXXXX";
    struct symbol_module module = { .path = { path, sizeof path - 1 } };
    struct symbol symbol;
    int fd = mkstemp(path), rc;

    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    rc = symbol_index_function(*state, &module, 0, &symbol);
    unlink(path);
    assert_int_equal(rc, -ENOEXEC);
}

static void memory_is_bounded_and_what_is_old_goes(void **state)
{
    enum { SIZE_MAX_SMALL = 64 * 1024 };
    struct symbol_index *index = symbol_index_new(SIZE_MAX_SMALL);
    struct symbol symbol;
    char path[64];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct symbol_module module;

        snprintf(path, sizeof path, "/nowhere/%d", i);
        module = (struct symbol_module){ .path = text_of(path) };
        symbol_index_function(index, &module, 1, &symbol);
        if (symbol_index_size(index) > SIZE_MAX_SMALL)
            fail_msg("%zu bytes after %d modules", symbol_index_size(index), i);
    }
    symbol_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own_functions_are_named_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(of_aliases_the_plainest_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(own_variables_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(exported_functions_of_libc_are_where_the_loader_says, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_vdso_is_read_from_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_program_that_was_replaced_on_disk_is_still_named, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_build_id_is_another_module, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stripped_function_has_the_begin_of_its_unwind_entry,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_replaced_gives_no_names, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_module_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fifo_does_not_hang_us, setup, teardown),
        cmocka_unit_test(memory_is_bounded_and_what_is_old_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
