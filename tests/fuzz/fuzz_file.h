/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_file.h: bytes as a file, for decoders that take a path.
 *
 *     OWN(fuzz_file_done) struct fuzz_file file = fuzz_file_make(text);
 *     decode(file.path);                                   in memory; gone when it is done */
#ifndef STAKEOUT_TESTS_FUZZ_FUZZ_FILE_H
#define STAKEOUT_TESTS_FUZZ_FUZZ_FILE_H

#include "common/base/own.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct fuzz_file {
    int fd;
    char path[32];
};

static inline struct fuzz_file fuzz_file_make(struct text content)
{
    struct fuzz_file file = { .fd = memfd_create("fuzz", MFD_CLOEXEC) };

    CHECK(file.fd >= 0);
    CHECK(write(file.fd, content.data, content.size) == (ssize_t)content.size);
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

static inline void fuzz_file_done(struct fuzz_file *file)
{
    close(file->fd);
}

#endif
