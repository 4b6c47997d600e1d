/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_store.c: an array of what the two trees hold, the most recently used first, and the few
 * system calls that keep trees and array alike.
 *
 * INVARIANTS
 *
 * (1) A build-id is in one tree at most: a file that comes takes the place of any other of its
 *     build-id, in either tree; but what somebody sent in is never replaced by what was fetched.
 * (2) `size` is the sum of the sizes of `files`.
 * (3) Only files of the pattern that we write are counted or removed; what else lies there is
 *     somebody's own.
 *
 * The budget may be passed by what is still being written, which is bounded by itself. */
#include "scheduler/symbols/symbol_store.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FOLDER_SIZE_MAX = PATH_MAX - 2 * BUILD_ID_SIZE_MAX - 64, /* room for what is appended to it */
    TOUCH_MS_MIN = 60000, /* a use within a minute of the last one is not written down */
};

static const char *const tree_names[] = {
    [SYMBOL_UPLOADED] = "uploaded", [SYMBOL_FETCHED] = "fetched"
};

struct symbol_store {
    char folder[FOLDER_SIZE_MAX];
    char *roots[ARRAY_COUNT(tree_names)];          /* owned */
    int build_id_folders[ARRAY_COUNT(tree_names)]; /* descriptors of ROOT/.build-id */
    uint64_t size, size_max, evicted;
    struct symbol_file *files; /* the most recently used first */
    size_t count, capacity;
    symbol_gone_fn on_gone;
    void *context;
};

/* ---- names ---- */

/* "ab/cdef.debug", below .build-id. */
static void name_of(const char *hex, char *ret, size_t size)
{
    snprintf(ret, size, "%.2s/%s.debug", hex, hex + 2);
}

/* The hex of a name, if it is one that we would write. */
static bool hex_of(const char *folder, const char *name, char *ret)
{
    size_t size = strlen(name), stem = size > 6 ? size - 6 : 0;
    uint8_t bytes[BUILD_ID_SIZE_MAX];

    if (stem == 0 || stem % 2 != 0 || stem + 2 > 2 * BUILD_ID_SIZE_MAX) return false;
    if (strlen(folder) != 2 || strcmp(name + stem, ".debug") != 0) return false;
    memcpy(ret, folder, 2);
    memcpy(ret + 2, name, stem);
    ret[stem + 2] = '\0';
    return text_from_hex(text_of(ret), bytes, (stem + 2) / 2) == 0;
}

static uint64_t time_ms(const struct timespec *at)
{
    return (uint64_t)at->tv_sec * 1000 + (uint64_t)at->tv_nsec / 1000000;
}

/* ---- the array ---- */

static size_t file_index(const struct symbol_store *store, struct text hex)
{
    size_t i = 0;

    while (i < store->count && !text_is_equal(text_of(store->files[i].build_id), hex))
        i++;
    return i;
}

static void file_insert(struct symbol_store *store, size_t at, const struct symbol_file *file)
{
    if (store->count == store->capacity) {
        store->capacity = store->capacity ? store->capacity * 2 : 64;
        store->files = mem_grow(store->files, store->capacity * sizeof *store->files);
    }
    memmove(&store->files[at + 1], &store->files[at], (store->count - at) * sizeof *file);
    store->files[at] = *file;
    store->count++;
    store->size += file->size;
}

static struct symbol_file file_take(struct symbol_store *store, size_t at)
{
    struct symbol_file file = store->files[at];

    store->count--;
    memmove(&store->files[at], &store->files[at + 1], (store->count - at) * sizeof file);
    store->size -= file.size;
    return file;
}

static void file_unlink(struct symbol_store *store, const struct symbol_file *file)
{
    char name[2 * BUILD_ID_SIZE_MAX + 16];

    name_of(file->build_id, name, sizeof name);
    unlinkat(store->build_id_folders[file->source], name, 0);
}

static void make_room(struct symbol_store *store)
{
    while (store->size > store->size_max && store->count > 0) {
        struct symbol_file file = file_take(store, store->count - 1);
        uint8_t id[BUILD_ID_SIZE_MAX];
        size_t id_size = strlen(file.build_id) / 2;

        file_unlink(store, &file);
        store->evicted++;
        if (!store->on_gone) continue;
        CHECK(text_from_hex(text_of(file.build_id), id, id_size) == 0);
        store->on_gone(store->context, (struct text){ (char *)id, id_size });
    }
}

/* ---- what is there at the start ---- */

static int file_compare(const void *left_item, const void *right_item)
{
    const struct symbol_file *left = left_item, *right = right_item;

    return left->used_ms < right->used_ms ? 1 : -(left->used_ms > right->used_ms);
}

static void folder_scan(struct symbol_store *store, enum symbol_source source, const char *name)
{
    int fd = openat(store->build_id_folders[source], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!folder) {
        if (fd >= 0) close(fd);
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        struct symbol_file file = { .source = source };
        struct stat info;

        if (!hex_of(name, entry->d_name, file.build_id)) continue;
        if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0) continue;
        if (!S_ISREG(info.st_mode)) continue;
        if (file_index(store, text_of(file.build_id)) < store->count) continue;
        file.size = (uint64_t)info.st_size;
        file.stored_ms = time_ms(&info.st_mtim);
        file.used_ms = time_ms(&info.st_atim);
        file_insert(store, store->count, &file);
    }
    closedir(folder);
}

static void tree_scan(struct symbol_store *store, enum symbol_source source)
{
    char name[3];

    for (unsigned i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "%02x", i);
        folder_scan(store, source, name);
    }
}

/* What was being written when the last stakeoutd ended. */
static void incoming_clear(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.') unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder) closedir(folder);
}

static int folder_make(const char *path, struct problem *problem)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return 0;
    return problem_set(problem, PROBLEM_INTERNAL, "The folder %s cannot be made: %s.", path,
                       strerror(errno));
}

static int tree_make(struct symbol_store *store, enum symbol_source source, struct problem *problem)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/%s", store->folder, tree_names[source]);
    store->roots[source] = mem_text(path, strlen(path));
    if (folder_make(path, problem) < 0) return -1;
    snprintf(path, sizeof path, "%s/.build-id", store->roots[source]);
    if (folder_make(path, problem) < 0) return -1;
    store->build_id_folders[source] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->build_id_folders[source] >= 0) return 0;
    return problem_set(problem, PROBLEM_INTERNAL, "The folder %s cannot be opened: %s.", path,
                       strerror(errno));
}

static int folders_make(struct symbol_store *store, struct problem *problem)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/incoming", store->folder);
    if (folder_make(store->folder, problem) < 0 || folder_make(path, problem) < 0) return -1;
    incoming_clear(path);
    if (tree_make(store, SYMBOL_UPLOADED, problem) < 0) return -1;
    return tree_make(store, SYMBOL_FETCHED, problem);
}

struct symbol_store *symbol_store_new(const struct symbol_store_options *options,
                                      struct problem *problem)
{
    struct symbol_store *store = mem_zalloc(1, sizeof *store);

    store->size_max = options->size_max;
    store->build_id_folders[0] = store->build_id_folders[1] = -1;
    if (snprintf(store->folder, sizeof store->folder, "%s", options->folder) >=
        (int)sizeof store->folder) {
        problem_set(problem, PROBLEM_INTERNAL,
                    "The name of the symbol store's folder is too long.");
        return symbol_store_free(store);
    }
    if (folders_make(store, problem) < 0) return symbol_store_free(store);
    tree_scan(store, SYMBOL_UPLOADED);
    tree_scan(store, SYMBOL_FETCHED);
    if (store->count > 0) qsort(store->files, store->count, sizeof *store->files, file_compare);
    make_room(store);
    return store;
}

struct symbol_store *symbol_store_free(struct symbol_store *store)
{
    if (!store) return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(tree_names); i++) {
        if (store->build_id_folders[i] >= 0) close(store->build_id_folders[i]);
        free(store->roots[i]);
    }
    free(store->files);
    free(store);
    return NULL;
}

const char *symbol_store_root(const struct symbol_store *store, enum symbol_source source)
{
    return store->roots[source];
}

int symbol_store_build_id_folder(const struct symbol_store *store, enum symbol_source source)
{
    return store->build_id_folders[source];
}

/* ---- changes ---- */

int symbol_store_begin(struct symbol_store *store, char *ret_path)
{
    int fd;

    snprintf(ret_path, PATH_MAX, "%s/incoming/%016llx", store->folder,
             (unsigned long long)random_u64());
    fd = open(ret_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

static int file_place(struct symbol_store *store, const char *path, const struct symbol_file *file)
{
    int folder = store->build_id_folders[file->source];
    char name[2 * BUILD_ID_SIZE_MAX + 16];

    name_of(file->build_id, name, sizeof name);
    name[2] = '\0'; /* its folder alone */
    if (mkdirat(folder, name, 0700) < 0 && errno != EEXIST) return -errno;
    name[2] = '/';
    return renameat(AT_FDCWD, path, folder, name) < 0 ? -errno : 0;
}

int symbol_store_keep(struct symbol_store *store, const char *path, struct text build_id,
                      enum symbol_source source, const struct symbol_file **ret)
{
    struct symbol_file file = { .source = source, .stored_ms = ns_to_ms(clock_wall_ns()) };
    struct stat info;
    size_t at;
    int rc;

    CHECK(build_id.size >= 2 && build_id.size <= BUILD_ID_SIZE_MAX);
    text_to_hex(build_id.data, build_id.size, file.build_id);
    file.used_ms = file.stored_ms;
    if (stat(path, &info) < 0) return -errno;
    file.size = (uint64_t)info.st_size;
    if (file.size > store->size_max) return -EFBIG;
    at = file_index(store, text_of(file.build_id));
    if (at < store->count && store->files[at].source < source) return -EEXIST;
    rc = file_place(store, path, &file);
    if (rc < 0) return rc;
    if (at < store->count) {
        struct symbol_file old = file_take(store, at);

        if (old.source != source) file_unlink(store, &old);
    }
    file_insert(store, 0, &file);
    make_room(store);
    *ret = &store->files[0];
    return 0;
}

const struct symbol_file *symbol_store_find(const struct symbol_store *store, struct text hex)
{
    size_t at = file_index(store, hex);

    return at < store->count ? &store->files[at] : NULL;
}

int symbol_store_remove(struct symbol_store *store, struct text hex)
{
    size_t at = file_index(store, hex);
    struct symbol_file file;

    if (at == store->count) return -ENOENT;
    file = file_take(store, at);
    file_unlink(store, &file);
    return 0;
}

void symbol_store_touch(struct symbol_store *store, struct text build_id)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };
    char hex[2 * BUILD_ID_SIZE_MAX + 1], name[2 * BUILD_ID_SIZE_MAX + 16];
    struct symbol_file file;
    uint64_t last_ms;
    size_t at;

    if (build_id.size > BUILD_ID_SIZE_MAX) return;
    text_to_hex(build_id.data, build_id.size, hex);
    at = file_index(store, text_of(hex));
    if (at == store->count) return;
    file = file_take(store, at);
    last_ms = file.used_ms;
    file.used_ms = ns_to_ms(clock_wall_ns());
    file_insert(store, 0, &file);
    if (file.used_ms - last_ms < TOUCH_MS_MIN && file.used_ms >= last_ms) return;
    name_of(hex, name, sizeof name);
    utimensat(store->build_id_folders[file.source], name, times, AT_SYMLINK_NOFOLLOW);
}

const struct symbol_file *symbol_store_at(const struct symbol_store *store, size_t index)
{
    return index < store->count ? &store->files[index] : NULL;
}

void symbol_store_on_gone(struct symbol_store *store, symbol_gone_fn on_gone, void *context)
{
    store->on_gone = on_gone;
    store->context = context;
}

struct symbol_store_counts symbol_store_counts(const struct symbol_store *store)
{
    return (struct symbol_store_counts){ .size = store->size,
                                         .size_max = store->size_max,
                                         .file_count = store->count,
                                         .evicted = store->evicted };
}
