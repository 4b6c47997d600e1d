/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_build.c: .eh_frame_hdr says where .eh_frame begins. Its table for searching is not needed.
 *
 * Where .eh_frame ends nobody says, but a terminator in it: so it is read up to the end of its
 * segment, or to a bound beyond which its table would find no room anyway. */
#include "probe/agent/unwind/unwind_build.h"

#include "common/model/limits.h"
#include "probe/agent/unwind/self_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { HEAD_SIZE = 4 + 8, HEAD_VERSION = 1, READ_PART = 1024 * 1024 };

void unwind_source_init(struct unwind_source *ret, const struct loaded_module *module)
{
    *ret = (struct unwind_source){ .low = module->low,
                                   .high = module->high,
                                   .unwind_header = module->unwind_header,
                                   .segment_count = module->segment_count };
    memcpy(ret->segments, module->segments, sizeof ret->segments);
}

/* Where .eh_frame begins; 0: the head does not say it in a way that we know. */
static uint64_t frame_find(const struct unwind_source *source)
{
    unsigned char head[HEAD_SIZE];
    struct unwind_reader reader;
    uint8_t encoding;
    uint64_t address;

    if (source->unwind_header == 0) return 0;
    if (self_read(source->unwind_header, head, sizeof head) != sizeof head) return 0;
    if (head[0] != HEAD_VERSION) return 0;
    encoding = head[1];
    reader = unwind_reader_of(head + 4, sizeof head - 4, source->unwind_header + 4);
    address = unwind_read_pointer(&reader, encoding);
    return reader.is_broken ? 0 : address;
}

/* How much of the module lies from an address on, in its segment. */
static uint64_t segment_rest(const struct unwind_source *source, uint64_t address)
{
    for (uint32_t i = 0; i < source->segment_count; i++) {
        const struct segment *segment = &source->segments[i];

        if (address >= segment->low && address < segment->high) return segment->high - address;
    }
    return 0;
}

static bool is_set(const _Atomic bool *flag)
{
    return flag && atomic_load_explicit(flag, memory_order_relaxed);
}

/* Reads in parts, so that one that is not wanted any more ends soon. Returns how much. */
static size_t read_parts(uint64_t address, unsigned char *ret, size_t size,
                         const _Atomic bool *is_unwanted)
{
    size_t at = 0;

    while (at < size && !is_set(is_unwanted)) {
        size_t part = size - at < READ_PART ? size - at : READ_PART;
        size_t got = self_read(address + at, ret + at, part);

        at += got;
        if (got < part) break;
    }
    return at;
}

int unwind_build_module(const struct unwind_source *source, const _Atomic bool *is_unwanted,
                        size_t size_max, struct unwind_table **ret)
{
    uint64_t address = frame_find(source), size = segment_rest(source, address);
    unsigned char *bytes;
    size_t got;
    int rc;

    if (address == 0 || size == 0) return -ENOENT;
    if (size > UNWIND_SECTION_SIZE_MAX) size = UNWIND_SECTION_SIZE_MAX;
    bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
    if (bytes == MAP_FAILED) return -ENOMEM;
    madvise(bytes, size, MADV_NOHUGEPAGE);
    got = read_parts(address, bytes, size, is_unwanted);
    rc = got == 0 ? -EFAULT
                  : unwind_table_build(&(struct unwind_build){ .section = { bytes, got, address },
                                                               .low = source->low,
                                                               .high = source->high,
                                                               .size_max = size_max,
                                                               .is_unwanted = is_unwanted },
                                       ret);
    munmap(bytes, size);
    return is_set(is_unwanted) && rc < 0 ? -ECANCELED : rc;
}
