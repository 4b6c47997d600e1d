/* SPDX-License-Identifier: Apache-2.0 */
/* elf_file.c: headers once, everything else on demand. */
#include "probe/agent/unwind/elf_file.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "probe/agent/base/filters.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { NOTES_SIZE_MAX = 4096 };

static int read_image(uint64_t address, void *ret, size_t size)
{
    struct iovec local = { ret, size };
    struct iovec remote = { (void *)(uintptr_t)address, size };

    if (!filters_allow(TRIED_process_vm_readv)) return -EPERM;
    return process_vm_readv(gettid(), &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -EIO;
}

static int read_descriptor(int fd, uint64_t offset, void *ret, size_t size)
{
    size_t at = 0;

    if (!filters_allow(TRIED_pread64)) return -EPERM;
    while (at < size) {
        ssize_t got = pread(fd, (char *)ret + at, size - at, (off_t)(offset + at));

        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return -EIO;
        at += (size_t)got;
    }
    return 0;
}

int elf_file_read(const struct elf_file *file, uint64_t offset, void *ret, size_t size)
{
    if (size == 0) return 0;
    if (offset > INT64_MAX || size > INT64_MAX - offset) return -EIO;
    if (file->fd < 0) return read_image(file->image + offset, ret, size);
    return read_descriptor(file->fd, offset, ret, size);
}

int elf_file_read_address(const struct elf_file *file, uint64_t address, void *ret, size_t size)
{
    for (uint32_t i = 0; i < file->segment_count; i++) {
        const Elf64_Phdr *segment = &file->segments[i];
        uint64_t into = address - segment->p_vaddr;

        if (segment->p_type != PT_LOAD || address < segment->p_vaddr) continue;
        if (into > segment->p_filesz || size > segment->p_filesz - into) continue;
        return elf_file_read(file, segment->p_offset + into, ret, size);
    }
    return -EIO;
}

static bool is_ours(const Elf64_Ehdr *head)
{
    return memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 && head->e_ident[EI_CLASS] == ELFCLASS64 &&
           head->e_ident[EI_DATA] == ELFDATA2LSB && head->e_phentsize == sizeof(Elf64_Phdr) &&
           (head->e_shnum == 0 || head->e_shentsize == sizeof(Elf64_Shdr));
}

/* A table of `count` entries; absent or oversized ones are as if stripped. */
static void *read_table(const struct elf_file *file, uint64_t offset, size_t count, size_t size)
{
    void *table = malloc(count * size);

    if (table && elf_file_read(file, offset, table, count * size) < 0) {
        free(table);
        return NULL;
    }
    return table;
}

static int read_headers(struct elf_file *file)
{
    Elf64_Ehdr head;

    if (elf_file_read(file, 0, &head, sizeof head) < 0 || !is_ours(&head)) return -ENOEXEC;
    if (head.e_phnum == 0 || head.e_phnum > ELF_SEGMENTS_MAX) return -ENOEXEC;
    file->segments = read_table(file, head.e_phoff, head.e_phnum, sizeof *file->segments);
    if (!file->segments) return -ENOEXEC;
    file->segment_count = head.e_phnum;
    if (head.e_shnum == 0 || head.e_shnum > ELF_SECTIONS_MAX) return 0;
    file->sections = read_table(file, head.e_shoff, head.e_shnum, sizeof *file->sections);
    if (file->sections) file->section_count = head.e_shnum;
    return 0;
}

static int identify(struct elf_file *file)
{
    struct stat status;

    if (fstat(file->fd, &status) < 0) return -errno;
    if (!S_ISREG(status.st_mode)) return -ENOEXEC;
    file->identity = (struct elf_identity){
        .device = status.st_dev,
        .inode = status.st_ino,
        .size = status.st_size,
        .changed_ns = (int64_t)(status.st_ctim.tv_sec * (int64_t)NS_PER_S + status.st_ctim.tv_nsec),
    };
    return 0;
}

int elf_file_open(const char *path, struct elf_file *ret)
{
    struct elf_file file = { .fd = -1 };
    int rc;

    file.fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file.fd < 0) return -errno;
    rc = identify(&file);
    if (rc == 0) rc = read_headers(&file);
    if (rc < 0) {
        elf_file_close(&file);
        return rc;
    }
    *ret = file;
    return 0;
}

int elf_file_open_image(uint64_t address, struct elf_file *ret)
{
    struct elf_file file = { .fd = -1, .image = address };
    int rc = read_headers(&file);

    if (rc < 0) {
        elf_file_close(&file);
        return rc;
    }
    *ret = file;
    return 0;
}

void elf_file_close(struct elf_file *file)
{
    fd_closep(&file->fd);
    free(file->segments);
    free(file->sections);
    *file = (struct elf_file){ .fd = -1 };
}

const Elf64_Phdr *elf_file_segment(const struct elf_file *file, uint32_t type)
{
    for (uint32_t i = 0; i < file->segment_count; i++) {
        if (file->segments[i].p_type == type) return &file->segments[i];
    }
    return NULL;
}

const Elf64_Shdr *elf_file_section(const struct elf_file *file, uint32_t type)
{
    for (uint32_t i = 0; i < file->section_count; i++) {
        if (file->sections[i].sh_type == type) return &file->sections[i];
    }
    return NULL;
}

/* Walks the notes of one segment; returns the build-id's size if it is among them. */
static size_t find_build_id(const unsigned char *notes, size_t size, size_t align,
                            uint8_t ret[BUILD_ID_SIZE_MAX])
{
    size_t at = 0;

    while (size - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        size_t name, content;

        memcpy(&note, notes + at, sizeof note);
        name = at + sizeof note;
        if (note.n_namesz > size - name) return 0;
        content = (name + note.n_namesz + align - 1) & ~(align - 1);
        if (content > size || note.n_descsz > size - content) return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(notes + name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0 &&
            note.n_descsz <= BUILD_ID_SIZE_MAX) {
            memcpy(ret, notes + content, note.n_descsz);
            return note.n_descsz;
        }
        at = (content + note.n_descsz + align - 1) & ~(align - 1);
        if (at > size) return 0;
    }
    return 0;
}

size_t elf_file_build_id(const struct elf_file *file, uint8_t ret[BUILD_ID_SIZE_MAX])
{
    unsigned char notes[NOTES_SIZE_MAX];
    size_t found;

    for (uint32_t i = 0; i < file->segment_count; i++) {
        const Elf64_Phdr *segment = &file->segments[i];
        size_t size = segment->p_filesz < sizeof notes ? segment->p_filesz : sizeof notes;

        if (segment->p_type != PT_NOTE) continue;
        if (elf_file_read(file, segment->p_offset, notes, size) < 0) continue;
        found = find_build_id(notes, size, segment->p_align == 8 ? 8 : 4, ret);
        if (found > 0) return found;
    }
    return 0;
}

bool elf_identity_is_equal(const struct elf_identity *left, const struct elf_identity *right)
{
    return left->device == right->device && left->inode == right->inode &&
           left->size == right->size && left->changed_ns == right->changed_ns;
}
