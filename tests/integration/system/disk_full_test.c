/* SPDX-License-Identifier: Apache-2.0 */
/* disk_full_test.c: the file system of the state directory is full, while reports come.
 *
 * The private Redis ends where it cannot write what it was about to acknowledge, and is started
 * again, and again. Nothing is acknowledged meanwhile, probes are told of their tasks or to keep
 * them, and when there is room again all goes on by itself; nothing that was acknowledged is lost.
 *
 * The file system is one of this process alone: memory, of a size of its own. Without the right to
 * mount it, the test is skipped. */
#include "common/base/clock.h"
#include "tests/integration/system/reporters.h"
#include "tests/support/namespaces.h"
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

enum { BEFORE = 30, AGAIN_MIN = 50, PIECE_SIZE = 65536 };

static struct house house;
static struct reporters reporters;
static bool may_mount;

/* ---- a file system of our own ---- */

static void directory_open(void)
{
    snprintf(house.scheduler.directory, sizeof house.scheduler.directory,
             "/tmp/stakeout-test-XXXXXX");
    assert_non_null(mkdtemp(house.scheduler.directory));
    assert_int_equal(mount("stakeout", house.scheduler.directory, "tmpfs", 0, "size=24m"), 0);
}

static void directory_close(const char *directory)
{
    assert_int_equal(umount2(directory, MNT_DETACH), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void ballast_path(char ret[96])
{
    snprintf(ret, 96, "%s/ballast", house.scheduler.directory);
}

static void fill(void)
{
    static const char block[PIECE_SIZE];
    char path[96];
    size_t size = sizeof block;
    int fd;

    ballast_path(path);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (size > 0) {
        if (write(fd, block, size) >= 0) continue;
        assert_int_equal(errno, ENOSPC);
        size /= 2; /* to the last byte */
    }
    close(fd);
}

static void make_room(void)
{
    char path[96];

    ballast_path(path);
    assert_int_equal(unlink(path), 0);
}

/* ---- the claim ---- */

static void assert_is_alive(void)
{
    struct fake_probe probe = FAKE_PROBE(house.scheduler.port, "disk", "poll");

    house_assert_is_alive(&house);
    assert_true(fake_probe_is_served(&probe));
}

static void a_full_disk_loses_nothing_that_was_acknowledged(void **unused)
{
    char directory[64];
    uint64_t freed_ns;

    (void)unused;
    if (!may_mount) skip();
    directory_open();
    house_open(&house);
    reporters_start(&reporters, &house, "disk");
    reporters_allow(&reporters, BEFORE);
    assert_true(reporters_await_allowed(&reporters));

    fill();
    reporters_allow(&reporters, REPORTERS_ALL);
    if (!reporters_await_again(&reporters, AGAIN_MIN)) fail_msg("reports are taken on a full disk");
    assert_is_alive();
    assert_false(reporters_are_refused(&reporters));
    printf("full: %u of %d were taken, %u reports refused\n", reporters.taken_count, REPORTERS_CAP,
           reporters.again_count);

    make_room();
    freed_ns = clock_monotonic_ns();
    if (!reporters_await_full(&reporters)) fail_msg("it does not go on");
    printf("all of them taken %.0f ms after there was room\n",
           (double)(clock_monotonic_ns() - freed_ns) / 1e6);
    reporters_stop(&reporters);
    reporters_assert_nothing_was_lost(&reporters);
    snprintf(directory, sizeof directory, "%s", house.scheduler.directory);
    scheduler_process_stop(&house.scheduler);
    directory_close(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_loses_nothing_that_was_acknowledged),
    };

    may_mount = namespaces_leave(NAMESPACE_MOUNTS);
    if (!may_mount) printf("no right to mount: %s\n", strerror(errno));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
