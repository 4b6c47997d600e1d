/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_entries.c: the Linux Standard Base's .eh_frame, both its sizes of records.
 *
 *     CIE  size, 0,           version, augmentation, units, return register, data, program
 *     FDE  size, way to CIE,  begin, length of the code, data, program
 *
 * The augmentation is a string of letters that say what the data is. */
#include "probe/agent/unwind/unwind_entries.h"

#include "probe/hot/stack_copy.h"

#include <errno.h>
#include <string.h>

enum { SIZE_IS_LONG = 0xffffffff, AUGMENTATION_SIZE_MAX = 16 };

static struct unwind_reader reader_at(const struct unwind_section *section, size_t from, size_t to)
{
    return unwind_reader_of(section->bytes + from, to - from, section->address + from);
}

enum unwind_entry_kind unwind_entry_at(const struct unwind_section *section, size_t offset,
                                       struct unwind_entry *ret)
{
    struct unwind_reader reader;
    uint64_t size, link;
    size_t id_at;

    *ret = (struct unwind_entry){ .kind = ENTRY_END, .next = section->size };
    if (offset >= section->size) return ENTRY_END;
    reader = reader_at(section, offset, section->size);
    size = unwind_read_unsigned(&reader, 4);
    if (size == 0) return ret->kind = reader.is_broken ? ENTRY_BROKEN : ENTRY_END;
    if (size == SIZE_IS_LONG) size = unwind_read_unsigned(&reader, 8);
    id_at = (size_t)(reader.at - section->bytes);
    ret->kind = ENTRY_BROKEN;
    if (reader.is_broken || size < 4 || size > section->size - id_at) return ENTRY_BROKEN;
    link = unwind_read_unsigned(&reader, 4);
    ret->body = id_at + 4;
    ret->next = id_at + (size_t)size;
    if (link == 0) return ret->kind = ENTRY_CIE;
    if (link > id_at) return ENTRY_BROKEN;
    ret->cie = id_at - (size_t)link;
    return ret->kind = ENTRY_FDE;
}

/* What the letters say. Data of unknown letters is passed over, if its size is known. */
static int read_augmentation(const char *letters, struct unwind_reader *reader,
                             struct unwind_cie *cie)
{
    struct unwind_reader data;

    if (letters[0] == '\0') return 0;
    if (letters[0] != 'z') return -ENOTSUP;
    cie->has_sizes = true;
    data = unwind_read_part(reader, unwind_read_uleb(reader));
    for (letters++; *letters; letters++) {
        switch (*letters) {
        case 'R':
            cie->pointers = (uint8_t)unwind_read_unsigned(&data, 1);
            break;
        case 'P':
            unwind_skip_pointer(&data, (uint8_t)unwind_read_unsigned(&data, 1));
            break;
        case 'L':
            unwind_skip(&data, 1);
            break;
        case 'S':
            cie->is_signal = true;
            break;
        case 'B':
            break; /* pointers are signed: of another processor, and without data */
        default:
            return -ENOTSUP;
        }
    }
    return data.is_broken ? -EINVAL : 0;
}

int unwind_cie_read(const struct unwind_section *section, size_t offset, struct unwind_cie *ret)
{
    struct unwind_cie cie = { .pointers = POINTER_ABSOLUTE };
    char letters[AUGMENTATION_SIZE_MAX];
    struct unwind_reader reader;
    struct unwind_entry entry;
    uint64_t version, return_register;
    size_t size;
    int rc;

    if (unwind_entry_at(section, offset, &entry) != ENTRY_CIE) return -EINVAL;
    reader = reader_at(section, entry.body, entry.next);
    version = unwind_read_unsigned(&reader, 1);
    if (version != 1 && version != 3) return reader.is_broken ? -EINVAL : -ENOTSUP;
    size = strnlen((const char *)reader.at, (size_t)(reader.end - reader.at));
    if (size >= sizeof letters) return -ENOTSUP;
    memcpy(letters, reader.at, size);
    letters[size] = '\0';
    unwind_skip(&reader, size + 1);
    cie.code_unit = unwind_read_uleb(&reader);
    cie.data_unit = unwind_read_sleb(&reader);
    return_register = version == 1 ? unwind_read_unsigned(&reader, 1) : unwind_read_uleb(&reader);
    rc = read_augmentation(letters, &reader, &cie);
    if (rc < 0) return rc;
    if (reader.is_broken) return -EINVAL;
    if (return_register != REGISTER_RIP) return -ENOTSUP;
    cie.program = reader;
    *ret = cie;
    return 0;
}

int unwind_fde_read(const struct unwind_section *section, const struct unwind_entry *entry,
                    const struct unwind_cie *cie, struct unwind_fde *ret)
{
    struct unwind_reader reader = reader_at(section, entry->body, entry->next);
    struct unwind_fde fde;

    fde.begin = unwind_read_pointer(&reader, cie->pointers);
    fde.end = fde.begin + unwind_read_pointer(&reader, cie->pointers & POINTER_FORMAT);
    if (cie->has_sizes) unwind_skip(&reader, unwind_read_uleb(&reader));
    if (reader.is_broken || fde.end < fde.begin) return -EINVAL;
    fde.program = reader;
    *ret = fde;
    return 0;
}
