/* SPDX-License-Identifier: Apache-2.0 */
/* log_queue_test.c: a reader that stands still. Where a line waited for it, the test would. */
#include "common/base/log.h"

#include "tests/support/child.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINES = 20000 }; /* of 60 bytes and more: far beyond what a pipe and the queue hold */

static int ends[2];
static char read_text[4 * 1024 * 1024];

static void read_all(void)
{
    size_t size = 0;
    ssize_t got;

    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while ((got = read(ends[0], read_text + size, sizeof read_text - 1 - size)) > 0) {
        size += (size_t)got;
        log_flush(0);
    }
    read_text[size] = '\0';
}

static void write_lines(void)
{
    for (unsigned i = 0; i < LINES; i++) {
        log_event(LOG_INFO, "line", LOG_NUMBER("n", i));
    }
}

/* The first lines are there, in order and whole; then how many were lost, which is the rest. */
static int check_lines(uint64_t lost)
{
    unsigned next = 0;
    unsigned long told = 0;
    char *rest = NULL;

    for (char *line = strtok_r(read_text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *n = strstr(line, " msg=\"line\" n="), *count = strstr(line, " count=");

        if (strncmp(line, "ts=", 3) != 0) return 1;
        if (n && (told > 0 || strtoul(n + 14, NULL, 10) != next++)) return 2;
        if (!n && !(count && strstr(line, "level=warn"))) return 3;
        if (count) told = strtoul(count + 7, NULL, 10);
    }
    if (next == 0 || told != lost) return 4;
    return next + told == LINES ? 0 : 5;
}

/* Lines are written to one end, and read once all were. */
static int stand_still(void)
{
    uint64_t lost = log_counts().lost;

    log_start(ends[1], LOG_INFO);
    log_queue();
    write_lines();
    lost = log_counts().lost - lost;
    if (lost == 0) return 10;
    read_all();
    return check_lines(lost);
}

static int end(void)
{
    log_start(2, LOG_INFO);
    log_send_to(NULL);
    return close(ends[0]) + close(ends[1]);
}

static void a_pipe_that_nobody_reads_keeps_nobody(void **state)
{
    int flags;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(stand_still(), 0);
    flags = fcntl(ends[1], F_GETFL);
    assert_int_equal(flags & O_NONBLOCK, 0); /* it may be somebody else's, too */
    assert_int_equal(end(), 0);
}

static void a_socket_that_nobody_reads_keeps_nobody(void **state)
{
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(stand_still(), 0);
    assert_int_equal(end(), 0);
}

/* The pipe cannot be opened again, as in a container whose user it was not made by. */
static int strangers_pipe_main(void)
{
    if (geteuid() != 0) return CHILD_SKIPS;
    if (pipe2(ends, O_CLOEXEC) < 0 || setgid(65534) < 0 || setuid(65534) < 0) return 100;
    if (access("/proc/self/fd", X_OK) < 0) return CHILD_SKIPS;
    return stand_still();
}

static void a_pipe_of_somebody_else_keeps_nobody(void **state)
{
    (void)state;
    child_claim(strangers_pipe_main);
}

static void a_reader_that_went_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    close(ends[0]);
    log_start(ends[1], LOG_INFO);
    log_queue();
    write_lines();
    log_flush(60000);
    log_start(2, LOG_INFO);
    log_send_to(NULL);
    close(ends[1]);
}

static void a_file_has_all_of_it(void **state)
{
    FILE *file = tmpfile();
    char text[512] = "";

    (void)state;
    assert_non_null(file);
    log_start(fileno(file), LOG_INFO);
    log_queue();
    log_event(LOG_INFO, "first");
    log_event(LOG_INFO, "second");
    assert_true(pread(fileno(file), text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, "msg=\"first\"\nts="));
    assert_non_null(strstr(text, "msg=\"second\"\n"));
    log_start(2, LOG_INFO);
    log_send_to(NULL);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_that_nobody_reads_keeps_nobody),
        cmocka_unit_test(a_socket_that_nobody_reads_keeps_nobody),
        cmocka_unit_test(a_pipe_of_somebody_else_keeps_nobody),
        cmocka_unit_test(a_reader_that_went_is_not_waited_for),
        cmocka_unit_test(a_file_has_all_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
