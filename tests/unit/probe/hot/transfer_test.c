/* SPDX-License-Identifier: Apache-2.0 */
/* transfer_test.c: writes that our signals cut short, and what arrives at the other end. */
#include "probe/hot/transfer.h"

#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* However late the handler is on a busy machine. */
#define LATE_TICKS (UINT64_C(1) << 40)

enum { ACCOUNT = 9, SIZE = 1 << 20, FDS_LOOKED_AT = 256 };

static int ends[2]; /* written to, read from */
static _Atomic uint32_t writer_tid;
static _Atomic bool writer_is_done;
static _Atomic uint32_t foreign_count;
static unsigned char *sent;

static void on_foreign(int number)
{
    (void)number;
    atomic_fetch_add(&foreign_count, 1);
}

struct writing {
    bool by_send;
    size_t size;
    ssize_t count;
    int error;
};

static void *writer_main(void *context)
{
    struct writing *writing = context;
    stakeout_call call = stakeout_call_begin(stakeout_interface("writer"));

    atomic_store(&writer_tid, (uint32_t)syscall(SYS_gettid));
    writing->count = writing->by_send ? send(ends[0], sent, writing->size, MSG_NOSIGNAL)
                                      : write(ends[0], sent, writing->size);
    writing->error = errno;
    atomic_store(&writer_is_done, true);
    stakeout_call_end(call, 0);
    return NULL;
}

struct asked {
    int loan;
};

static bool is_answered(void *context)
{
    const struct asked *asked = context;
    struct unfinished_view view;

    return loan_is_back(asked->loan) || atomic_load(&writer_is_done) ||
           unfinished_read(atomic_load(&writer_tid), &view);
}

/* One signal; returns when its copy is there, or the thread's handler is at a transfer. A loan that
 * is written off while a signal is on its way to a write allows no repair of that. */
static void signal_writer(void)
{
    struct loan_order order = { .tid = atomic_load(&writer_tid),
                                .state = UINT64_MAX,
                                .account = ACCOUNT,
                                .may_repair = true,
                                .was_running = true,
                                .was_awake = true,
                                .seen_ticks = ticks_now() + LATE_TICKS };
    struct asked asked = { stack_copy_request(&order) };

    if (asked.loan < 0) return;
    wait_until(is_answered, &asked, 10000);
    loan_write_off(asked.loan);
}

static pthread_t writer_start(struct writing *writing)
{
    pthread_t thread;

    atomic_store(&writer_tid, 0);
    atomic_store(&writer_is_done, false);
    assert_int_equal(pthread_create(&thread, NULL, writer_main, writing), 0);
    while (atomic_load(&writer_tid) == 0) {
        nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
    }
    return thread;
}

/* Reads a part, and compares. Returns how much, 0 at the end or if there is nothing. */
static size_t read_some(size_t at)
{
    static unsigned char bytes[65536];
    ssize_t got = read(ends[1], bytes, sizeof bytes);

    if (got <= 0) return 0;
    if (memcmp(bytes, sent + at, (size_t)got) != 0) fail_msg("other bytes at %zu", at);
    return (size_t)got;
}

/* Writes under signals; returns how much arrived. */
static size_t write_under_signals(struct writing *writing)
{
    pthread_t thread = writer_start(writing);
    size_t arrived = 0;

    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (!atomic_load(&writer_is_done)) {
        signal_writer();
        arrived += read_some(arrived);
    }
    pthread_join(thread, NULL);
    for (size_t got; (got = read_some(arrived)) > 0;) {
        arrived += got;
    }
    return arrived;
}

static uint32_t left_count(void)
{
    return atomic_load(&hot.interrupted[ACCOUNT]);
}

static int pair_close(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void assert_whole(bool by_send)
{
    uint32_t before = left_count();

    for (int i = 0; i < 20; i++) {
        struct writing writing = { .by_send = by_send, .size = SIZE };

        assert_int_equal(write_under_signals(&writing), SIZE);
        assert_int_equal(writing.count, SIZE);
    }
    assert_int_equal(left_count(), before);
}

static void a_write_to_a_socket_is_whole(void **state)
{
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_whole(false);
}

static void a_send_is_whole(void **state)
{
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_whole(true);
}

static void a_write_to_a_pipe_is_whole(void **state)
{
    int pipe_ends[2];

    (void)state;
    assert_int_equal(pipe(pipe_ends), 0);
    ends[0] = pipe_ends[1];
    ends[1] = pipe_ends[0];
    assert_whole(false);
}

static void what_does_not_wait_stays_short(void **state)
{
    struct writing writing = { .size = SIZE };
    uint32_t before = left_count();
    size_t arrived;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    arrived = write_under_signals(&writing);
    assert_int_equal(arrived, writing.count);
    assert_in_range(writing.count, 1, SIZE - 1);
    assert_int_equal(left_count(), before);
}

static bool is_transferring(void *context)
{
    struct unfinished_view view;

    (void)context;
    signal_writer();
    return unfinished_read(atomic_load(&writer_tid), &view);
}

static void who_completes_a_write_is_seen_in_it(void **state)
{
    struct writing writing = { .size = SIZE };
    struct unfinished_view view = { 0 };
    size_t arrived = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    thread = writer_start(&writing);
    assert_true(wait_until(is_transferring, NULL, 10000));
    assert_true(unfinished_read(atomic_load(&writer_tid), &view));
    assert_int_equal(view.call.number, SYS_write);
    assert_int_equal(view.call.arguments[0], ends[0]);
    assert_int_equal(view.call.arguments[1], (uintptr_t)sent);
    assert_int_equal(view.call.arguments[2], SIZE);
    while (arrived < SIZE) {
        arrived += read_some(arrived);
    }
    pthread_join(thread, NULL);
    assert_int_equal(writing.count, SIZE);
    assert_false(unfinished_read(atomic_load(&writer_tid), &view));
}

static void connection_open(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int listener = socket(AF_INET, SOCK_STREAM, 0), size = 16384;
    socklen_t address_size = sizeof address;

    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &address_size);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&address, sizeof address), 0);
    ends[1] = accept(listener, NULL, NULL);
    assert_true(ends[1] >= 0);
    close(listener);
}

/* The peer is gone: the count is what was written, and the next write says why: the error can be
 * asked for once, so nobody asked before. */
static void an_error_on_the_way_is_left_to_the_host(void **state)
{
    struct linger at_once = { .l_onoff = 1 };
    struct writing writing = { .size = SIZE };
    pthread_t thread;

    (void)state;
    connection_open();
    thread = writer_start(&writing);
    assert_true(wait_until(is_transferring, NULL, 10000));
    setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(ends[1]);
    pthread_join(thread, NULL);
    assert_in_range(writing.count, 1, SIZE - 1);
    assert_int_equal(send(ends[0], "x", 1, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void a_signal_of_the_hosts_ends_it_and_is_handled_in_time(void **state)
{
    struct writing writing = { .size = SIZE };
    uint32_t before = atomic_load(&foreign_count);
    pthread_t thread;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    thread = writer_start(&writing);
    assert_true(wait_until(is_transferring, NULL, 10000));
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL); /* nobody reads: only the signal can end it */
    assert_in_range(writing.count, 1, SIZE - 1);
    assert_int_equal(atomic_load(&foreign_count), before + 1);
}

static void what_has_a_time_out_of_its_own_is_counted(void **state)
{
    struct timeval time = { .tv_sec = 20 };
    struct writing writing = { .size = SIZE };
    uint32_t before = left_count();
    pthread_t thread;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    thread = writer_start(&writing);
    while (!atomic_load(&writer_is_done)) {
        signal_writer();
    }
    pthread_join(thread, NULL);
    assert_in_range(writing.count, 1, SIZE - 1);
    assert_int_equal(left_count(), before + 1);
}

/* Bytes that arrive at `fd`, which nobody writes to any more. */
static size_t drain(int fd)
{
    static unsigned char bytes[65536];
    size_t count = 0;

    for (ssize_t got; (got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;) {
        count += (size_t)got;
    }
    return count;
}

/* As when a log is opened anew, or a connection's number is given to the next. */
static void the_rest_goes_to_the_file_that_was_written_to(void **state)
{
    struct writing writing = { .size = SIZE };
    size_t arrived = 0;
    pthread_t thread;
    int others[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    thread = writer_start(&writing);
    assert_true(wait_until(is_transferring, NULL, 10000));
    assert_int_equal(dup2(others[0], ends[0]), ends[0]);
    while (!atomic_load(&writer_is_done)) {
        arrived += read_some(arrived);
        if (drain(others[1]) > 0) fail_msg("bytes in another file");
    }
    pthread_join(thread, NULL);
    for (size_t got; (got = read_some(arrived)) > 0;) {
        arrived += got;
    }
    assert_int_equal(drain(others[1]), 0);
    assert_int_equal(writing.count, SIZE);
    assert_int_equal(arrived, SIZE);
    close(others[0]);
    close(others[1]);
}

static void assert_stays_short(void)
{
    struct writing writing = { .size = SIZE };
    uint32_t before = left_count();
    pthread_t thread;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    thread = writer_start(&writing);
    while (!atomic_load(&writer_is_done)) {
        signal_writer();
    }
    pthread_join(thread, NULL); /* nobody reads */
    assert_in_range(writing.count, 1, SIZE - 1);
    assert_int_equal(left_count(), before + 1);
}

static void where_it_is_not_allowed_a_count_stays_short(void **state)
{
    (void)state;
    transfer_allow(false);
    assert_stays_short();
    transfer_allow(true);
}

static void without_a_descriptor_a_count_stays_short(void **state)
{
    struct rlimit before, none = { 0 };

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pair_close(NULL);
    none.rlim_cur = (rlim_t)(ends[0] > ends[1] ? ends[0] : ends[1]) + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_stays_short();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void no_descriptor_is_left(void **state)
{
    int before = dup(0), after;

    (void)state;
    close(before);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_whole(false);
    after = dup(0);
    close(after);
    assert_int_equal(after, before + 2); /* the pair stands below */
}

static uint32_t descriptor_count(void)
{
    uint32_t count = 0;

    for (int fd = 0; fd < FDS_LOOKED_AT; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

/* The handler holds the pair's end while nobody reads; a child of that moment does not. */
static void a_child_does_not_keep_what_the_handler_holds(void **state)
{
    struct writing writing = { .size = SIZE };
    uint32_t before;
    pthread_t thread;
    pid_t child;
    int status;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    before = descriptor_count();
    thread = writer_start(&writing);
    assert_true(wait_until(is_transferring, NULL, 10000));
    assert_int_equal(descriptor_count(), before + 1);
    child = fork();
    if (child == 0) _exit(descriptor_count() == before ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (size_t arrived = 0; arrived < SIZE;) {
        arrived += read_some(arrived);
    }
    pthread_join(thread, NULL);
    assert_int_equal(writing.count, SIZE);
}

static bool writes_during_fork;

/* Runs when the probe knows of the fork, which was registered later. */
static void on_fork(void)
{
    if (writes_during_fork) assert_stays_short();
}

static void during_a_fork_a_count_stays_short(void **state)
{
    pid_t child;

    (void)state;
    writes_during_fork = true;
    child = fork();
    if (child == 0) _exit(0);
    writes_during_fork = false;
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static int open_all(void **state)
{
    struct sigaction action = { .sa_handler = on_foreign };

    (void)state;
    sigaction(SIGUSR1, &action, NULL);
    sent = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        sent[i] = (unsigned char)(i * 2654435761u >> 13);
    }
    if (memory_open(true) < 0 || pthread_atfork(on_fork, NULL, NULL) != 0) return -1;
    transfer_allow(true);
    return stack_copy_open(SIGURG);
}

static int close_all(void **state)
{
    (void)state;
    free(sent);
    return 0;
}

/* ---- a writer that is cancelled ---- */

static size_t places_taken(void)
{
    size_t count = 0;

    for (int i = 0; i < UNFINISHED_MAX; i++) {
        count += atomic_load(&hot.unfinished[i].tid) != 0;
    }
    return count;
}

static void of_a_writer_that_is_cancelled_nothing_stays_open(void **state)
{
    struct writing writing = { .size = SIZE };
    unsigned char bytes[4096];
    size_t before = places_taken();
    pthread_t thread;
    void *result;

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer does not hear of frames that are unwound by force */
#endif
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    thread = writer_start(&writing);
    assert_true(wait_until(is_transferring, NULL, 10000));
    assert_int_equal(pthread_cancel(thread), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(places_taken(), before + 1);

    unfinished_sweep();
    assert_int_equal(places_taken(), before);
    assert_true(atomic_load(&hot.has_left_files));
    raise(stack_copy_signal()); /* not ours: any handler will do */
    assert_false(atomic_load(&hot.has_left_files));
    close(ends[0]);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (read(ends[1], bytes, sizeof bytes) > 0)
        continue;
    /* The end, and not EAGAIN: nobody holds the other end any more. */
    assert_int_equal(read(ends[1], bytes, sizeof bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_write_to_a_socket_is_whole, pair_close),
        cmocka_unit_test_teardown(a_send_is_whole, pair_close),
        cmocka_unit_test_teardown(a_write_to_a_pipe_is_whole, pair_close),
        cmocka_unit_test_teardown(what_does_not_wait_stays_short, pair_close),
        cmocka_unit_test_teardown(who_completes_a_write_is_seen_in_it, pair_close),
        cmocka_unit_test_teardown(an_error_on_the_way_is_left_to_the_host, pair_close),
        cmocka_unit_test_teardown(a_signal_of_the_hosts_ends_it_and_is_handled_in_time, pair_close),
        cmocka_unit_test_teardown(the_rest_goes_to_the_file_that_was_written_to, pair_close),
        cmocka_unit_test_teardown(where_it_is_not_allowed_a_count_stays_short, pair_close),
        cmocka_unit_test_teardown(without_a_descriptor_a_count_stays_short, pair_close),
        cmocka_unit_test_teardown(no_descriptor_is_left, pair_close),
        cmocka_unit_test_teardown(what_has_a_time_out_of_its_own_is_counted, pair_close),
        cmocka_unit_test_teardown(a_child_does_not_keep_what_the_handler_holds, pair_close),
        cmocka_unit_test_teardown(during_a_fork_a_count_stays_short, pair_close),
        cmocka_unit_test_teardown(of_a_writer_that_is_cancelled_nothing_stays_open, pair_close),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
