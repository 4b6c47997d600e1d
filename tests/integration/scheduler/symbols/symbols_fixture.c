/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/scheduler/symbols/symbols_fixture.h"

#include "common/base/clock.h"
#include "common/base/own.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

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

size_t build_id_of(const char *path, uint8_t ret[BUILD_ID_SIZE_MAX])
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

uint64_t symbol_of(const char *path, const char *name)
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

struct question question_of(const char *module, const char *named, const char *function,
                            uint8_t id[BUILD_ID_SIZE_MAX])
{
    size_t size = build_id_of(module, id);

    return (struct question){ .path = module,
                              .build_id = { (char *)id, size },
                              .offset = symbol_of(named, function) };
}

struct sample *sample_of(const struct question *question)
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

void on_resolved(void *context, const struct sample_symbols *const *symbols, size_t count)
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

void await(struct fixture *fixture, const struct answer *answer)
{
    uint64_t deadline_ns = clock_monotonic_ns() + 40 * NS_PER_S;

    while (!answer->came) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
}

struct answer ask(struct fixture *fixture, struct question question)
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

struct answer ask_gone(struct fixture *fixture, const char *module)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    struct question question = question_of(module, module, "plain", id);

    question.path = "/opt/gone/libinlined.so";
    return ask(fixture, question);
}

/* ---- set-up ---- */

struct fixture *fixture_new(const char *program, bool reads_paths)
{
    return fixture_new_with(
        &(struct symbols_options){ .program = program, .read_module_paths = reads_paths }, false);
}

struct fixture *fixture_new_with(const struct symbols_options *wanted, bool has_store)
{
    struct fixture *fixture = mem_zalloc(1, sizeof *fixture);
    struct symbols_options options = *wanted;

    snprintf(fixture->root, sizeof fixture->root, "/tmp/stakeout-symbols-XXXXXX");
    assert_non_null(mkdtemp(fixture->root));
    snprintf(fixture->store, sizeof fixture->store, "%s/store", fixture->root);
    fixture->base = event_base_new();
    options.debug_root = fixture->root;
    if (has_store) options.store_folder = fixture->store;
    fixture->options = options;
    fixture_open(fixture);
    return fixture;
}

void fixture_open(struct fixture *fixture)
{
    struct problem problem = { 0 };

    fixture->options.debug_root = fixture->root;
    fixture->symbols = symbols_new(fixture->base, &fixture->options, &problem);
    if (!fixture->symbols) fail_msg("%s", problem.detail);
}

int setup(void **state)
{
    *state = fixture_new("/proc/self/exe", true);
    return 0;
}

int teardown(void **state)
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
