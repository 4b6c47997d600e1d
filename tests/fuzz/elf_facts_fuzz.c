/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file that somebody sends in: it is refused, or its facts are within their bounds;
 * and what the worker then says of it, by libelf and libdw, ends. */
#include "scheduler/symbols/symbol_wire.h"
#include "scheduler/symbols/worker/elf_file.h"
#include "scheduler/symbols/worker/elf_lines.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(fuzz_file_done) struct fuzz_file file = fuzz_file_make(fuzz_text(data, size));
    struct source_location found[LOCATIONS_MAX];
    struct elf_facts facts;
    struct elf_lines *lines;

    if (elf_file_identify(file.fd, &facts) < 0) return 0;
    CHECK(facts.build_id_size >= 2 && facts.build_id_size <= BUILD_ID_SIZE_MAX);
    CHECK(facts.has_lines || facts.has_names);
    lines = elf_lines_open(&(struct elf_lines_options){
        .path = text_of(file.path),
        .build_id = { (char *)facts.build_id, facts.build_id_size },
        .reads_path = true,
    });
    for (uint64_t offset = 0; offset < 0x3000; offset += 0x71)
        CHECK(elf_lines_find(lines, offset, found) <= LOCATIONS_MAX);
    elf_lines_close(lines);
    return 0;
}
