/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a .dwo or .dwp file: nothing of it, or parts that lie within it. The first eight
 * bytes are the id of the unit that is looked for. */
#include "scheduler/symbols/worker/split_file.h"
#include "tests/fuzz/fuzz_file.h"

#include <string.h>

/* Every byte of a part is there. */
static unsigned sum_of(struct text part)
{
    unsigned sum = 0;

    for (size_t i = 0; i < part.size; i++) {
        sum += (unsigned char)part.data[i];
    }
    return sum;
}

static void open_split(uint64_t id, struct text bytes)
{
    OWN(fuzz_file_done) struct fuzz_file file = fuzz_file_make(bytes);
    struct split_file split;
    unsigned sum = 0;

    if (!split_file_open(&split, file.path, id)) return;
    for (int i = 0; i < PARTS; i++) {
        sum += sum_of(split.parts[i]);
    }
    CHECK(split.parts[PART_INFO].size > 0 && sum < UINT32_MAX);
    split_file_close(&split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t id;

    if (size < sizeof id) return 0;
    memcpy(&id, data, sizeof id);
    elf_version(EV_CURRENT);
    open_split(id, fuzz_text(data + sizeof id, size - sizeof id));
    return 0;
}
