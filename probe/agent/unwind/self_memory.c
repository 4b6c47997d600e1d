/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/unwind/self_memory.h"

#include "probe/agent/base/filters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    MAPS_CHUNK = 16 * 1024, /* several pages: each read is one walk of the kernel */
    PAGE_BYTES = 4096,
    PROBES = 128, /* pages that one call asks for, a byte of each */
};

static ssize_t self_transfer(const struct iovec *to, const struct iovec *from, size_t from_count)
{
    if (!filters_allow(TRIED_process_vm_readv)) return -1;
    return process_vm_readv(gettid(), to, 1, from, from_count, 0);
}

size_t self_read(uint64_t address, void *ret, size_t size)
{
    struct iovec to = { ret, size };
    struct iovec from = { (void *)(uintptr_t)address, size };
    ssize_t got = self_transfer(&to, &from, 1);

    return got > 0 ? (size_t)got : 0;
}

void self_read_text(uint64_t address, char *ret, size_t ret_size)
{
    size_t got, room = ret_size - 1;

    ret[0] = '\0';
    if (address == 0) return;
    got = self_read(address, ret, room);
    ret[got] = '\0';
}

/* Reads "low-high" at the start of a line of maps; 0, or -EINVAL. */
static int range_parse(const char *line, uint64_t *ret_low, uint64_t *ret_high)
{
    uint64_t values[2] = { 0, 0 };
    int which = 0;

    for (; *line && *line != ' '; line++) {
        unsigned digit;

        if (*line == '-' && which == 0) {
            which = 1;
            continue;
        }
        if (*line >= '0' && *line <= '9') {
            digit = (unsigned)(*line - '0');
        } else if (*line >= 'a' && *line <= 'f') {
            digit = (unsigned)(*line - 'a' + 10);
        } else {
            return -EINVAL;
        }
        values[which] = values[which] << 4 | digit;
    }
    if (which != 1) return -EINVAL;
    *ret_low = values[0];
    *ret_high = values[1];
    return 0;
}

/* Looks through the whole lines of a chunk. 0 and *ret if one holds the address, else -ENOENT. */
static int lines_search(char *lines, char *end, uint64_t address, struct mapping *ret)
{
    while (lines < end) {
        char *next = memchr(lines, '\n', (size_t)(end - lines));
        uint64_t low, high;

        if (!next) break;
        *next = '\0';
        if (range_parse(lines, &low, &high) == 0 && address >= low && address < high) {
            *ret = (struct mapping){ low, high, strstr(lines, "[stack]") != NULL };
            return 0;
        }
        lines = next + 1;
    }
    return -ENOENT;
}

int self_mapping(uint64_t address, struct mapping *ret)
{
    char chunk[MAPS_CHUNK];
    size_t kept = 0;
    int fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC), rc = -ENOENT;

    if (fd < 0) return -EACCES;
    while (rc == -ENOENT) {
        ssize_t got = read(fd, chunk + kept, sizeof chunk - 1 - kept);
        char *end = chunk + kept + (got > 0 ? (size_t)got : 0), *rest;

        if (got <= 0) break;
        *end = '\0';
        rest = memrchr(chunk, '\n', (size_t)(end - chunk));
        rest = rest ? rest + 1 : end; /* a line longer than the chunk: let it go */
        rc = lines_search(chunk, rest, address, ret);
        kept = (size_t)(end - rest);
        memmove(chunk, rest, kept);
    }
    close(fd);
    return rc;
}

/* How many pages can be read in a row, from one on, upwards or downwards. */
static uint64_t pages_readable(uint64_t page, bool is_upwards)
{
    struct iovec pages[PROBES];
    char bytes[PROBES];
    uint64_t count = 0;
    ssize_t got;

    do {
        struct iovec to = { bytes, sizeof bytes };

        for (uint64_t i = 0; i < PROBES; i++) {
            uint64_t distance = (count + i) * PAGE_BYTES;
            uint64_t at = is_upwards ? page + distance : page - distance;

            pages[i] = (struct iovec){ (void *)(uintptr_t)at, 1 };
        }
        got = self_transfer(&to, pages, PROBES);
        if (got > 0) count += (uint64_t)got;
    } while (got == PROBES && count < PROBED_SIZE / PAGE_BYTES);
    return count;
}

int self_probe(uint64_t address, struct mapping *ret)
{
    uint64_t page = address & ~(uint64_t)(PAGE_BYTES - 1);
    uint64_t above = pages_readable(page, true), below;

    if (above == 0) return -EFAULT;
    below = pages_readable(page, false);
    *ret = (struct mapping){ page - (below - 1) * PAGE_BYTES, page + above * PAGE_BYTES, 0 };
    return 0;
}
