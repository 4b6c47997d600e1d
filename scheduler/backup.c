/* SPDX-License-Identifier: Apache-2.0 */
/* backup.c: the commands.
 *
 * Backing up: Redis writes a snapshot of one moment beside its append-only files (store_save),
 * which is copied into DIR.partial with the uploaded debug files; when all is on disk it becomes
 * DIR. A running stakeoutd is not asked and need not stop: its Redis is used (options.share), or
 * the private one is started for as long as it takes.
 *
 * Restoring: the snapshot becomes the base of append-only files, with the manifest that says so:
 * Redis itself does not look for a snapshot where it keeps append-only files, and would start
 * empty. The folder gets its name last. Nothing that is there is ever overwritten. */
#include "scheduler/backup.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/wall_time.h"
#include "scheduler/backup_files.h"
#include "scheduler/store/store.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UP_S_MAX = 20, EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

static int fail(const char *what, const char *path, int rc)
{
    fprintf(stderr, "stakeoutd: %s %s: %s\n", what, path, strerror(-rc));
    return EXIT_FAILED;
}

/* FOLDER/NAME. Folders are at most CONFIG_TEXT_SIZE_MAX, so that everything has room. */
static const char *within(const char *folder, const char *name, char ret[PATH_MAX])
{
    CHECK(snprintf(ret, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
    return ret;
}

static int read_folder(const struct config *config, const char *verb, const char **ret)
{
    if (config->argument_count == 2 && strlen(config->arguments[1]) <= CONFIG_TEXT_SIZE_MAX) {
        *ret = config->arguments[1];
        return 0;
    }
    fprintf(stderr, "stakeoutd: it is: stakeoutd %s DIR [OPTION]...\n", verb);
    return -1;
}

/* Backing up -------------------------------------------------------------------------------- */

struct backup {
    const struct config *config;
    const char *folder;
    char partial[PATH_MAX];
    struct event_base *base;
    struct store *store;
    struct event *late;
    int exit_code;
    bool is_saving;
};

static void backup_end(struct backup *backup, int exit_code)
{
    backup->exit_code = exit_code;
    event_base_loopbreak(backup->base);
}

static int write_manifest(const struct backup *backup, const char *snapshot, uint64_t *ret_size)
{
    struct backup_manifest manifest = { .version = STAKEOUT_VERSION };
    char path[PATH_MAX];
    int rc = backup_file_digest(snapshot, &manifest.size, manifest.digest);

    if (rc < 0) return rc;
    wall_time_format(ns_to_ms(clock_wall_ns()), manifest.made);
    *ret_size = manifest.size;
    return backup_manifest_write(within(backup->partial, "manifest", path), &manifest);
}

static int copy_symbols(const char *from, const char *to)
{
    char source[PATH_MAX], target[PATH_MAX];

    within(from, "symbols/uploaded", source);
    if (access(source, F_OK) < 0) return 0;
    if (mkdir(within(to, "symbols", target), 0700) < 0 && errno != EEXIST) return -errno;
    return backup_tree_copy(source, within(to, "symbols/uploaded", target));
}

static int fill(const struct backup *backup, const char *saved, uint64_t *ret_size)
{
    char snapshot[PATH_MAX];
    int rc = backup_file_copy(saved, within(backup->partial, "redis.rdb", snapshot));

    if (rc == 0) rc = copy_symbols(backup->config->state_dir, backup->partial);
    if (rc == 0) rc = write_manifest(backup, snapshot, ret_size);
    return rc < 0 ? rc : backup_folder_sync(backup->partial);
}

static void on_saved(void *context, const char *path, const struct problem *problem)
{
    struct backup *backup = context;
    uint64_t size;
    int rc;

    if (problem) {
        fprintf(stderr, "stakeoutd: %s\n", problem->detail);
        backup_end(backup, EXIT_FAILED);
        return;
    }
    rc = fill(backup, path, &size);
    unlink(path); /* nobody else needs it, and it is as large as the state */
    if (rc == 0 && rename(backup->partial, backup->folder) < 0) rc = -errno;
    if (rc < 0) {
        backup_end(backup, fail("cannot write the backup", backup->partial, rc));
        return;
    }
    fprintf(stderr, "The backup is in %s: %" PRIu64 " bytes of Redis.\n", backup->folder, size);
    backup_end(backup, EXIT_DONE);
}

static void on_up(void *context)
{
    struct backup *backup = context;

    if (backup->is_saving) return;
    backup->is_saving = true;
    event_del(backup->late); /* a large state takes as long as it takes */
    store_save(backup->store, on_saved, backup);
}

static void on_given_up(void *context, const struct problem *problem)
{
    fprintf(stderr, "stakeoutd: %s\n", problem->detail);
    backup_end(context, EXIT_FAILED);
}

static void on_late(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    fprintf(stderr, "stakeoutd: Redis did not answer in time; nothing was backed up.\n");
    backup_end(context, EXIT_FAILED);
}

static int backup_run(struct backup *backup, struct problem *problem)
{
    struct store_options options = config_store(backup->config);

    backup->base = event_base_new();
    CHECK(backup->base);
    options.base = backup->base;
    options.share = true;
    options.on_given_up = on_given_up;
    options.context = backup;
    backup->late = event_new(backup->base, -1, 0, on_late, backup);
    CHECK(backup->late);
    event_add(backup->late, &(struct timeval){ .tv_sec = UP_S_MAX });
    backup->store = store_new(&options, problem);
    if (backup->store) {
        store_on_up(backup->store, on_up, backup);
        event_base_dispatch(backup->base);
        store_free(backup->store);
    }
    event_free(backup->late);
    event_base_free(backup->base);
    return backup->store ? 0 : -1;
}

int backup_command(const struct config *config)
{
    struct backup backup = { .config = config, .exit_code = EXIT_FAILED };
    struct problem problem = { 0 };

    if (read_folder(config, "backup", &backup.folder) < 0) return EXIT_MISUSED;
    if (access(backup.folder, F_OK) == 0) return fail("cannot make", backup.folder, -EEXIST);
    snprintf(backup.partial, sizeof backup.partial, "%s.partial", backup.folder);
    if (mkdir(backup.partial, 0700) < 0) return fail("cannot make", backup.partial, -errno);
    if (config_make_state_dir(config, &problem) < 0 || backup_run(&backup, &problem) < 0) {
        fprintf(stderr, "stakeoutd: %s\n", problem.detail);
        rmdir(backup.partial);
        return EXIT_FAILED;
    }
    return backup.exit_code;
}

/* Restoring --------------------------------------------------------------------------------- */

static const char aof_manifest[] = "file appendonly.aof.1.base.rdb seq 1 type b\n";

/* 0, or the exit code. */
static int check_backup(const char *folder, struct backup_manifest *ret)
{
    char path[PATH_MAX], digest[BACKUP_DIGEST_SIZE + 1];
    uint64_t size;
    int rc = backup_manifest_read(within(folder, "manifest", path), ret);

    if (rc < 0) return fail("this is no backup of ours", path, rc);
    rc = backup_file_digest(within(folder, "redis.rdb", path), &size, digest);
    if (rc < 0) return fail("cannot read", path, rc);
    if (size == ret->size && strcmp(digest, ret->digest) == 0) return 0;
    fprintf(stderr, "stakeoutd: %s is not what was backed up: its digest is another one.\n", path);
    return EXIT_FAILED;
}

static int write_aof_manifest(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = 0;

    if (fd < 0) return -errno;
    if (write(fd, aof_manifest, sizeof aof_manifest - 1) != (ssize_t)sizeof aof_manifest - 1 ||
        fsync(fd) < 0)
        rc = errno ? -errno : -EIO;
    close(fd);
    return rc;
}

/* Its folder is new, or that of a restoring that was broken off. */
static int put_redis(const char *state, const char *folder)
{
    char redis[PATH_MAX], partial[PATH_MAX], whole[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
    int rc;

    within(state, "redis", redis);
    within(redis, "appendonlydir", whole);
    within(redis, "appendonlydir.partial", partial);
    if (mkdir(redis, 0700) < 0 && errno != EEXIST) return -errno;
    if (mkdir(partial, 0700) < 0 && errno != EEXIST) return -errno;
    unlink(within(partial, "appendonly.aof.1.base.rdb", to));
    rc = backup_file_copy(within(folder, "redis.rdb", from), to);
    if (rc < 0) return rc;
    unlink(within(partial, "appendonly.aof.manifest", to));
    rc = write_aof_manifest(to);
    if (rc == 0) rc = backup_folder_sync(partial);
    if (rc == 0 && rename(partial, whole) < 0) rc = -errno;
    return rc < 0 ? rc : backup_folder_sync(redis);
}

/* The lock's descriptor, or -1: somebody else has it, or there is a state already. */
static int take_empty(const char *state)
{
    char path[PATH_MAX];
    int fd = open(within(state, "lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        fail("cannot lock", path, -errno);
    } else if (access(within(state, "redis/appendonlydir", path), F_OK) == 0 ||
               access(within(state, "symbols/uploaded/.build-id", path), F_OK) == 0) {
        fprintf(stderr,
                "stakeoutd: the state directory '%s' holds a state already; give another one.\n",
                state);
    } else {
        return fd;
    }
    if (fd >= 0) close(fd);
    return -1;
}

int restore_command(const struct config *config)
{
    struct backup_manifest manifest;
    struct problem problem = { 0 };
    const char *folder;
    int exit_code, lock, rc;

    if (read_folder(config, "restore", &folder) < 0) return EXIT_MISUSED;
    exit_code = check_backup(folder, &manifest);
    if (exit_code != 0) return exit_code;
    if (config_make_state_dir(config, &problem) < 0) {
        fprintf(stderr, "stakeoutd: %s\n", problem.detail);
        return EXIT_FAILED;
    }
    lock = take_empty(config->state_dir);
    if (lock < 0) return EXIT_FAILED;
    rc = copy_symbols(folder, config->state_dir);
    if (rc == 0) rc = put_redis(config->state_dir, folder);
    close(lock);
    if (rc < 0) return fail("cannot restore into", config->state_dir, rc);
    fprintf(stderr, "Restored into %s: what stakeoutd %s held at %s.\n", config->state_dir,
            manifest.version, manifest.made);
    return EXIT_DONE;
}
