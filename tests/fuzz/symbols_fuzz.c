/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the file of a module: what is looked up in it has a bounded name, or none. */
#include "common/base/own.h"
#include "probe/agent/names/symbol_index.h"
#include "probe/agent/unwind/elf_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t offsets[] = { 0, 1, 0x1000, 0x1139, 0x1140, 0x4010, UINT64_MAX };
    struct symbol_index *index = symbol_index_new(1 << 20);
    OWN(fd_closep) int fd = memfd_create("fuzz", MFD_CLOEXEC);
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    struct symbol_module module = { 0 };
    struct elf_file file;
    char path[32];

    CHECK(index && fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    module.path = text_of(path);
    if (elf_file_open(path, &file) == 0) {
        module.build_id = (struct text){ (char *)build_id, elf_file_build_id(&file, build_id) };
        elf_file_close(&file);
    }
    for (size_t i = 0; i < ARRAY_COUNT(offsets); i++) {
        struct symbol symbol;

        if (symbol_index_function(index, &module, offsets[i], &symbol) == 0)
            CHECK(text_is_printable(text_of(symbol.name)));
        if (symbol_index_object(index, &module, offsets[i], &symbol) == 0)
            CHECK(text_is_printable(text_of(symbol.name)) && symbol.name[0] != '\0');
    }
    CHECK(symbol_index_size(index) <= 2 << 20);
    symbol_index_free(index);
    return 0;
}
