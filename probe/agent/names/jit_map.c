/* SPDX-License-Identifier: Apache-2.0 */
/* jit_map.c: the end of a text file, and an array of its lines sorted by address.
 *
 * A JIT appends, and writes a line again when it puts another function where one was thrown away:
 * of lines whose functions overlap, the later one is right. So rows remember their order, and a
 * lookup takes the latest of those that hold the address. */
#include "probe/agent/names/jit_map.h"

#include "common/base/own.h"
#include "probe/agent/base/filters.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { OVERLAPS_MAX = 16, PATH_SIZE = 256 };

struct jit_function {
    uint64_t begin;
    uint32_t size;
    uint32_t name; /* offset in the text; it ends with the line */
};

struct jit_map {
    char path[PATH_SIZE];
    dev_t device;
    ino_t inode;
    off_t file_size; /* as it was read; -1: never */
    struct timespec changed;
    char *text; /* owned; what was read, zero-terminated */
    size_t text_size;
    struct jit_function *functions; /* by begin, then in the order of the file */
    uint32_t count;
};

struct jit_map *jit_map_new(const char *path)
{
    struct jit_map *map = calloc(1, sizeof *map);

    if (!map) return NULL;
    map->file_size = -1;
    if (path)
        snprintf(map->path, sizeof map->path, "%s", path);
    else
        snprintf(map->path, sizeof map->path, "/tmp/perf-%d.map", (int)getpid());
    return map;
}

static void forget(struct jit_map *map)
{
    free(map->text);
    free(map->functions);
    map->text = NULL;
    map->functions = NULL;
    map->text_size = 0;
    map->count = 0;
}

struct jit_map *jit_map_free(struct jit_map *map)
{
    if (!map) return NULL;
    forget(map);
    free(map);
    return NULL;
}

size_t jit_map_size(const struct jit_map *map)
{
    return sizeof *map + map->text_size + map->count * sizeof *map->functions;
}

/* ---- lines ---- */

/* Hex digits, and the blank behind them. */
static bool take_hex(const char **at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;
    const char *from = *at;

    if (end - from > 2 && from[0] == '0' && from[1] == 'x') from += 2;
    for (*at = from; *at < end && *at - from < 17; (*at)++) {
        char c = **at;

        if (c == ' ') break;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            value = value << 4 | (uint64_t)(c - 'A' + 10);
        else
            return false;
    }
    if (*at == from || *at == end || **at != ' ') return false;
    (*at)++;
    *ret = value;
    return true;
}

static bool read_line(const char *text, const char *line, const char *end, struct jit_function *ret)
{
    uint64_t begin, size;

    if (!take_hex(&line, end, &begin) || !take_hex(&line, end, &size)) return false;
    if (line == end || size == 0 || size > UINT32_MAX || begin > UINT64_MAX - size) return false;
    *ret = (struct jit_function){ begin, (uint32_t)size, (uint32_t)(line - text) };
    return true;
}

static int function_compare(const void *left_item, const void *right_item)
{
    const struct jit_function *left = left_item, *right = right_item;

    if (left->begin != right->begin) return left->begin < right->begin ? -1 : 1;
    return left->name < right->name ? -1 : left->name > right->name;
}

/* Whole lines alone: the last one may still be being written. */
static void read_lines(struct jit_map *map)
{
    const char *end = map->text + map->text_size, *line = map->text, *feed;
    uint32_t room = 0;
    struct jit_function *fitted;

    for (const char *at = line; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        if (room < JIT_FUNCTIONS_MAX) room++;
    map->functions = room > 0 ? malloc(room * sizeof *map->functions) : NULL;
    if (!map->functions) return;
    for (; map->count < room && (feed = memchr(line, '\n', (size_t)(end - line))) != NULL;
         line = feed + 1)
        if (read_line(map->text, line, feed, &map->functions[map->count])) map->count++;
    if (map->count == 0) return;
    qsort(map->functions, map->count, sizeof *map->functions, function_compare);
    fitted = realloc(map->functions, map->count * sizeof *map->functions);
    if (fitted) map->functions = fitted;
}

/* ---- the file ---- */

static int open_ours(const char *path, struct stat *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) return -1;
    if (fstat(fd, ret) == 0 && S_ISREG(ret->st_mode) && ret->st_uid == geteuid()) return fd;
    close(fd);
    return -1;
}

static bool is_read(const struct jit_map *map, const struct stat *info)
{
    return map->file_size == info->st_size && map->device == info->st_dev &&
           map->inode == info->st_ino && map->changed.tv_sec == info->st_mtim.tv_sec &&
           map->changed.tv_nsec == info->st_mtim.tv_nsec;
}

static void read_end(struct jit_map *map, int fd, off_t file_size)
{
    off_t from = file_size > JIT_MAP_SIZE_MAX ? file_size - JIT_MAP_SIZE_MAX : 0;
    size_t wanted = (size_t)(file_size - from);
    ssize_t size;

    if (!filters_allow(TRIED_pread64)) return;
    map->text = malloc(wanted + 1);
    if (!map->text) return;
    while (map->text_size < wanted) {
        size = pread(fd, map->text + map->text_size, wanted - map->text_size,
                     from + (off_t)map->text_size);
        if (size <= 0) break;
        map->text_size += (size_t)size;
    }
    map->text[map->text_size] = '\0';
    read_lines(map);
}

void jit_map_refresh(struct jit_map *map)
{
    struct stat info;
    OWN(fd_closep) int fd = open_ours(map->path, &info);

    if (fd < 0) {
        forget(map);
        map->file_size = -1;
        return;
    }
    if (is_read(map, &info)) return;
    forget(map);
    map->file_size = info.st_size;
    map->device = info.st_dev;
    map->inode = info.st_ino;
    map->changed = info.st_mtim;
    read_end(map, fd, info.st_size);
}

/* ---- looking up ---- */

/* How many functions begin at or before the address. */
static uint32_t functions_until(const struct jit_map *map, uint64_t address)
{
    uint32_t low = 0, high = map->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (map->functions[middle].begin <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t jit_map_find(const struct jit_map *map, uint64_t address, char *ret, size_t ret_size,
                    uint64_t *ret_begin)
{
    uint32_t until = functions_until(map, address);
    const struct jit_function *found = NULL;
    size_t size;

    for (uint32_t back = 1; back <= OVERLAPS_MAX && back <= until; back++) {
        const struct jit_function *function = &map->functions[until - back];

        if (address - function->begin >= function->size) continue;
        if (!found || function->name > found->name) found = function; /* the later line */
    }
    if (!found || ret_size == 0) return 0;
    size = strcspn(map->text + found->name, "\n");
    if (size > ret_size - 1) size = ret_size - 1;
    memcpy(ret, map->text + found->name, size);
    ret[size] = '\0';
    *ret_begin = found->begin;
    return size;
}
