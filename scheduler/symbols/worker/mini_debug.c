/* SPDX-License-Identifier: Apache-2.0 */
/* mini_debug.c: finds the section, unpacks it into memory with a bound, and opens that as a file.
 * liblzma comes with libdw, which needs it itself. */
#include "scheduler/symbols/worker/mini_debug.h"

#include "common/base/buf.h"
#include "common/base/own.h"

#include <gelf.h>
#include <lzma.h>
#include <string.h>

enum { PART_SIZE = 256 * 1024 };

static Elf_Data *section_find(Elf *elf)
{
    Elf_Scn *section = NULL;
    size_t names;

    if (elf_getshdrstrndx(elf, &names) < 0) return NULL;
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        const char *name;

        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_PROGBITS) continue;
        name = elf_strptr(elf, names, header.sh_name);
        if (name && strcmp(name, ".gnu_debugdata") == 0) return elf_rawdata(section, NULL);
    }
    return NULL;
}

static int unpack(const Elf_Data *packed, struct buf *to)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_ret rc = lzma_stream_decoder(&stream, MINI_DEBUG_MEMORY_MAX, 0);

    stream.next_in = packed->d_buf;
    stream.avail_in = packed->d_size;
    while (rc == LZMA_OK) {
        void *room = buf_reserve(to, PART_SIZE);

        if (!room) break;
        stream.next_out = room;
        stream.avail_out = PART_SIZE;
        rc = lzma_code(&stream, LZMA_FINISH);
        buf_commit(to, PART_SIZE - stream.avail_out);
    }
    lzma_end(&stream);
    return rc == LZMA_STREAM_END ? 0 : -1;
}

void mini_debug_open(struct elf_module *module)
{
    OWN(buf_done) struct buf data = BUF_INIT(MINI_DEBUG_SIZE_MAX);
    Elf_Data *packed = module->main.elf ? section_find(module->main.elf) : NULL;
    size_t size;

    if (!packed || !packed->d_buf || packed->d_size == 0) return;
    if (unpack(packed, &data) < 0 || data.size == 0) return;
    module->mini_data = buf_take(&data, &size);
    module->mini = elf_memory(module->mini_data, size);
}
