/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c: the symbol worker: one request at a time, from descriptor 3, until it is closed.
 *
 * Keeps the modules that it met last open, with their indexes, so that a second request for a
 * large one costs nothing. It is started by worker_process.c, which also kills it: when a request
 * takes too long, and when there was none for a while, so that all memory goes back. */
#include "common/base/check.h"
#include "common/base/own.h"
#include "scheduler/symbols/symbol_wire.h"
#include "scheduler/symbols/symbols.h"
#include "scheduler/symbols/worker/demangle.h"
#include "scheduler/symbols/worker/elf_lines.h"
#include "scheduler/symbols/worker/intake_worker.h"
#include "scheduler/symbols/worker/worker_limits.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    WORKER_FD = 3,
    MODULES_KEPT = 8,
    MEMORY_KEPT_MAX = WORKER_MEMORY_MAX / 2, /* between requests */
};

struct kept_module {
    char *path, *build_id; /* owned */
    size_t path_size, build_id_size;
    uint32_t generation; /* of the files that there were for its build-id when it was opened */
    struct elf_lines *lines;
    uint64_t used; /* the request that used it last */
};

struct worker {
    const char *const *debug_roots;
    size_t debug_root_count;
    bool reads_paths;
    struct kept_module modules[MODULES_KEPT];
    uint64_t request_count;
};

static int receive(void *ret, size_t size)
{
    size_t got = 0;

    while (got < size) {
        ssize_t part = recv(WORKER_FD, (char *)ret + got, size - got, 0);

        if (part < 0 && errno == EINTR) continue;
        if (part < 0) return -errno;
        if (part == 0) return -EPIPE;
        got += (size_t)part;
    }
    return 0;
}

static int send_all(struct text text)
{
    while (text.size > 0) {
        ssize_t sent = send(WORKER_FD, text.data, text.size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return -errno;
        text.data += sent;
        text.size -= (size_t)sent;
    }
    return 0;
}

static int receive_frame(struct buf *to)
{
    uint32_t size;
    void *room;
    int rc = receive(&size, sizeof size);

    if (rc < 0) return rc;
    room = buf_reserve(to, size);
    if (!room) return -ENOBUFS;
    rc = receive(room, size);
    if (rc == 0) buf_commit(to, size);
    return rc;
}

static void module_forget(struct kept_module *module)
{
    elf_lines_close(module->lines);
    free(module->path);
    free(module->build_id);
    *module = (struct kept_module){ 0 };
}

static bool module_is(const struct kept_module *module, struct text path, struct text build_id)
{
    return module->lines && text_is_equal((struct text){ module->path, module->path_size }, path) &&
           text_is_equal((struct text){ module->build_id, module->build_id_size }, build_id);
}

/* The module, opened if need be in the place of the one that was not used for longest; and opened
 * again when a file of its build-id came or went. */
static struct elf_lines *module_get(struct worker *worker, struct text path, struct text build_id,
                                    uint32_t generation)
{
    struct kept_module *oldest = &worker->modules[0];

    for (size_t i = 0; i < MODULES_KEPT; i++) {
        struct kept_module *module = &worker->modules[i];

        if (module_is(module, path, build_id)) {
            module->used = worker->request_count;
            if (module->generation == generation) return module->lines;
            oldest = module;
            break;
        }
        if (module->used < oldest->used) oldest = module;
    }
    module_forget(oldest);
    *oldest = (struct kept_module){
        .path = mem_text(path.data, path.size),
        .build_id = mem_text(build_id.data, build_id.size),
        .path_size = path.size,
        .build_id_size = build_id.size,
        .generation = generation,
        .used = worker->request_count,
    };
    oldest->lines = elf_lines_open(&(struct elf_lines_options){
        .path = { oldest->path, path.size },
        .build_id = { oldest->build_id, build_id.size },
        .debug_roots = worker->debug_roots,
        .debug_root_count = worker->debug_root_count,
        .reads_path = worker->reads_paths,
    });
    return oldest->lines;
}

/* Some kept modules have large indexes: the ones that were not used for longest are given up before
 * the limit of memory is near, the one in use last of all. */
static void modules_trim(struct worker *worker)
{
    struct kept_module *oldest;

    for (size_t i = 0; i < MODULES_KEPT; i++) {
        struct mallinfo2 memory = mallinfo2();

        if (memory.uordblks + memory.hblkhd < MEMORY_KEPT_MAX) return;
        oldest = NULL;
        for (size_t j = 0; j < MODULES_KEPT; j++) {
            struct kept_module *module = &worker->modules[j];

            if (module->lines && (!oldest || module->used < oldest->used)) oldest = module;
        }
        if (oldest) module_forget(oldest);
    }
    malloc_trim(0);
}

static struct text without_prefix(struct text name)
{
    static const struct text inner = { "__GI_", 5 };

    if (text_starts_with(name, inner)) name = (struct text){ name.data + 5, name.size - 5 };
    while (name.size > 0 && name.data[0] == '_')
        name = (struct text){ name.data + 1, name.size - 1 };
    return name;
}

/* The C library's functions have inner names beside the one that programs call:
 * ___pthread_mutex_lock, __GI___nanosleep. Of such two the shorter is meant. */
static bool is_outer_name(struct text name, struct text inner)
{
    return name.size > 0 && name.size < inner.size &&
           text_is_equal(without_prefix(name), without_prefix(inner));
}

/* One address. What the debug information does not name is called as the sample calls it. */
static void answer_address(struct elf_lines *lines, uint64_t offset, struct text name,
                           struct buf *answer)
{
    struct source_location locations[LOCATIONS_MAX];
    uint8_t count = elf_lines_find(lines, offset, locations);
    OWN(mem_freep) char *known = mem_text(name.size ? name.data : "", name.size);
    OWN(mem_freep) char *demangled = name_demangle(known);

    if (count == 0 && demangled) {
        locations[0] = (struct source_location){ 0 };
        count = 1;
    }
    if (count > 0 && locations[count - 1].function.size == 0)
        locations[count - 1].function = demangled ? text_of(demangled) : name;
    if (count > 0 && is_outer_name(name, locations[count - 1].function))
        locations[count - 1].function = name;
    wire_write_locations(answer, locations, count);
}

static int answer_request(struct worker *worker, struct text request, struct buf *answer)
{
    struct wire_reader reader = { request.data, request.data + request.size, false };
    uint32_t id = wire_read_u32(&reader), size = 0, count;
    uint32_t generation = wire_read_u32(&reader);
    struct text path = wire_read_text(&reader);
    struct text build_id = wire_read_text(&reader);
    struct elf_lines *lines;

    count = wire_read_u32(&reader);
    if (reader.failed || count > BATCH_MAX) return -EBADMSG;
    worker->request_count++;
    lines = module_get(worker, path, build_id, generation);
    wire_write_u32(answer, size); /* filled in below */
    wire_write_u32(answer, id);
    wire_write_u32(answer, count);
    wire_write_u8(answer, (uint8_t)((elf_lines_have_lines(lines) ? MODULE_HAS_LINES : 0) |
                                    (elf_lines_are_stored(lines) ? MODULE_IS_STORED : 0)));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = wire_read_u64(&reader);
        struct text name = wire_read_text(&reader);

        if (reader.failed) return -EBADMSG;
        answer_address(lines, offset, name, answer);
    }
    if (answer->failed) return answer->failed;
    size = (uint32_t)(answer->size - sizeof size);
    memcpy(answer->data, &size, sizeof size);
    return 0;
}

static int serve(struct worker *worker)
{
    OWN(buf_done) struct buf request = BUF_INIT(SYMBOL_FRAME_SIZE_MAX);
    OWN(buf_done) struct buf answer = BUF_INIT(SYMBOL_FRAME_SIZE_MAX);
    int rc;

    for (;;) {
        buf_reset(&request);
        buf_reset(&answer);
        rc = receive_frame(&request);
        if (rc < 0) return rc;
        rc = answer_request(worker, buf_peek(&request), &answer);
        if (rc < 0) return rc;
        rc = send_all(buf_peek(&answer));
        if (rc < 0) return rc;
        modules_trim(worker);
    }
}

static int worker_main(const char *const *debug_roots, size_t debug_root_count, bool reads_paths)
{
    struct worker worker = { .debug_roots = debug_roots,
                             .debug_root_count = debug_root_count,
                             .reads_paths = reads_paths };
    int rc = worker_limits_set(WORKER_READS, 0);

    if (rc == 0) rc = serve(&worker);
    for (size_t i = 0; i < MODULES_KEPT; i++)
        module_forget(&worker.modules[i]);
    if (rc == -EPIPE || rc == -ECONNRESET) return 0; /* whom it works for has gone */
    fprintf(stderr, "symbol worker: %s\n", strerror(-rc));
    return 1;
}

bool symbols_worker_is_meant(int argc, char **argv)
{
    return argc > 1 &&
           (strcmp(argv[1], SYMBOLS_WORKER_ARGUMENT) == 0 || strcmp(argv[1], INTAKE_ARGUMENT) == 0);
}

int symbols_worker_run(int argc, char **argv)
{
    if (strcmp(argv[1], INTAKE_ARGUMENT) == 0) return intake_worker_run(argc, argv);
    if (argc < 4 || argc > 3 + SYMBOLS_ROOTS_MAX) {
        fprintf(stderr, "symbol worker: started by stakeoutd, not by hand\n");
        return 2;
    }
    return worker_main((const char *const *)argv + 3, (size_t)argc - 3,
                       strcmp(argv[2], SYMBOLS_WORKER_PATHS) == 0);
}
