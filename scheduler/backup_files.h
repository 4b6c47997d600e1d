/* SPDX-License-Identifier: Apache-2.0 */
/* backup_files.h: files of a backup: copied, synced, and known again. Blocking; for commands. */
#ifndef STAKEOUT_SCHEDULER_BACKUP_FILES_H
#define STAKEOUT_SCHEDULER_BACKUP_FILES_H

#include <limits.h>
#include <stdint.h>

enum { BACKUP_DIGEST_SIZE = 64 };

/* What the manifest says of redis.rdb. */
struct backup_manifest {
    char version[32], made[32];
    uint64_t size;
    char digest[BACKUP_DIGEST_SIZE + 1]; /* SHA-256, lower-case hex */
};

/* All return 0 or -errno. Paths are absolute, or of the working directory. */
int backup_file_copy(const char *from, const char *to); /* a new file, 0600, on disk */
int backup_file_digest(const char *path, uint64_t *ret_size, char ret[BACKUP_DIGEST_SIZE + 1]);
int backup_folder_sync(const char *path);

/* Files and folders, four levels deep. Files are linked where that can be, which is as good
 * because the ones of the symbol store never change. `from` may be missing. */
int backup_tree_copy(const char *from, const char *to);

int backup_manifest_write(const char *path, const struct backup_manifest *manifest);
int backup_manifest_read(const char *path, struct backup_manifest *ret); /* -EBADMSG: it is none */

#endif
