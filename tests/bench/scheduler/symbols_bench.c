/* SPDX-License-Identifier: Apache-2.0 */
/* symbols_bench.c PATH [COUNT [--print]]: what an address of a module costs, in this process.
 *
 * Looks COUNT random addresses of its functions up, twice, and prints the times of opening, of the
 * first round (units are indexed on the way) and of the second. --print writes what was found, as
 * addr2line would ("0x1234 function file:line", inlined ones indented), for comparison. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "scheduler/symbols/elf_lines.h"
#include "scheduler/symbols/symbol_wire.h"

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

int main(int argc, char **argv)
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
