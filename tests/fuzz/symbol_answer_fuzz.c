/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a symbol worker says of addresses: refused, or within bounds. */
#include "tests/fuzz/fuzz.h"

#include "scheduler/symbols/symbol_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader reader = { (const char *)data, (const char *)data + size, false };
    struct source_location locations[LOCATIONS_MAX];

    for (;;) {
        int count = wire_read_locations(&reader, locations);

        if (count < 0) return 0;
        CHECK(count <= LOCATIONS_MAX && reader.at > (const char *)data && reader.at <= reader.end);
        for (int i = 0; i < count; i++)
            CHECK(locations[i].function.size + locations[i].file.size <= size);
    }
}
