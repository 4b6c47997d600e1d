/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the manifest of a backup: it is none, or its words are whole. */
#include "scheduler/backup_files.h"
#include "tests/fuzz/fuzz_file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(fuzz_file_done) struct fuzz_file file = fuzz_file_make(fuzz_text(data, size));
    struct backup_manifest manifest;

    if (backup_manifest_read(file.path, &manifest) < 0) return 0;
    CHECK(strlen(manifest.digest) == BACKUP_DIGEST_SIZE);
    CHECK(strspn(manifest.digest, "0123456789abcdef") == BACKUP_DIGEST_SIZE);
    CHECK(memchr(manifest.version, '\0', sizeof manifest.version));
    CHECK(memchr(manifest.made, '\0', sizeof manifest.made));
    return 0;
}
