/* SPDX-License-Identifier: Apache-2.0 */
/* elf_file_test.c: the door before libelf, with files made of a header and a note. */
#include "tests/support/test.h"

#include "common/base/own.h"
#include "scheduler/symbols/worker/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct text build_id = { "0123456789abcdefghij", 20 };

/* A file of nothing but what the door looks at. */
struct tiny {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    Elf64_Nhdr note;
    char name[4];
    char id[20];
};

static struct tiny tiny_make(void)
{
    struct tiny tiny = {
        .header = { .e_phoff = offsetof(struct tiny, segment),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 1 },
        .segment = { .p_type = PT_NOTE,
                     .p_offset = offsetof(struct tiny, note),
                     .p_filesz = sizeof(struct tiny) - offsetof(struct tiny, note) },
        .note = { .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID },
        .name = "GNU",
    };

    memcpy(tiny.header.e_ident, ELFMAG, SELFMAG);
    tiny.header.e_ident[EI_CLASS] = ELFCLASS64;
    tiny.header.e_ident[EI_DATA] = ELFDATA2LSB;
    memcpy(tiny.id, build_id.data, sizeof tiny.id);
    return tiny;
}

/* Writes `size` bytes to a file and opens it through the door. */
static int open_bytes(const void *bytes, size_t size)
{
    char path[] = "/tmp/stakeout-elf-XXXXXX";
    int fd = mkstemp(path), rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
    rc = elf_file_open(path, build_id);
    unlink(path);
    if (rc >= 0) close(rc);
    return rc >= 0 ? 0 : rc;
}

static void the_file_that_was_asked_for_is_opened(void **state)
{
    struct tiny tiny = tiny_make();

    (void)state;
    assert_int_equal(open_bytes(&tiny, sizeof tiny), 0);
}

static void break_magic(struct tiny *tiny)
{
    tiny->header.e_ident[0] = 'E';
}
static void break_class(struct tiny *tiny)
{
    tiny->header.e_ident[EI_CLASS] = ELFCLASS32;
}
static void break_id(struct tiny *tiny)
{
    tiny->id[19] ^= 1;
}
static void break_id_size(struct tiny *tiny)
{
    tiny->note.n_descsz = 19;
}
static void break_name_size(struct tiny *tiny)
{
    tiny->note.n_namesz = UINT32_MAX;
}
static void break_data_size(struct tiny *tiny)
{
    tiny->note.n_descsz = UINT32_MAX - 2;
}
static void break_note_place(struct tiny *tiny)
{
    tiny->segment.p_offset = UINT64_MAX - 8;
}
static void break_note_size(struct tiny *tiny)
{
    tiny->segment.p_filesz = UINT64_MAX;
}
static void break_headers_place(struct tiny *tiny)
{
    tiny->header.e_phoff = UINT64_MAX - 20;
}
static void break_header_size(struct tiny *tiny)
{
    tiny->header.e_phentsize = 1;
}

static const struct {
    const char *says;
    void (*break_it)(struct tiny *tiny);
    int rc;
} broken[] = {
    { "no ELF file", break_magic, -EINVAL },
    { "32 bits", break_class, -EINVAL },
    { "another build-id", break_id, -ENOKEY },
    { "a shorter build-id", break_id_size, -ENOKEY },
    { "an endless name", break_name_size, -ENOKEY },
    { "an endless note", break_data_size, -ENOKEY },
    { "notes past the end", break_note_place, -ENOKEY },
    { "too many notes", break_note_size, -ENOKEY },
    { "headers past the end", break_headers_place, -ENOKEY },
    { "headers of another size", break_header_size, -ENOKEY },
};

static void whatever_is_broken_is_turned_away(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(broken); i++) {
        struct tiny tiny = tiny_make();
        int rc;

        broken[i].break_it(&tiny);
        rc = open_bytes(&tiny, sizeof tiny);
        if (rc != broken[i].rc) fail_msg("%s: %d", broken[i].says, rc);
    }
}

static void cut_files_are_turned_away(void **state)
{
    struct tiny tiny = tiny_make();

    (void)state;
    for (size_t size = 0; size < sizeof tiny; size++)
        assert_true(open_bytes(&tiny, size) < 0);
}

static void what_is_no_file_is_turned_away(void **state)
{
    char folder[] = "/tmp/stakeout-elf-XXXXXX", fifo[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(elf_file_open(fifo, build_id), -EINVAL);
    assert_int_equal(elf_file_open(folder, build_id), -EINVAL);
    assert_int_equal(elf_file_open("/dev/zero", build_id), -EINVAL);
    assert_int_equal(elf_file_open("/nowhere/at/all", build_id), -ENOENT);
    assert_int_equal(elf_file_open("relative", build_id), -EINVAL);
    assert_int_equal(elf_file_open("/bin/sh", (struct text){ "", 0 }), -EINVAL);
    unlink(fifo);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_that_was_asked_for_is_opened),
        cmocka_unit_test(whatever_is_broken_is_turned_away),
        cmocka_unit_test(cut_files_are_turned_away),
        cmocka_unit_test(what_is_no_file_is_turned_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
