/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/store/redis/embedded_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "scheduler/store/store.h"
#include "tests/support/test.h"

enum { WAIT_MS_MAX = 20000 };

struct home {
    char dir[64];
    struct event_base *base;
    struct store *store;
    struct embedded_redis *redis; /* where it is used without a store */
    unsigned up_count, started_count, given_up_count;
    struct problem problem;
    bool put;
    struct event *turn;
};

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
}

static int setup(void **state)
{
    struct home *home = mem_zalloc(1, sizeof(*home));

    snprintf(home->dir, sizeof(home->dir), "/tmp/stakeout-state-XXXXXX");
    assert_non_null(mkdtemp(home->dir));
    home->base = event_base_new();
    home->turn = event_new(home->base, -1, EV_PERSIST, on_turn, NULL);
    event_add(home->turn, &(struct timeval){ .tv_usec = 2000 });
    *state = home;
    return 0;
}

static int teardown(void **state)
{
    struct home *home = *state;
    char command[128];

    store_free(home->store);
    embedded_redis_free(home->redis);
    event_free(home->turn);
    event_base_free(home->base);
    snprintf(command, sizeof(command), "rm -rf '%s'", home->dir);
    assert_int_equal(system(command), 0);
    free(home);
    return 0;
}

static void on_up(void *context)
{
    ((struct home *)context)->up_count++;
}

static void on_started(void *context)
{
    ((struct home *)context)->started_count++;
}

static void on_given_up(void *context, const struct problem *problem)
{
    struct home *home = context;

    home->given_up_count++;
    home->problem = *problem;
}

static void open_store(struct home *home)
{
    struct problem problem = { 0 };

    home->store = store_new(&(struct store_options){ .base = home->base,
                                                     .state_dir = home->dir,
                                                     .on_given_up = on_given_up,
                                                     .context = home },
                            &problem);
    if (!home->store) fail_msg("%s", problem.detail);
    store_on_up(home->store, on_up, home);
}

/* Turns the loop until *count is at least `wanted`. */
static void wait_for(struct home *home, const unsigned *count, unsigned wanted)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(WAIT_MS_MAX);

    while (*count < wanted) {
        event_base_loop(home->base, EVLOOP_ONCE);
        if (clock_monotonic_ns() > deadline_ns) {
            struct store_health health = { .says = "" };
            if (home->store) store_health(home->store, &health);
            fail_msg("waited for 20 s in vain: %s %s", health.says, home->problem.detail);
        }
    }
}

static void on_put(void *context, const struct problem *problem)
{
    struct home *home = context;

    if (problem) fail_msg("%s", problem->detail);
    home->put = true;
}

static void put_token(struct home *home, const char *name)
{
    struct store_token token = { .role = "viewer" };
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(WAIT_MS_MAX);

    memset(token.hash, name[0], TOKEN_HASH_SIZE);
    snprintf(token.name, sizeof(token.name), "%s", name);
    home->put = false;
    store_token_put(home->store, &token, on_put, home);
    while (!home->put && clock_monotonic_ns() < deadline_ns) {
        event_base_loop(home->base, EVLOOP_ONCE);
    }
    assert_true(home->put);
}

static size_t token_count(const struct home *home)
{
    const struct store_token *tokens;

    return store_token_list(home->store, &tokens);
}

/* The pid of the redis-server of this directory, by its command line's directory; 0: none. */
static pid_t redis_pid(const struct home *home)
{
    char command[256], line[64] = "";
    FILE *pipe;

    snprintf(command, sizeof(command),
             "for p in $(pgrep redis-server); do "
             "[ \"$(readlink /proc/$p/cwd)\" = '%s/redis' ] && echo $p; done",
             home->dir);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    if (!fgets(line, sizeof(line), pipe)) line[0] = '\0';
    pclose(pipe);
    return (pid_t)strtol(line, NULL, 10);
}

/* ------------------------------------------------------------------------------------------- */

static void it_starts_private_and_keeps_everything(void **state)
{
    struct home *home = *state;
    struct store_health health;
    struct stat stat;
    char path[128];

    open_store(home);
    wait_for(home, &home->up_count, 1);
    store_health(home->store, &health);
    assert_string_equal(health.says, "");
    assert_string_equal(health.appendfsync, "always");
    assert_true(health.is_embedded && health.is_writable && health.keeps_all);

    snprintf(path, sizeof(path), "%s/redis", home->dir);
    assert_int_equal(lstat(path, &stat), 0);
    assert_int_equal(stat.st_mode & 0777, 0700);
    snprintf(path, sizeof(path), "%s/redis/redis.sock", home->dir);
    assert_int_equal(lstat(path, &stat), 0);
    assert_int_equal(stat.st_mode & 0777, 0600);
}

static void a_killed_redis_is_started_again_always_and_has_lost_nothing(void **state)
{
    struct home *home = *state;
    struct store_statistics figures;

    open_store(home);
    wait_for(home, &home->up_count, 1);
    for (unsigned i = 0; i < 7; i++) { /* more often than it may fail to start */
        char name[2] = { (char)('a' + (int)i), '\0' };
        put_token(home, name);
        kill(redis_pid(home), SIGKILL);
        wait_for(home, &home->up_count, i + 2);
        assert_int_equal(token_count(home), i + 1);
    }
    store_statistics(home->store, &figures);
    assert_int_equal(figures.restarts, 7);
    assert_int_equal(home->given_up_count, 0);
}

static void closing_the_store_ends_redis(void **state)
{
    struct home *home = *state;

    open_store(home);
    wait_for(home, &home->up_count, 1);
    assert_true(redis_pid(home) > 0);
    home->store = store_free(home->store);
    assert_int_equal(redis_pid(home), 0);
}

static void begin_embedded(struct home *home, const char *program, uint64_t lock_wait_ms)
{
    struct problem problem = { 0 };

    home->redis = embedded_redis_new(&(struct embedded_redis_options){ .base = home->base,
                                                                       .state_dir = home->dir,
                                                                       .redis_path = program,
                                                                       .lock_wait_ms = lock_wait_ms,
                                                                       .on_started = on_started,
                                                                       .on_given_up = on_given_up,
                                                                       .context = home },
                                     &problem);
    if (!home->redis) fail_msg("%s", problem.detail);
}

static void a_second_one_on_the_same_directory_is_refused(void **state)
{
    struct home *home = *state;
    char owner[32];

    open_store(home);
    wait_for(home, &home->up_count, 1);
    begin_embedded(home, NULL, 200);
    wait_for(home, &home->given_up_count, 1);
    assert_int_equal(home->started_count, 0);
    assert_non_null(strstr(home->problem.detail, "is in use by another stakeoutd"));
    snprintf(owner, sizeof(owner), "process %d", (int)getpid());
    assert_non_null(strstr(home->problem.detail, owner));
    assert_true(store_is_up(home->store));
}

static void one_that_shares_uses_the_redis_that_runs(void **state)
{
    struct home *home = *state;
    struct home guest = { .base = home->base };
    struct problem problem;

    open_store(home);
    wait_for(home, &home->up_count, 1);
    put_token(home, "x");
    guest.store = store_new(
        &(struct store_options){ .base = home->base, .state_dir = home->dir, .share = true },
        &problem);
    assert_non_null(guest.store);
    store_on_up(guest.store, on_up, &guest);
    wait_for(&guest, &guest.up_count, 1);
    assert_int_equal(token_count(&guest), 1);
    store_free(guest.store);
    assert_true(redis_pid(home) > 0); /* it was not the guest's to end */
}

/* A scheduler of its own, that says when it is up, and then goes on until it is killed. */
static _Noreturn void be_a_scheduler(const struct home *home, int up_fd)
{
    struct home mine = { .base = event_base_new() };
    struct problem problem;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    mine.store =
        store_new(&(struct store_options){ .base = mine.base, .state_dir = home->dir }, &problem);
    if (!mine.store) _exit(1);
    store_on_up(mine.store, on_up, &mine);
    wait_for(&mine, &mine.up_count, 1);
    put_token(&mine, "k");
    if (write(up_fd, "u", 1) != 1) _exit(1);
    event_base_loop(mine.base, EVLOOP_NO_EXIT_ON_EMPTY);
    _exit(0);
}

/* Lets Redis compute for a second or more. The caller closes the connection. */
static int keep_busy(const struct home *home)
{
    static const char script[] = "EVAL \"for i = 1, 2e8 do end\" 0\r\n";
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/redis/redis.sock", home->dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, script, sizeof(script) - 1), sizeof(script) - 1);
    return fd;
}

static void after_kill_of_the_parent_the_next_one_waits_for_its_redis(void **state)
{
    struct home *home = *state;
    int fds[2], busy_fd;
    pid_t pid, old;
    char up;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) be_a_scheduler(home, fds[1]);
    assert_true(pid > 0);
    assert_int_equal(read(fds[0], &up, 1), 1);
    old = redis_pid(home);
    assert_true(old > 0);

    /* It is busy for a while, before it heeds the SIGTERM that its parent's death sends it. */
    busy_fd = keep_busy(home);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    begin_embedded(home, NULL, 200);
    wait_for(home, &home->given_up_count, 1);
    assert_int_equal(home->started_count, 0);
    home->redis = embedded_redis_free(home->redis);

    open_store(home);
    wait_for(home, &home->up_count, 1);
    assert_int_equal(token_count(home), 1);
    assert_int_not_equal(redis_pid(home), old);
    close(busy_fd);
    close(fds[0]);
    close(fds[1]);
}

static void after_kill_of_both_a_stale_socket_is_no_obstacle(void **state)
{
    struct home *home = *state;
    int fds[2];
    pid_t pid;
    char up;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) be_a_scheduler(home, fds[1]);
    assert_int_equal(read(fds[0], &up, 1), 1);
    kill(redis_pid(home), SIGKILL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    open_store(home);
    wait_for(home, &home->up_count, 1);
    assert_int_equal(token_count(home), 1);
    close(fds[0]);
    close(fds[1]);
}

static void one_that_cannot_start_is_given_up_with_its_last_words(void **state)
{
    struct home *home = *state;
    char path[128];
    FILE *script;

    snprintf(path, sizeof(path), "%s/broken", home->dir);
    script = fopen(path, "w");
    assert_non_null(script);
    fprintf(script, "#!/bin/sh\necho starting\necho 'Bad file format reading the file'\nexit 1\n");
    fclose(script);
    assert_int_equal(chmod(path, 0700), 0);
    begin_embedded(home, path, 0);
    wait_for(home, &home->given_up_count, 1);
    assert_int_equal(home->started_count, 5);
    assert_non_null(strstr(home->problem.detail, "Bad file format reading the file"));
}

static void what_cannot_be_used_is_refused_at_once(void **state)
{
    struct home *home = *state;
    char deep[256];
    const struct {
        const char *state_dir, *program, *says;
    } cases[] = {
        { deep, NULL, "a socket in it can be named with at most" },
        { home->dir, "no-such-redis-server", "is in the package redis-server" },
        { home->dir, "/nonexistent/redis-server", "cannot be run" },
        { "/nonexistent/state", NULL, "cannot be used" },
    };

    snprintf(deep, sizeof(deep), "%s/%0120d", home->dir, 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct problem problem = { 0 };
        struct embedded_redis_options options = { .base = home->base,
                                                  .state_dir = cases[i].state_dir,
                                                  .redis_path = cases[i].program,
                                                  .on_started = on_started,
                                                  .on_given_up = on_given_up,
                                                  .context = home };
        assert_null(embedded_redis_new(&options, &problem));
        if (!strstr(problem.detail, cases[i].says))
            fail_msg("%s: %s", cases[i].says, problem.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(it_starts_private_and_keeps_everything),
        CASE(a_killed_redis_is_started_again_always_and_has_lost_nothing),
        CASE(closing_the_store_ends_redis),
        CASE(a_second_one_on_the_same_directory_is_refused),
        CASE(one_that_shares_uses_the_redis_that_runs),
        CASE(after_kill_of_the_parent_the_next_one_waits_for_its_redis),
        CASE(after_kill_of_both_a_stale_socket_is_no_obstacle),
        CASE(one_that_cannot_start_is_given_up_with_its_last_words),
        CASE(what_cannot_be_used_is_refused_at_once),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
