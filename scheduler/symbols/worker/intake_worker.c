/* SPDX-License-Identifier: Apache-2.0 */
/* intake_worker.c: bytes to a file, the file to the disk, its headers read, and what came of it.
 *
 * The headers are read with the few lines of elf_file.c, not with libelf; and whoever gets the
 * better of them sits in a process that can write this one file and nothing else.
 *
 * A file that cannot be one is refused by its first bytes: the process ends then, and what still
 * comes of the upload is thrown away by the loop. */
#include "scheduler/symbols/worker/intake_worker.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "common/base/text.h"
#include "scheduler/symbols/worker/elf_file.h"
#include "scheduler/symbols/worker/fetch.h"
#include "scheduler/symbols/worker/worker_limits.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { PART_SIZE = 256 * 1024 };

static int receive(void *ret, size_t size)
{
    size_t got = 0;

    while (got < size) {
        ssize_t part = recv(INTAKE_SOCKET_FD, (char *)ret + got, size - got, 0);

        if (part < 0 && errno == EINTR) continue;
        if (part < 0) return -errno;
        if (part == 0) return -EPIPE;
        got += (size_t)part;
    }
    return 0;
}

static int say(const void *data, size_t size)
{
    return send(INTAKE_SOCKET_FD, data, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -EPIPE;
}

static int file_write(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(INTAKE_FILE_FD, data, size);

        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -errno;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

static int receive_file(uint64_t size_max)
{
    OWN(mem_freep) char *part = mem_alloc(PART_SIZE);
    uint64_t left, at = 0;
    int rc = receive(&left, sizeof left);

    if (rc < 0) return rc;
    if (left > size_max) return -EFBIG;
    for (; left > 0 && rc == 0; at += PART_SIZE) {
        size_t size = left < PART_SIZE ? (size_t)left : PART_SIZE;

        rc = receive(part, size);
        if (rc == 0 && at == 0 && (size < SELFMAG || memcmp(part, ELFMAG, SELFMAG) != 0))
            return -ENOEXEC;
        if (rc == 0) rc = file_write(part, size);
        left -= size;
    }
    return rc;
}

static int take_fetched(void *context, const void *data, size_t size)
{
    (void)context;
    return file_write(data, size);
}

static int fetch_file(uint64_t size_max, int argc, char **argv)
{
    struct fetch fetch = {
        .build_id_hex = argv[0],
        .urls = (const char *const *)argv + 2,
        .url_count = (size_t)argc - 2,
        .size_max = size_max,
        .file_fd = INTAKE_FILE_FD,
        .take = take_fetched,
    };

    if (text_to_u64(text_of(argv[1]), &fetch.time_ms) < 0) return -EINVAL;
    return fetch_debug_file(&fetch);
}

static struct intake_verdict judge(int rc, const char *wanted_hex)
{
    struct intake_verdict verdict = { .rc = rc };
    struct elf_facts facts;
    char hex[2 * BUILD_ID_SIZE_MAX + 1];

    if (rc == 0 && fsync(INTAKE_FILE_FD) < 0) verdict.rc = -errno;
    if (verdict.rc == 0) verdict.rc = elf_file_identify(INTAKE_FILE_FD, &facts);
    if (verdict.rc < 0) return verdict;
    verdict.build_id_size = (uint8_t)facts.build_id_size;
    memcpy(verdict.build_id, facts.build_id, facts.build_id_size);
    verdict.has_lines = facts.has_lines;
    verdict.has_names = facts.has_names;
    verdict.size = (uint64_t)lseek(INTAKE_FILE_FD, 0, SEEK_END);
    text_to_hex(facts.build_id, facts.build_id_size, hex);
    if (wanted_hex && strcmp(hex, wanted_hex) != 0) verdict.rc = -ENOKEY;
    return verdict;
}

/* The file's new name is in this folder, and the folder itself may be new. */
static int folders_sync(const struct intake_verdict *verdict)
{
    OWN(fd_closep) int fd = -1;
    char name[3];

    text_to_hex(verdict->build_id, 1, name);
    fd = openat(INTAKE_FOLDER_FD, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) return -errno;
    return fsync(INTAKE_FOLDER_FD) < 0 ? -errno : 0;
}

static int serve(uint64_t size_max, int argc, char **argv)
{
    bool fetches = argc > 0;
    struct intake_verdict verdict = { 0 };
    char kept;
    int rc = fetches ? fetch_file(size_max, argc, argv) : receive_file(size_max);

    if (rc == -EPIPE) return 0; /* nobody waits any more */
    verdict = judge(rc, fetches ? argv[0] : NULL);
    if (say(&verdict, sizeof verdict) < 0 || verdict.rc < 0) return 0;
    if (receive(&kept, sizeof kept) < 0) return 0;
    if (folders_sync(&verdict) < 0) return 1;
    return say(&kept, sizeof kept) < 0;
}

int intake_worker_run(int argc, char **argv)
{
    bool fetches = argc > 3;
    uint64_t size_max;
    int rc;

    if (argc < 3 || argc == 4 || argc == 5 || text_to_u64(text_of(argv[2]), &size_max) < 0) {
        fprintf(stderr, "symbol intake: started by stakeoutd, not by hand\n");
        return 2;
    }
    sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL); /* write() says EFBIG */
    if (fetches) fetch_prepare();
    rc = worker_limits_set(fetches ? WORKER_FETCHES : WORKER_RECEIVES, size_max);
    if (rc == 0) return serve(size_max, argc - 3, argv + 3);
    fprintf(stderr, "symbol intake: %s\n", strerror(-rc));
    return 1;
}
