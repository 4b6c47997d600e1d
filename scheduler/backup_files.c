/* SPDX-License-Identifier: Apache-2.0 */
/* backup_files.c: nothing of a backup is believed to be there before it was synced. */
#include "scheduler/backup_files.h"

#include "common/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_SIZE = 128 * 1024, DEPTH_MAX = 4 };

/* Files ------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);

        if (written < 0 && errno != EINTR) return -errno;
        if (written < 0) continue;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

static int copy_bytes(int from, int to)
{
    static char chunk[CHUNK_SIZE];
    ssize_t size;
    int rc;

    while ((size = read(from, chunk, sizeof chunk)) != 0) {
        if (size < 0 && errno != EINTR) return -errno;
        if (size > 0 && (rc = write_all(to, chunk, (size_t)size)) < 0) return rc;
    }
    return fsync(to) < 0 ? -errno : 0;
}

int backup_file_copy(const char *from, const char *to)
{
    int source = open(from, O_RDONLY | O_CLOEXEC), target, rc;

    if (source < 0) return -errno;
    target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    rc = target < 0 ? -errno : copy_bytes(source, target);
    if (target >= 0 && close(target) < 0 && rc == 0) rc = -errno;
    close(source);
    return rc;
}

static int digest_bytes(int fd, EVP_MD_CTX *sum, uint64_t *ret_size)
{
    static char chunk[CHUNK_SIZE];
    ssize_t size;

    *ret_size = 0;
    while ((size = read(fd, chunk, sizeof chunk)) != 0) {
        if (size < 0 && errno != EINTR) return -errno;
        if (size < 0) continue;
        if (EVP_DigestUpdate(sum, chunk, (size_t)size) != 1) return -EIO;
        *ret_size += (uint64_t)size;
    }
    return 0;
}

int backup_file_digest(const char *path, uint64_t *ret_size, char ret[BACKUP_DIGEST_SIZE + 1])
{
    unsigned char digest[BACKUP_DIGEST_SIZE / 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -EIO;
    EVP_MD_CTX *sum;

    if (fd < 0) return -errno;
    sum = EVP_MD_CTX_new();
    if (sum && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1)
        rc = digest_bytes(fd, sum, ret_size);
    if (rc == 0 && EVP_DigestFinal_ex(sum, digest, NULL) != 1) rc = -EIO;
    EVP_MD_CTX_free(sum);
    close(fd);
    if (rc == 0) text_to_hex(digest, sizeof digest, ret);
    return rc;
}

int backup_folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if (fd < 0) return -errno;
    rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

/* Folders ----------------------------------------------------------------------------------- */

static int copy_tree(const char *from, const char *to, int depth);

static int copy_entry(const char *from, const char *to, int depth)
{
    struct stat stat;

    if (lstat(from, &stat) < 0) return -errno;
    if (S_ISDIR(stat.st_mode)) return depth > 0 ? copy_tree(from, to, depth) : -ELOOP;
    if (!S_ISREG(stat.st_mode)) return 0; /* nothing of ours */
    return link(from, to) == 0 ? 0 : backup_file_copy(from, to);
}

static int copy_tree(const char *from, const char *to, int depth)
{
    DIR *folder = opendir(from);
    struct dirent *entry;
    int rc = 0;

    if (!folder) return -errno;
    if (mkdir(to, 0700) < 0) rc = -errno;
    while (rc == 0 && (entry = readdir(folder)) != NULL) {
        char source[PATH_MAX], target[PATH_MAX];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (snprintf(source, sizeof source, "%s/%s", from, entry->d_name) >= PATH_MAX ||
            snprintf(target, sizeof target, "%s/%s", to, entry->d_name) >= PATH_MAX)
            rc = -ENAMETOOLONG;
        else
            rc = copy_entry(source, target, depth - 1);
    }
    closedir(folder);
    return rc < 0 ? rc : backup_folder_sync(to);
}

int backup_tree_copy(const char *from, const char *to)
{
    return access(from, F_OK) < 0 && errno == ENOENT ? 0 : copy_tree(from, to, DEPTH_MAX);
}

/* The manifest ------------------------------------------------------------------------------ */

static const char form[] = "stakeout-backup 1\nversion %s\nmade %s\nredis.rdb %" PRIu64 " %s\n";

int backup_manifest_write(const char *path, const struct backup_manifest *manifest)
{
    char text[512];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc;

    if (fd < 0) return -errno;
    snprintf(text, sizeof text, form, manifest->version, manifest->made, manifest->size,
             manifest->digest);
    rc = write_all(fd, text, strlen(text));
    if (rc == 0 && fsync(fd) < 0) rc = -errno;
    close(fd);
    return rc;
}

int backup_manifest_read(const char *path, struct backup_manifest *ret)
{
    char text[512];
    FILE *file = fopen(path, "re");
    size_t size;
    int number;

    if (!file) return -errno;
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    if (sscanf(text,
               "stakeout-backup %d\nversion %31s\nmade %31s\nredis.rdb %" SCNu64 " %64[0-9a-f]\n",
               &number, ret->version, ret->made, &ret->size, ret->digest) != 5 ||
        strlen(ret->digest) != BACKUP_DIGEST_SIZE)
        return -EBADMSG;
    return number == 1 ? 0 : -EPROTO;
}
