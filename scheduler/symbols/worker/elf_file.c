/* SPDX-License-Identifier: Apache-2.0 */
/* elf_file.c: the door before libelf: whatever is not the very file that was asked for is turned
 * away by these lines, which read it with pread() into buffers of fixed size.
 *
 * The build-id is a note, found by the program headers. A .debug file's program headers may point
 * at notes whose bytes were left out (objcopy --only-keep-debug keeps them, others do not), so its
 * note sections are looked at, too. */
#include "scheduler/symbols/worker/elf_file.h"

#include "common/base/own.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum {
    HEADERS_MAX = 4096,         /* program or section headers that are looked at */
    NOTES_SIZE_MAX = 64 * 1024, /* bytes of one note segment */
    CRC_READ_SIZE = 64 * 1024,
    BUILD_ID_SIZE_LEAST = 2, /* a file of the store is called by its first byte and the others */
};

static const off_t FILE_SIZE_MAX = (off_t)4 << 30;

static int read_at(int fd, void *ret, size_t size, uint64_t offset)
{
    ssize_t got;

    if (offset > (uint64_t)FILE_SIZE_MAX) return -EINVAL;
    got = pread(fd, ret, size, (off_t)offset);
    if (got < 0) return -errno;
    return (size_t)got == size ? 0 : -EINVAL;
}

static size_t align4(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

struct build_id {
    uint8_t bytes[BUILD_ID_SIZE_MAX];
    size_t size; /* 0: none was found */
};

/* Looks for a build-id among notes. */
static void notes_read(const char *notes, size_t size, struct build_id *ret)
{
    size_t at = 0;

    while (size - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        size_t name_at = at + sizeof note, data_at;

        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz > size || note.n_descsz > size) return;
        data_at = name_at + align4(note.n_namesz);
        if (data_at > size || note.n_descsz > size - data_at) return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + name_at, "GNU", 4) == 0) {
            if (note.n_descsz > BUILD_ID_SIZE_MAX) return;
            memcpy(ret->bytes, notes + data_at, note.n_descsz);
            ret->size = note.n_descsz;
            return;
        }
        at = data_at + align4(note.n_descsz);
        if (at > size) return;
    }
}

static void range_read(int fd, uint64_t offset, uint64_t size, struct build_id *ret)
{
    OWN(mem_freep) char *notes = NULL;

    if (size > NOTES_SIZE_MAX || size < sizeof(Elf64_Nhdr)) return;
    notes = malloc(size);
    if (notes && read_at(fd, notes, size, offset) == 0) notes_read(notes, size, ret);
}

static void segments_read(int fd, const Elf64_Ehdr *header, struct build_id *ret)
{
    if (header->e_phentsize != sizeof(Elf64_Phdr)) return;
    for (unsigned i = 0; i < header->e_phnum && i < HEADERS_MAX && ret->size == 0; i++) {
        Elf64_Phdr segment;

        if (read_at(fd, &segment, sizeof segment, header->e_phoff + i * sizeof segment) < 0) return;
        if (segment.p_type == PT_NOTE) range_read(fd, segment.p_offset, segment.p_filesz, ret);
    }
}

static void sections_read(int fd, const Elf64_Ehdr *header, struct build_id *ret)
{
    if (header->e_shentsize != sizeof(Elf64_Shdr)) return;
    for (unsigned i = 0; i < header->e_shnum && i < HEADERS_MAX && ret->size == 0; i++) {
        Elf64_Shdr section;

        if (read_at(fd, &section, sizeof section, header->e_shoff + i * sizeof section) < 0) return;
        if (section.sh_type == SHT_NOTE) range_read(fd, section.sh_offset, section.sh_size, ret);
    }
}

static struct build_id build_id_read(int fd, const Elf64_Ehdr *header)
{
    struct build_id id = { .size = 0 };

    segments_read(fd, header, &id);
    if (id.size == 0) sections_read(fd, header, &id);
    return id;
}

/* The header of a file that may be looked into at all. */
static int header_read(int fd, Elf64_Ehdr *ret)
{
    struct stat info;
    int rc;

    if (fstat(fd, &info) < 0) return -errno;
    if (!S_ISREG(info.st_mode) || info.st_size > FILE_SIZE_MAX) return -EINVAL;
    rc = read_at(fd, ret, sizeof *ret, 0);
    if (rc < 0) return rc;
    if (memcmp(ret->e_ident, ELFMAG, SELFMAG) != 0 || ret->e_ident[EI_CLASS] != ELFCLASS64 ||
        ret->e_ident[EI_DATA] != ELFDATA2LSB)
        return -EINVAL;
    return 0;
}

static int crc_check(int fd, uint32_t wanted)
{
    unsigned char part[CRC_READ_SIZE];
    uLong crc = crc32(0, NULL, 0);
    off_t at = 0;
    ssize_t size;

    while ((size = pread(fd, part, sizeof part, at)) > 0) {
        crc = crc32(crc, part, (uInt)size);
        at += size;
        if (at > FILE_SIZE_MAX) return -EINVAL; /* it grows while we read */
    }
    if (size < 0) return -errno;
    return crc == wanted ? 0 : -EBADMSG;
}

/* Opens without following into anything that blocks or answers for ever. */
static int file_open(const char *path, Elf64_Ehdr *ret)
{
    int fd, rc;

    if (path[0] != '/') return -EINVAL;
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return -errno;
    rc = header_read(fd, ret);
    if (rc == 0) return fd;
    close(fd);
    return rc;
}

static int id_check(const struct build_id *found, struct text wanted)
{
    bool is_same = found->size > 0 &&
                   text_is_equal((struct text){ (const char *)found->bytes, found->size }, wanted);

    return is_same ? 0 : -ENOKEY;
}

int elf_file_open(const char *path, struct text build_id)
{
    Elf64_Ehdr header;
    struct build_id found;
    int fd, rc;

    if (build_id.size == 0) return -EINVAL;
    fd = file_open(path, &header);
    if (fd < 0) return fd;
    found = build_id_read(fd, &header);
    rc = id_check(&found, build_id);
    if (rc == 0) return fd;
    close(fd);
    return rc;
}

int elf_file_open_linked(const char *path, struct text build_id, uint32_t crc)
{
    Elf64_Ehdr header;
    struct build_id found;
    int fd = file_open(path, &header), rc = 0;

    if (fd < 0) return fd;
    found = build_id_read(fd, &header);
    if (found.size > 0) rc = id_check(&found, build_id);
    if (rc == 0) rc = crc_check(fd, crc);
    if (rc == 0) return fd;
    close(fd);
    return rc;
}

int elf_file_open_any(const char *path)
{
    Elf64_Ehdr header;

    return file_open(path, &header);
}

/* ---- what a file is ---- */

static bool name_is(int fd, const Elf64_Shdr *names, const Elf64_Shdr *section, struct text wanted)
{
    char name[sizeof ".gnu_debugdata"] = "";

    if (section->sh_name >= names->sh_size || names->sh_size - section->sh_name <= wanted.size)
        return false;
    return read_at(fd, name, wanted.size + 1, names->sh_offset + section->sh_name) == 0 &&
           memcmp(name, wanted.data, wanted.size + 1) == 0;
}

static void section_note(int fd, const Elf64_Shdr *names, const Elf64_Shdr *section,
                         struct elf_facts *facts)
{
    if (section->sh_type == SHT_NOBITS || section->sh_size == 0) return;
    if (section->sh_type == SHT_SYMTAB || name_is(fd, names, section, TEXT(".gnu_debugdata")))
        facts->has_names = true;
    if (name_is(fd, names, section, TEXT(".debug_info")) ||
        name_is(fd, names, section, TEXT(".zdebug_info")))
        facts->has_lines = true;
}

static int sections_note(int fd, const Elf64_Ehdr *header, struct elf_facts *facts)
{
    Elf64_Shdr names;
    struct stat info;

    if (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shstrndx >= header->e_shnum ||
        header->e_shnum > HEADERS_MAX || fstat(fd, &info) < 0)
        return -ENOEXEC;
    if (read_at(fd, &names, sizeof names, header->e_shoff + header->e_shstrndx * sizeof names) < 0)
        return -ENOEXEC;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        Elf64_Shdr section;

        if (read_at(fd, &section, sizeof section, header->e_shoff + i * sizeof section) < 0)
            return -ENOEXEC;
        if (section.sh_type != SHT_NOBITS &&
            (section.sh_offset > (uint64_t)info.st_size ||
             section.sh_size > (uint64_t)info.st_size - section.sh_offset))
            return -ENOEXEC;
        section_note(fd, &names, &section, facts);
    }
    return 0;
}

int elf_file_identify(int fd, struct elf_facts *ret)
{
    struct elf_facts facts = { .build_id_size = 0 };
    struct build_id found;
    Elf64_Ehdr header;
    int rc = header_read(fd, &header);

    if (rc == -EINVAL || (rc == 0 && header.e_machine != EM_X86_64)) return -ENOEXEC;
    if (rc == 0) rc = sections_note(fd, &header, &facts);
    if (rc < 0) return rc;
    found = build_id_read(fd, &header);
    if (found.size < BUILD_ID_SIZE_LEAST) return -ENOKEY;
    memcpy(facts.build_id, found.bytes, found.size);
    facts.build_id_size = found.size;
    if (!facts.has_lines && !facts.has_names) return -ENODATA;
    *ret = facts;
    return 0;
}
