/* SPDX-License-Identifier: Apache-2.0 */
/* symbols_test.c: the real worker over real files, friendly and not.
 *
 * This program is its own worker: main() hands over to it when it is executed as one. */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "scheduler/analysis/analysis.h"
#include "scheduler/symbols/symbols.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <gelf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

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
    char root[PATH_SIZE]; /* a temporary folder: the debug root, and what tests put there */
};

/* ---- what the files really hold ---- */

/* Of the module's first note of this kind. */
static size_t note_read(Elf_Data *notes, uint8_t ret[BUILD_ID_SIZE_MAX])
{
    size_t at = 0, name_at, data_at;
    GElf_Nhdr note;

    while (notes && (at = gelf_getnote(notes, at, &note, &name_at, &data_at)) > 0) {
        if (note.n_type != NT_GNU_BUILD_ID) continue;
        assert_true(note.n_descsz <= BUILD_ID_SIZE_MAX);
        memcpy(ret, (const char *)notes->d_buf + data_at, note.n_descsz);
        return note.n_descsz;
    }
    return 0;
}

static size_t build_id_of(const char *path, uint8_t ret[BUILD_ID_SIZE_MAX])
{
    OWN(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf_Scn *section = NULL;
    size_t size = 0;
    Elf *elf;

    assert_true(fd >= 0);
    elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ, NULL);
    while (size == 0 && (section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;

        gelf_getshdr(section, &header);
        if (header.sh_type == SHT_NOTE) size = note_read(elf_getdata(section, NULL), ret);
    }
    elf_end(elf);
    assert_true(size > 0);
    return size;
}

static uint64_t symbol_of(const char *path, const char *name)
{
    OWN(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf_Scn *section = NULL;
    uint64_t value = 0;
    Elf *elf;

    assert_true(fd >= 0);
    elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ, NULL);
    while (value == 0 && (section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        GElf_Sym symbol;

        gelf_getshdr(section, &header);
        if (header.sh_type != SHT_SYMTAB) continue;
        for (int i = 0; gelf_getsym(elf_getdata(section, NULL), i, &symbol); i++)
            if (strcmp(elf_strptr(elf, header.sh_link, symbol.st_name), name) == 0)
                value = symbol.st_value;
    }
    elf_end(elf);
    assert_true(value != 0);
    return value;
}

/* ---- asking ---- */

struct question {
    const char *path;
    struct text build_id;
    uint64_t offset;
    const char *name;
};

static struct sample *sample_of(const struct question *question)
{
    struct sample *sample = sample_new();
    struct frame frame = { .kind = FRAME_NATIVE, .offset = question->offset };
    uint32_t index;

    assert_non_null(sample);
    assert_int_equal(stack_table_module(&sample->stacks, text_of(question->path),
                                        question->build_id, &frame.module),
                     0);
    assert_int_equal(stack_table_string(&sample->stacks, text_of(question->name), &frame.function),
                     0);
    assert_int_equal(stack_table_frame(&sample->stacks, &frame, &index), 0);
    assert_int_equal(index, 0);
    return sample;
}

static void copy(char *ret, size_t size, struct text text)
{
    snprintf(ret, size, "%.*s", TEXT_ARGS(text));
}

static void on_resolved(void *context, const struct sample_symbols *const *symbols, size_t count)
{
    struct answer *answer = context;
    const struct frame_symbols *frame = &symbols[0]->frames[0];

    assert_int_equal(count, 1);
    answer->came = true;
    answer->times++;
    answer->count = frame->count;
    copy(answer->waiting_for, 256, symbols[0]->strings[answer->string]);
    for (uint32_t i = 0; i < frame->count && i < LOCATIONS_KEPT; i++) {
        const struct source_location *location = &frame->locations[i];

        copy(answer->locations[i].function, 256, location->function);
        copy(answer->locations[i].file, 256, location->file);
        answer->locations[i].line = location->line;
        answer->locations[i].is_inlined = location->is_inlined;
    }
}

static void await(struct fixture *fixture, const struct answer *answer)
{
    uint64_t deadline_ns = clock_monotonic_ns() + 40 * NS_PER_S;

    while (!answer->came) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
}

static struct answer ask(struct fixture *fixture, struct question question)
{
    struct sample *sample = sample_of(&question);
    const struct sample *samples[] = { sample };
    struct answer answer = { 0 };

    symbols_resolve(fixture->symbols, samples, 1, on_resolved, &answer);
    assert_false(answer.came); /* later, never from within */
    await(fixture, &answer);
    sample_free(sample);
    return answer;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* ---- set-up ---- */

static struct fixture *fixture_new(const char *program, bool reads_paths)
{
    struct fixture *fixture = mem_zalloc(1, sizeof *fixture);

    snprintf(fixture->root, sizeof fixture->root, "/tmp/stakeout-symbols-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    fixture->base = event_base_new();
    fixture->symbols = symbols_new(fixture->base, &(struct symbols_options){
                                                      .program = program,
                                                      .read_module_paths = reads_paths,
                                                      .debug_root = fixture->root,
                                                  });
    return fixture;
}

static int setup(void **state)
{
    *state = fixture_new("/proc/self/exe", true);
    return 0;
}

static int setup_without_paths(void **state)
{
    *state = fixture_new("/proc/self/exe", false);
    return 0;
}

static int setup_dying(void **state)
{
    *state = fixture_new("/bin/false", true);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[PATH_SIZE + 16];

    symbols_free(fixture->symbols);
    event_base_free(fixture->base);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->root);
    assert_int_equal(system(command), 0);
    free(fixture);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, no zombie either */
    assert_int_equal(errno, ECHILD);
    return 0;
}

/* ---- claims ---- */

static void inlined_functions_come_innermost_first_with_their_lines(void **state)
{
    static const struct {
        const char *function;
        uint32_t line;
        bool is_inlined;
    } expected[] = { { "innermost", 9, true }, { "middle", 15, true }, { "outermost", 20, false } };
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libinlined.so", id);
    struct answer answer =
        ask(*state, (struct question){
                        .path = FIXTURES "/libinlined.so",
                        .build_id = { (char *)id, size },
                        .offset = symbol_of(FIXTURES "/libinlined.so", "inlined_here"),
                    });

    assert_int_equal(answer.count, ARRAY_COUNT(expected));
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_string_equal(answer.locations[i].function, expected[i].function);
        assert_int_equal(answer.locations[i].line, expected[i].line);
        assert_int_equal(answer.locations[i].is_inlined, expected[i].is_inlined);
        assert_string_equal(answer.locations[i].file, SOURCES "/inlined.c");
    }
}

static void cxx_names_are_demangled(void **state)
{
#ifdef HAS_CXX_FIXTURE
    static const char *const mangled = "_ZN4shop9Inventory7reserveEiPKc";
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libmangled.so", id);
    struct answer answer = ask(*state, (struct question){
                                           .path = FIXTURES "/libmangled.so",
                                           .build_id = { (char *)id, size },
                                           .offset = symbol_of(FIXTURES "/libmangled.so", mangled),
                                       });

    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "shop::Inventory::reserve(int, char const*)");
    assert_true(ends_with(answer.locations[0].file, "mangled.cc"));
#else
    (void)state;
    skip();
#endif
}

static void a_name_of_the_sample_is_demangled_without_any_file(void **state)
{
    struct answer answer = ask(*state, (struct question){ .path = "/nowhere/libshop.so",
                                                          .build_id = TEXT("12345678901234567890"),
                                                          .offset = 0x1234,
                                                          .name = "_ZN4Shop4findEi" });

    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "Shop::find(int)");
    assert_int_equal(answer.locations[0].line, 0);
}

static void of_inner_and_public_name_the_public_one_is_shown(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libinlined.so", id);
    struct question question = {
        .path = FIXTURES "/libinlined.so",
        .build_id = { (char *)id, size },
        .offset = symbol_of(FIXTURES "/libinlined.so", "public_name"),
    };

    assert_string_equal(ask(*state, question).locations[0].function, "___public_name");
    question.name = "public_name";
    assert_string_equal(ask(*state, question).locations[0].function, "public_name");
    question.name = "another_name"; /* the debug information knows better */
    assert_string_equal(ask(*state, question).locations[0].function, "___public_name");
}

static void the_name_of_a_lock_is_demangled(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = sample_of(&(struct question){ .path = "/nowhere", .offset = 1 });
    struct answer answer = { 0 };
    struct snapshot *snapshot = mem_zalloc(1, sizeof *snapshot);

    assert_int_equal(
        stack_table_string(&sample->stacks, TEXT("mutex _ZN4shop9cart_lockE at 8"), &answer.string),
        0);
    snapshot->waiting_for = answer.string;
    sample->snapshots = snapshot;
    sample->snapshot_count = 1;
    symbols_resolve(fixture->symbols, (const struct sample *const[]){ sample }, 1, on_resolved,
                    &answer);
    await(fixture, &answer);
    assert_string_equal(answer.waiting_for, "mutex shop::cart_lock at 8");
    sample_free(sample);
}

/* Puts the separate debug information where build-ids are looked up. */
static void install_debug_file(struct fixture *fixture, const uint8_t *id, size_t size)
{
    char hex[2 * BUILD_ID_SIZE_MAX + 1], command[4 * PATH_SIZE];

    text_to_hex(id, size, hex);
    snprintf(command, sizeof command,
             "mkdir -p '%s/.build-id/%.2s' && cp " FIXTURES "/libstripped.debug "
             "'%s/.build-id/%.2s/%s.debug'",
             fixture->root, hex, fixture->root, hex, hex + 2);
    assert_int_equal(system(command), 0);
}

static void what_dwz_took_out_is_found(void **state)
{
#ifdef HAS_DWZ_FIXTURE
    struct fixture *fixture = *state;
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libone.so", id);
    char hex[2 * BUILD_ID_SIZE_MAX + 1], command[8 * PATH_SIZE];
    struct question question = { .path = "/nowhere/libone.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libone.so", "entry_one") };
    struct answer answer;

    text_to_hex(id, size, hex);
    snprintf(command, sizeof command,
             "mkdir -p '%s/.build-id/%.2s' '%s/.dwz' && cp " FIXTURES "/common.dwz "
             "'%s/.dwz/common.debug' && cp " FIXTURES "/one.debug '%s/.build-id/%.2s/%s.debug'",
             fixture->root, hex, fixture->root, fixture->root, fixture->root, hex, hex + 2);
    assert_int_equal(system(command), 0);
    answer = ask(fixture, question);
    assert_int_equal(answer.count, 2);
    assert_string_equal(answer.locations[0].function, "count_products_of_shelf");
    assert_string_equal(answer.locations[0].file, SOURCES "/shared.c");
    assert_string_equal(answer.locations[1].function, "entry_one");
#else
    (void)state;
    skip();
#endif
}

static void a_stripped_module_is_named_from_its_debug_file(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libstripped.so", id);
    struct question question = { .path = FIXTURES "/libstripped.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libinlined.so", "inlined_here") };

    install_debug_file(*state, id, size);
    assert_int_equal(ask(*state, question).count, 3);
}

static void a_debug_link_beside_the_module_is_followed(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libstripped.so", id);
    struct question question = { .path = FIXTURES "/libstripped.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libinlined.so", "inlined_here") };

    assert_int_equal(ask(*state, question).count, 3);
}

static void a_module_without_debug_information_has_only_exported_names(void **state)
{
    struct fixture *fixture = *state;
    char command[4 * PATH_SIZE], path[2 * PATH_SIZE];
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libstripped.so", id);
    struct answer answer;

    snprintf(path, sizeof path, "%s/libalone.so", fixture->root);
    snprintf(command, sizeof command, "cp " FIXTURES "/libstripped.so '%s'", path);
    assert_int_equal(system(command), 0);
    answer =
        ask(fixture, (struct question){ .path = path,
                                        .build_id = { (char *)id, size },
                                        .offset = symbol_of(FIXTURES "/libinlined.so", "plain") });
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.locations[0].function, "plain"); /* of .dynsym */
    answer = ask(fixture,
                 (struct question){ .path = path, .build_id = { (char *)id, size }, .offset = 8 });
    assert_int_equal(answer.count, 0);
}

static void paths_are_left_alone_unless_allowed(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libinlined.so", id);
    struct question question = { .path = FIXTURES "/libinlined.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libinlined.so", "plain") };

    assert_int_equal(ask(*state, question).count, 0);
}

static void debug_files_are_read_where_paths_are_not(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libstripped.so", id);
    struct question question = { .path = FIXTURES "/libstripped.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libinlined.so", "inlined_here") };

    install_debug_file(*state, id, size);
    assert_int_equal(ask(*state, question).count, 3);
}

static void another_build_is_refused(void **state)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libinlined.so", id);
    struct question question = { .path = FIXTURES "/libinlined.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libinlined.so", "plain") };

    id[0] ^= 1;
    assert_int_equal(ask(*state, question).count, 0);
    id[0] ^= 1;
    question.build_id.size--;
    assert_int_equal(ask(*state, question).count, 0);
}

/* Asks about a file that is no module, then about one that is: the worker must answer both. */
static void assert_harmless(struct fixture *fixture, const char *says, const char *path)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libinlined.so", id);
    struct question question = { .path = path,
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libinlined.so", "plain") };

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

static void a_worker_killed_over_a_question_leaves_it_open_and_comes_back(void **state)
{
    struct fixture *fixture = *state;
    uint8_t id[BUILD_ID_SIZE_MAX];
    size_t size = build_id_of(FIXTURES "/libinlined.so", id);
    struct question question = { .path = FIXTURES "/libinlined.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libinlined.so", "plain") };
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
    size_t size = build_id_of(FIXTURES "/libinlined.so", id);
    struct question question = { .path = FIXTURES "/libinlined.so",
                                 .build_id = { (char *)id, size },
                                 .offset = symbol_of(FIXTURES "/libinlined.so", "plain") };

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

#define TEST(claim, set_up) cmocka_unit_test_setup_teardown(claim, set_up, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(inlined_functions_come_innermost_first_with_their_lines, setup),
        TEST(cxx_names_are_demangled, setup),
        TEST(a_name_of_the_sample_is_demangled_without_any_file, setup),
        TEST(the_name_of_a_lock_is_demangled, setup),
        TEST(of_inner_and_public_name_the_public_one_is_shown, setup),
        TEST(a_stripped_module_is_named_from_its_debug_file, setup),
        TEST(what_dwz_took_out_is_found, setup),
        TEST(a_debug_link_beside_the_module_is_followed, setup),
        TEST(a_module_without_debug_information_has_only_exported_names, setup),
        TEST(paths_are_left_alone_unless_allowed, setup_without_paths),
        TEST(debug_files_are_read_where_paths_are_not, setup_without_paths),
        TEST(another_build_is_refused, setup),
        TEST(what_is_no_module_is_harmless, setup),
        TEST(broken_modules_are_harmless, setup),
        TEST(a_worker_killed_over_a_question_leaves_it_open_and_comes_back, setup),
        TEST(answers_are_remembered_without_the_worker, setup),
        TEST(a_program_that_is_no_worker_leaves_all_open, setup_dying),
        TEST(a_module_that_killed_two_workers_is_left_alone, setup),
        TEST(open_questions_end_with_the_symbols, setup),
        cmocka_unit_test(a_worker_that_was_taken_over_is_not_believed),
    };

    if (argc > 1 && strcmp(argv[1], SYMBOLS_WORKER_ARGUMENT) == 0) {
        const char *says = getenv(HOSTILE_WORKER);

        return says ? hostile_worker(says, argv[2]) : symbols_worker_run(argc, argv);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
