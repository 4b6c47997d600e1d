/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_bench.c [PAIRS]: what unwinding a copy costs the agent, against libunwind's remote step.
 *
 * The stack is of about 30 frames: functions of three libraries, without frame pointers, one in
 * eight with alloca, under libc's raise(). A signal's handler copies it, as ours does; then both
 * walk the same copy, in interleaved pairs.
 *
 *   warm   the same copy again and again: rows kept by both
 *   cold   before each walk our kept rows are pushed out by others, and both by 64 MB of other data
 *
 * Then the tables of the largest libraries here are built, and their figures printed. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "probe/agent/unwind/modules.h"
#include "probe/agent/unwind/remote_unwinder.h"
#include "probe/agent/unwind/unwind_build.h"
#include "probe/agent/unwind/unwind_tables.h"
#include "probe/agent/unwind/unwinder.h"
#include "tests/bench/pairs.h"
#include "tests/bench/probe/unwind_chain.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ucontext.h>

enum {
    PAIRS = 40,
    WALKS = 2000,    /* of a warm measurement */
    COLD_WALKS = 15, /* of a cold one, which is their median */
    COLD_PAIRS = 20,
    RUNS = 5, /* absolute figures are medians of these */
    DISTURBANCE = 64 * 1024 * 1024,
    LOOKUPS = 40000, /* that push 2048 kept rows out */
    BUILDS = 5,
};

struct bench {
    struct unwinder *unwinder;
    struct remote_unwinder *remote;
    struct modules modules;
    struct stack_view view;
    struct walk walk;
    unsigned char *disturbance;
    uint64_t code, code_size; /* of the library that others' rows come from */
};

static unsigned char copy[STACK_COPY_SIZE_MAX];
static struct stack_view copied;
static uint64_t stack_high;
static volatile uint64_t sink;

static const int places[REGISTERS] = {
    REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
    REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

static void on_signal(int number, siginfo_t *info, void *context)
{
    const ucontext_t *interrupted = context;
    uint64_t sp = (uint64_t)interrupted->uc_mcontext.gregs[REG_RSP];

    (void)number;
    (void)info;
    copied = (struct stack_view){ .bytes = copy, .base = sp - 128, .known = REGISTERS_ALL };
    copied.size = stack_high - copied.base;
    if (copied.size > sizeof copy) copied.size = sizeof copy;
    memcpy(copy, (const void *)(uintptr_t)copied.base, copied.size);
    for (int i = 0; i < REGISTERS; i++) {
        copied.registers[i] = (uint64_t)interrupted->uc_mcontext.gregs[places[i]];
    }
}

static int take_copy(struct chain *chain)
{
    raise(SIGUSR2);
    return (int)chain->at;
}

static void make_copy(void)
{
    static const char *const libraries[CHAIN_LIBRARIES] = { CHAIN_0, CHAIN_1, CHAIN_2 };
    struct sigaction action = { .sa_flags = SA_SIGINFO };
    struct chain chain = { .at = 0 };

    action.sa_sigaction = on_signal;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    stack_high = getauxval(AT_RANDOM); /* above the outermost frame */
    for (int i = 0; i < CHAIN_LIBRARIES; i++) {
        void *library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL), *found;
        void (*links)(chain_link_fn ret[CHAIN_LINKS]);

        CHECK(library != NULL);
        found = dlsym(library, "chain_links");
        CHECK(found != NULL);
        memcpy(&links, &found, sizeof links);
        links(&chain.links[i * CHAIN_LINKS]);
    }
    chain.links[CHAIN_LIBRARIES * CHAIN_LINKS] = take_copy;
    sink += (uint64_t)chain.links[0](&chain);
}

/* ---- one walk ---- */

static void walk_ours(struct bench *bench)
{
    unwinder_walk(bench->unwinder, &bench->view, &bench->walk);
    sink += bench->walk.count;
}

static void walk_libunwind(struct bench *bench)
{
    static uint64_t pcs[WALK_FRAMES_MAX];
    bool is_complete;

    sink += remote_unwinder_walk(bench->remote, &bench->view, pcs, WALK_FRAMES_MAX, &is_complete);
    CHECK(is_complete);
}

static double warm_ns(struct bench *bench, void (*walk)(struct bench *))
{
    uint64_t begin_ns = clock_thread_cpu_ns();

    for (int i = 0; i < WALKS; i++) {
        walk(bench);
    }
    return (double)(clock_thread_cpu_ns() - begin_ns) / WALKS;
}

static double warm_ours(void *context)
{
    return warm_ns(context, walk_ours);
}

static double warm_libunwind(void *context)
{
    return warm_ns(context, walk_libunwind);
}

/* Other rows take the places of ours, and other data that of everything in the caches. */
static void disturb(struct bench *bench)
{
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        sink += unwinder_function(bench->unwinder, bench->code + i * 64 % bench->code_size);
    }
    for (size_t i = 0; i < DISTURBANCE; i += 64) {
        bench->disturbance[i]++;
    }
}

static double cold_ns(struct bench *bench, void (*walk)(struct bench *))
{
    double ns[COLD_WALKS];

    for (int i = 0; i < COLD_WALKS; i++) {
        uint64_t begin_ns;

        disturb(bench);
        begin_ns = clock_monotonic_ns();
        walk(bench);
        ns[i] = (double)(clock_monotonic_ns() - begin_ns);
    }
    return pairs_quantile(ns, COLD_WALKS, 0.5);
}

static double cold_ours(void *context)
{
    return cold_ns(context, walk_ours);
}

static double cold_libunwind(void *context)
{
    return cold_ns(context, walk_libunwind);
}

/* ---- tables ---- */

static bool has_all_tables(void *context)
{
    struct bench *bench = context;
    struct unwind_tables_counts counts;

    unwinder_refresh(bench->unwinder);
    walk_ours(bench);
    unwinder_function(bench->unwinder, bench->code);
    unwind_tables_count(&counts);
    return counts.ordered == 0 && counts.ready > 0;
}

static const struct loaded_module *module_of(const struct modules *modules, const char *name)
{
    for (uint32_t i = 0; i < modules->count; i++) {
        if (strstr(modules->list[i].path, name)) return &modules->list[i];
    }
    return NULL;
}

static void build_one(struct bench *bench, const char *name)
{
    const struct loaded_module *module;
    struct unwind_source source;
    struct unwind_table *table = NULL;
    double ns[BUILDS];

    dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    modules_refresh(&bench->modules);
    module = module_of(&bench->modules, name);
    if (!module) {
        printf("%-28s is not installed\n", name);
        return;
    }
    unwind_source_init(&source, module);
    for (int i = 0; i < BUILDS; i++) {
        uint64_t begin_ns = clock_thread_cpu_ns();

        unwind_table_free(table);
        CHECK(unwind_build_module(&source, NULL, UNWIND_TABLES_SIZE_MAX, &table) == 0);
        ns[i] = (double)(clock_thread_cpu_ns() - begin_ns);
    }
    printf("%-28s %7u entries %8u rows %6u other  %7.2f ms first, %6.2f then: %4.0f ns an entry, "
           "%5.2f bytes a row, %s\n",
           name, table->entry_count, table->row_count, table->other_count, ns[0] / 1e6,
           pairs_quantile(ns, BUILDS, 0.5) / 1e6,
           pairs_quantile(ns, BUILDS, 0.5) / table->entry_count,
           (double)table->size / table->row_count, table->is_whole ? "whole" : "NOT WHOLE");
    unwind_table_free(table);
}

static void build_all(struct bench *bench)
{
    static const char *const names[] = { "libc.so.6", "libstdc++.so.6", "libcrypto.so.3",
                                         "libpython3.11.so.1.0", "libLLVM-14.so.1" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        build_one(bench, names[i]);
    }
}

/* ---- the whole ---- */

static void bench_open(struct bench *bench)
{
    const struct loaded_module *module;

    make_copy();
    bench->view = copied;
    modules_refresh(&bench->modules);
    CHECK(unwinder_open(&bench->unwinder) == 0);
    CHECK(remote_unwinder_open(&bench->modules, &bench->remote) == 0);
    CHECK(remote_unwinder_has_library(bench->remote));
    module = module_of(&bench->modules, "libc.so.6");
    CHECK(module != NULL);
    for (uint32_t i = 0; i < module->segment_count; i++) {
        if (!module->segments[i].is_code) continue;
        bench->code = module->segments[i].low;
        bench->code_size = module->segments[i].high - module->segments[i].low;
    }
    bench->disturbance = mem_zalloc(1, DISTURBANCE);
    CHECK(wait_until(has_all_tables, bench, 20000));
    walk_ours(bench);
    CHECK(bench->walk.is_complete);
    printf("%u frames, %llu bytes of stack\n", bench->walk.count,
           (unsigned long long)bench->view.size);
}

static void bench_close(struct bench *bench)
{
    free(bench->disturbance);
    remote_unwinder_close(bench->remote);
    unwinder_close(bench->unwinder);
    modules_done(&bench->modules);
}

static void measure_cold(struct bench *bench)
{
    struct pairs_busy before = pairs_busy_read(), after;
    double ns[RUNS];

    for (int i = 0; i < RUNS; i++) {
        ns[i] = cold_ours(bench);
    }
    after = pairs_busy_read();
    printf("cold: %.1f us, median of %d runs (bar 15); others took %.0f %%\n",
           pairs_quantile(ns, RUNS, 0.5) / 1e3, RUNS, 100 * pairs_busy_others(&before, &after));
}

int main(int argc, char **argv)
{
    static struct bench bench; /* its walk is large, and would be in the copy */
    struct pairs_options options = { .context = &bench, .count = PAIRS };
    struct pairs_ratio ratio;

    if (argc > 1) options.count = (uint32_t)strtoul(argv[1], NULL, 10);
    if (options.count == 0 || options.count > PAIRS_COUNT_MAX) {
        fprintf(stderr, "usage: bench_unwind [PAIRS]\n");
        return 2;
    }
    bench_open(&bench);
    options.subject = warm_ours;
    options.yardstick = warm_libunwind;
    pairs_run(&options, &ratio);
    pairs_print("warm, ns, to libunwind's", &ratio, 0.05);
    options.subject = cold_ours;
    options.yardstick = cold_libunwind;
    options.count = COLD_PAIRS;
    pairs_run(&options, &ratio);
    pairs_print("cold, ns, to libunwind's", &ratio, 1);
    measure_cold(&bench);
    build_all(&bench);
    bench_close(&bench);
    return 0;
}
