/* SPDX-License-Identifier: Apache-2.0 */
/* elf_file.c: the door before libelf: whatever is not the very file that was asked for is turned
 * away by these lines, which read it with pread() into buffers of fixed size.
 *
 * The build-id is a note, found by the program headers. A .debug file's program headers may point
 * at notes whose bytes were left out (objcopy --only-keep-debug keeps them, others do not), so its
 * note sections are looked at, too. */
#include "scheduler/symbols/elf_file.h"

#include "common/base/own.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
    HEADERS_MAX = 4096,         /* program or section headers that are looked at */
    NOTES_SIZE_MAX = 64 * 1024, /* bytes of one note segment */
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

/* Is there a note with this build-id among these? */
static bool notes_have(const char *notes, size_t size, struct text build_id)
{
    size_t at = 0;

    while (size - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        size_t name_at = at + sizeof note, data_at;

        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz > size || note.n_descsz > size) return false;
        data_at = name_at + align4(note.n_namesz);
        if (data_at > size || note.n_descsz > size - data_at) return false;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + name_at, "GNU", 4) == 0)
            return text_is_equal((struct text){ notes + data_at, note.n_descsz }, build_id);
        at = data_at + align4(note.n_descsz);
        if (at > size) return false;
    }
    return false;
}

static bool range_has(int fd, uint64_t offset, uint64_t size, struct text build_id)
{
    OWN(mem_freep) char *notes = NULL;

    if (size > NOTES_SIZE_MAX || size < sizeof(Elf64_Nhdr)) return false;
    notes = malloc(size);
    return notes && read_at(fd, notes, size, offset) == 0 && notes_have(notes, size, build_id);
}

static bool segments_have(int fd, const Elf64_Ehdr *header, struct text build_id)
{
    if (header->e_phentsize != sizeof(Elf64_Phdr)) return false;
    for (unsigned i = 0; i < header->e_phnum && i < HEADERS_MAX; i++) {
        Elf64_Phdr segment;

        if (read_at(fd, &segment, sizeof segment, header->e_phoff + i * sizeof segment) < 0)
            return false;
        if (segment.p_type == PT_NOTE &&
            range_has(fd, segment.p_offset, segment.p_filesz, build_id))
            return true;
    }
    return false;
}

static bool sections_have(int fd, const Elf64_Ehdr *header, struct text build_id)
{
    if (header->e_shentsize != sizeof(Elf64_Shdr)) return false;
    for (unsigned i = 0; i < header->e_shnum && i < HEADERS_MAX; i++) {
        Elf64_Shdr section;

        if (read_at(fd, &section, sizeof section, header->e_shoff + i * sizeof section) < 0)
            return false;
        if (section.sh_type == SHT_NOTE &&
            range_has(fd, section.sh_offset, section.sh_size, build_id))
            return true;
    }
    return false;
}

static int elf_check(int fd, struct text build_id)
{
    struct stat info;
    Elf64_Ehdr header;
    int rc;

    if (fstat(fd, &info) < 0) return -errno;
    if (!S_ISREG(info.st_mode) || info.st_size > FILE_SIZE_MAX) return -EINVAL;
    rc = read_at(fd, &header, sizeof header, 0);
    if (rc < 0) return rc;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB)
        return -EINVAL;
    if (segments_have(fd, &header, build_id) || sections_have(fd, &header, build_id)) return 0;
    return -ENOKEY;
}

int elf_file_open(const char *path, struct text build_id)
{
    int fd, rc;

    if (path[0] != '/' || build_id.size == 0) return -EINVAL;
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return -errno;
    rc = elf_check(fd, build_id);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}
