/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_starts.c: the first column of the table, kept in the file's order.
 *
 * That is ascending by the signed difference to the head. Adding 2^31 (flipping the sign bit) makes
 * it an order of unsigned numbers, so that an address less `base` can be looked for as it is. */
#include "probe/agent/unwind/unwind_starts.h"

#include "probe/agent/unwind/elf_file.h"
#include "probe/agent/unwind/unwind_header.h"

#include <errno.h>
#include <stdlib.h>

enum { ROWS_READ_COUNT = 512 };

#define SIGN_BIT (UINT32_C(1) << 31)

static int read_rows(const struct elf_file *file, uint64_t address, uint32_t count, uint32_t *ret)
{
    struct unwind_header_row rows[ROWS_READ_COUNT];

    for (uint32_t at = 0; at < count;) {
        uint32_t some = count - at < ROWS_READ_COUNT ? count - at : ROWS_READ_COUNT;
        int rc =
            elf_file_read_address(file, address + at * sizeof *rows, rows, some * sizeof *rows);

        if (rc < 0) return rc;
        for (uint32_t i = 0; i < some; i++) {
            ret[at++] = (uint32_t)rows[i].begin ^ SIGN_BIT;
        }
    }
    return 0;
}

int unwind_starts_read(const struct elf_file *file, uint64_t address, size_t count_max,
                       struct unwind_starts *ret)
{
    struct unwind_header header;
    uint32_t *items;
    int rc = elf_file_read_address(file, address, &header, sizeof header);

    if (rc < 0) return rc;
    if (!unwind_header_has_table(&header)) return -ENOENT;
    if (header.count > count_max) return -ENOBUFS;
    items = malloc(header.count * sizeof *items);
    if (!items) return -ENOMEM;
    rc = read_rows(file, address + sizeof header, header.count, items);
    if (rc < 0) {
        free(items);
        return rc;
    }
    *ret =
        (struct unwind_starts){ .items = items, .count = header.count, .base = address - SIGN_BIT };
    return 0;
}

uint64_t unwind_starts_find(const struct unwind_starts *starts, uint64_t offset)
{
    uint64_t sought = offset - starts->base;
    size_t low = 0, high = starts->count;

    if (starts->count == 0 || sought > UINT32_MAX) return 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (starts->items[middle] <= sought) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? starts->base + starts->items[low - 1] : 0;
}

void unwind_starts_done(struct unwind_starts *starts)
{
    free(starts->items);
    *starts = (struct unwind_starts){ 0 };
}
