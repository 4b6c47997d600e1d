/* SPDX-License-Identifier: Apache-2.0 */
/* symbols_bench.c [--bars [PATH]]: what naming a sample of 4096 snapshots costs, with the real
 * worker and its cache, against the bars: 2 s the first time, 50 ms from the cache, 256 MB. Without
 * PATH a C++ module of 100 MB is made first (large_module.sh), which takes a minute.
 *
 * symbols_bench.c PATH [COUNT [--print]]: what an address of a module costs, in this process.
 *
 * Looks COUNT random addresses of its functions up, twice, and prints the times of opening, of the
 * first round (units are indexed on the way) and of the second. --print writes what was found, as
 * addr2line would ("0x1234 function file:line", inlined ones indented), for comparison. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "scheduler/symbols/symbol_wire.h"
#include "scheduler/symbols/symbols.h"
#include "scheduler/symbols/worker/elf_lines.h"

#include <event2/event.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_DEFAULT = 2000, FUNCTIONS_MAX = 1 << 20, BUILD_ID_SIZE_MAX_HERE = 64 };

struct module_facts {
    char build_id[BUILD_ID_SIZE_MAX_HERE];
    size_t build_id_size;
    GElf_Sym *functions;
    size_t function_count;
};

static void note_read(Elf_Data *notes, struct module_facts *ret)
{
    size_t at = 0, name_at, data_at;
    GElf_Nhdr note;

    while (notes && (at = gelf_getnote(notes, at, &note, &name_at, &data_at)) > 0) {
        if (note.n_type != NT_GNU_BUILD_ID || note.n_descsz > sizeof ret->build_id) continue;
        memcpy(ret->build_id, (const char *)notes->d_buf + data_at, note.n_descsz);
        ret->build_id_size = note.n_descsz;
    }
}

static void symbols_read(Elf_Data *symbols, struct module_facts *ret)
{
    GElf_Sym symbol;

    for (int i = 0; gelf_getsym(symbols, i, &symbol) && ret->function_count < FUNCTIONS_MAX; i++)
        if (GELF_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_size > 0)
            ret->functions[ret->function_count++] = symbol;
}

static struct module_facts module_read(const char *path)
{
    struct module_facts facts = { .functions = mem_zalloc(FUNCTIONS_MAX, sizeof(GElf_Sym)) };
    OWN(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf_Scn *section = NULL;
    Elf *elf;

    CHECK(fd >= 0);
    elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ, NULL);
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;

        gelf_getshdr(section, &header);
        if (header.sh_type == SHT_NOTE) note_read(elf_getdata(section, NULL), &facts);
        if (header.sh_type == SHT_SYMTAB || (header.sh_type == SHT_DYNSYM && !facts.function_count))
            symbols_read(elf_getdata(section, NULL), &facts);
    }
    elf_end(elf);
    CHECK(facts.function_count > 0);
    return facts;
}

static void print_found(uint64_t offset, const struct source_location *found, uint8_t count)
{
    printf("0x%llx\n", (unsigned long long)offset);
    for (uint8_t i = 0; i < count; i++)
        printf("%.*s\n%.*s:%u\n", TEXT_ARGS(found[i].function), TEXT_ARGS(found[i].file),
               found[i].line);
}

/* Returns the slowest one. */
static uint64_t look_up(struct elf_lines *lines, const struct module_facts *facts, size_t count,
                        bool prints)
{
    struct source_location found[LOCATIONS_MAX];
    uint64_t slowest_ns = 0;
    uint32_t seed = 1;

    for (size_t i = 0; i < count; i++) {
        const GElf_Sym *function;
        uint64_t offset, began_ns, took_ns;
        uint8_t found_count;

        seed = seed * 1664525u + 1013904223u;
        function = &facts->functions[(uint64_t)seed * facts->function_count >> 32];
        offset = function->st_value + (seed >> 8) % function->st_size;
        began_ns = clock_monotonic_ns();
        found_count = elf_lines_find(lines, offset, found);
        took_ns = clock_monotonic_ns() - began_ns;
        if (took_ns > slowest_ns) slowest_ns = took_ns;
        if (prints) print_found(offset, found, found_count);
    }
    return slowest_ns;
}

static void report(const char *what, uint64_t took_ns, size_t count, uint64_t slowest_ns)
{
    fprintf(stderr, "%-22s %8.2f ms, %8.2f us per address, slowest %.2f ms\n", what,
            (double)took_ns / 1e6, (double)took_ns / 1e3 / (double)count, (double)slowest_ns / 1e6);
}

/* ---- a whole sample ---- */

enum {
    STACK_SIZE = 32,
    FRAMES_DISTINCT = 16384, /* addresses, over all functions: far more than one call path meets */
    ROUNDS = 5,
};

struct waiting {
    bool came;
    uint32_t named, with_lines, inlined;
};

static void on_resolved(void *context, const struct sample_symbols *const *symbols, size_t count)
{
    struct waiting *waiting = context;

    CHECK(count == 1);
    waiting->came = true;
    for (uint32_t i = 0; i < symbols[0]->frame_count; i++) {
        const struct frame_symbols *frame = &symbols[0]->frames[i];

        waiting->named += frame->count > 0;
        waiting->with_lines += frame->count > 0 && frame->locations[0].line > 0;
        waiting->inlined += frame->count > 1;
    }
}

static struct sample *sample_make(const char *path, const struct module_facts *facts)
{
    struct sample *sample = sample_new();
    struct frame frame = { .kind = FRAME_NATIVE };
    uint32_t frames[FRAMES_DISTINCT], stack[STACK_SIZE], seed = 1, made = 0;

    CHECK(sample && stack_table_module(&sample->stacks, text_of(path),
                                       (struct text){ facts->build_id, facts->build_id_size },
                                       &frame.module) == 0);
    for (uint32_t i = 0; i < FRAMES_DISTINCT; i++) {
        const GElf_Sym *function;

        seed = seed * 1664525u + 1013904223u;
        function = &facts->functions[(uint64_t)seed * facts->function_count >> 32];
        frame.offset = function->st_value + (seed >> 8) % function->st_size;
        CHECK(stack_table_frame(&sample->stacks, &frame, &frames[i]) == 0);
    }
    for (uint32_t i = 0; i < SNAPSHOTS_MAX; i++) {
        for (uint32_t j = 0; j < STACK_SIZE; j++)
            stack[j] = frames[(i * 4 + j * 509) % FRAMES_DISTINCT];
        CHECK(stack_table_stack(&sample->stacks, stack, STACK_SIZE, &made) == 0);
    }
    return sample;
}

static double resolve_ms(struct event_base *base, struct symbols *symbols,
                         const struct sample *sample, struct waiting *ret)
{
    uint64_t began_ns = clock_monotonic_ns();

    *ret = (struct waiting){ .came = false };
    symbols_resolve(symbols, &sample, 1, on_resolved, ret);
    while (!ret->came)
        event_base_loop(base, EVLOOP_ONCE);
    return (double)(clock_monotonic_ns() - began_ns) / 1e6;
}

/* "VmHWM" or "RssAnon" of a process, in MB. */
static double memory_of(int pid, const char *what)
{
    char path[64], line[256];
    unsigned long kb = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, what, strlen(what)) == 0) kb = strtoul(line + strlen(what) + 1, NULL, 10);
    if (file) fclose(file);
    return (double)kb / 1e3;
}

static int double_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void say(const char *what, double is, double bar, const char *unit)
{
    printf("%-34s %9.1f %s   bar %6.0f   %s\n", what, is, unit, bar, is <= bar ? "met" : "NOT met");
}

static int measure_bars(const char *path)
{
    struct module_facts facts = module_read(path);
    struct sample *sample = sample_make(path, &facts);
    double first[ROUNDS], cached[ROUNDS], memory[ROUNDS], own = 0;
    struct waiting waiting = { .came = false };

    for (int i = 0; i < ROUNDS; i++) {
        struct event_base *base = event_base_new();
        struct symbols *symbols = symbols_new(
            base,
            &(struct symbols_options){ .program = "/proc/self/exe", .read_module_paths = true },
            NULL);

        first[i] = resolve_ms(base, symbols, sample, &waiting);
        cached[i] = resolve_ms(base, symbols, sample, &waiting);
        memory[i] = memory_of(symbols_worker_pid(symbols), "VmHWM");
        own = memory_of(symbols_worker_pid(symbols), "RssAnon");
        symbols_free(symbols);
        event_base_free(base);
    }
    qsort(first, ROUNDS, sizeof *first, double_compare);
    qsort(cached, ROUNDS, sizeof *cached, double_compare);
    qsort(memory, ROUNDS, sizeof *memory, double_compare);
    printf("%s: %zu functions; a sample of %d snapshots, %d frames each, %u distinct: %u named, %u "
           "with lines, %u with inlined functions; medians of %d\n",
           path, facts.function_count, SNAPSHOTS_MAX, STACK_SIZE, sample->stacks.frame_count,
           waiting.named, waiting.with_lines, waiting.inlined, ROUNDS);
    say("the first time", first[ROUNDS / 2], 2000, "ms");
    say("from the cache", cached[ROUNDS / 2], 50, "ms");
    say("the worker's memory, at most", memory[ROUNDS - 1], 256, "MB");
    printf("%-34s %9.1f MB   (the rest is the mapped file)\n", "of that its own", own);
    printf("%-34s %9.1f ms\n", "in the host", 0.0);
    sample_free(sample);
    free(facts.functions);
    return 0;
}

static int make_and_measure(void)
{
    char folder[] = "/tmp/stakeout-bench-XXXXXX", path[64], command[1024];
    int rc;

    CHECK(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/liblarge.so", folder);
    snprintf(command, sizeof command, "'%s/large_module.sh' '%s' 100", BENCH_SOURCES, path);
    fprintf(stderr, "making a module of 100 MB...\n");
    rc = system(command) == 0 ? measure_bars(path) : 1;
    unlink(path);
    rmdir(folder);
    return rc;
}

static int look_at_addresses(int argc, char **argv)
{
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : COUNT_DEFAULT;
    bool prints = argc > 3 && strcmp(argv[3], "--print") == 0;
    const char *path = argc > 1 ? argv[1] : "/proc/self/exe";
    struct module_facts facts = module_read(path);
    uint64_t began_ns = clock_monotonic_ns(), slowest_ns;
    struct elf_lines *lines = elf_lines_open(&(struct elf_lines_options){
        .path = text_of(path),
        .build_id = { facts.build_id, facts.build_id_size },
        .debug_roots = (const char *const[]){ "/usr/lib/debug" },
        .debug_root_count = 1,
        .reads_path = true,
    });

    fprintf(stderr, "%s: %zu functions, opened in %.2f ms\n", path, facts.function_count,
            (double)(clock_monotonic_ns() - began_ns) / 1e6);
    began_ns = clock_monotonic_ns();
    slowest_ns = look_up(lines, &facts, count, prints);
    report("first look", clock_monotonic_ns() - began_ns, count, slowest_ns);
    began_ns = clock_monotonic_ns();
    slowest_ns = look_up(lines, &facts, count, false);
    report("again", clock_monotonic_ns() - began_ns, count, slowest_ns);
    elf_lines_close(lines);
    free(facts.functions);
    return 0;
}

int main(int argc, char **argv)
{
    if (symbols_worker_is_meant(argc, argv)) return symbols_worker_run(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--bars") != 0) return look_at_addresses(argc, argv);
    return argc > 2 ? measure_bars(argv[2]) : make_and_measure();
}
