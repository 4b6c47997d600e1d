/* SPDX-License-Identifier: Apache-2.0 */
/* siege_test.c: real probes are served while others do their worst: a thousand clients that never
 * end their requests, and no descriptor left for anybody new.
 *
 * At two doors: the house's own, of plain HTTP; and that of a second scheduler at the same Redis,
 * of https, where half of the slow ones do not even begin with TLS. */
#include "tests/integration/system/house_fixture.h"
#include "tests/support/authority.h"
#include "tests/support/loopback.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include "common/base/clock.h"
#include "common/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SLOW_CLIENTS = 1000,
    NEWCOMERS = 40, /* who find no descriptor */
    PATIENCE_MS = 60000,
    SAMPLES = 3,
    BUSY_PERCENT_MAX = 50, /* of a core: what spins wants all of it */
    PATH_SIZE = 128,
};

struct door {
    const char *says;
    struct scheduler_process *scheduler;
    SSL_CTX *tls; /* NULL: plain */
    const char *const *environment;
};

static struct scheduler_process https = { .is_tls = true };
static char ca_is[PATH_SIZE + 16], server_is[64];
static const char *const https_environment[] = { server_is, ca_is, NULL };

static struct door plain_door = { .says = "http", .scheduler = &house.scheduler };
static struct door https_door = { .says = "https",
                                  .scheduler = &https,
                                  .environment = https_environment };

/* A second scheduler at the house's Redis, with a certificate of an authority of its own. */
static void open_https(void)
{
    static char ca[PATH_SIZE], certificate[PATH_SIZE], redis[PATH_SIZE];
    struct authority *authority = authority_new(house.scheduler.directory, "ca");

    authority_issue(authority,
                    &(struct certificate_order){ .file = "server", .names = "DNS:localhost" });
    authority_path(authority, "ca", ca, sizeof ca);
    authority_path(authority, "server", certificate, sizeof certificate);
    authority_free(authority);
    snprintf(redis, sizeof redis, "redis+unix://%s/state/redis/redis.sock",
             house.scheduler.directory);
    https.options[0] = "--redis", https.options[1] = redis;
    https.options[2] = "--tls-cert", https.options[3] = certificate;
    scheduler_process_start(&https);
    snprintf(ca_is, sizeof ca_is, "STAKEOUT_CA=%s", ca);
    snprintf(server_is, sizeof server_is, "STAKEOUT_SERVER=https://localhost:%u",
             (unsigned)https.port);
    https_door.tls = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_file(https_door.tls, ca), 1);
    SSL_CTX_set_verify(https_door.tls, SSL_VERIFY_PEER, NULL);
}

static int open_house(void **state)
{
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL); /* OpenSSL's writes */
    house_allow_descriptors();
    house_setup(state);
    open_https();
    return 0;
}

static int close_house(void **state)
{
    SSL_CTX_free(https_door.tls);
    scheduler_process_done(&https);
    return house_teardown(state);
}

static struct host_process *start_host(const struct door *door, const char *what,
                                       struct task_id *ret_task)
{
    char run[64], interface[32];
    struct host_process *host;

    snprintf(interface, sizeof interface, "GET /%s-%s", door->says, what);
    snprintf(run, sizeof run, "run 2 5 %s", interface);
    host = house_host_with(&house, "shop", interface + strlen("GET /"), door->environment);
    assert_string_equal(host_process_ask(host, run), "running");
    house_order(&house, &(struct order){ .interface = interface, .sample_cap = SAMPLES }, ret_task);
    house_wait_armed(&house, ret_task, 1);
    return host;
}

/* --- a client at a door --- */

struct client {
    int fd;
    SSL *ssl; /* NULL: plain, or silent */
};

static struct client client_connect(const struct door *door)
{
    struct client client = { .fd = loopback_connect(door->scheduler->port) };

    assert_true(client.fd >= 0);
    return client;
}

static void client_begin_tls(struct client *client, const struct door *door)
{
    client->ssl = SSL_new(door->tls);
    assert_int_equal(SSL_set_fd(client->ssl, client->fd), 1);
    assert_int_equal(SSL_connect(client->ssl), 1);
}

static void client_send(struct client *client, struct text text)
{
    if (client->ssl)
        assert_int_equal(SSL_write(client->ssl, text.data, (int)text.size), text.size);
    else
        assert_int_equal(send(client->fd, text.data, text.size, MSG_NOSIGNAL), text.size);
}

/* What came; 0: it was closed; -EAGAIN: neither yet, of a descriptor that does not block. */
static ssize_t client_receive(struct client *client, char *ret, size_t size)
{
    ssize_t got =
        client->ssl ? SSL_read(client->ssl, ret, (int)size) : recv(client->fd, ret, size, 0);

    if (got >= 0) return got;
    if (client->ssl)
        return SSL_get_error(client->ssl, (int)got) == SSL_ERROR_WANT_READ ? -EAGAIN : 0;
    return errno == EAGAIN ? -EAGAIN : 0;
}

static void client_close(struct client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
    *client = (struct client){ .fd = -1 };
}

/* --- slow clients --- */

static struct slow {
    struct client client;
    bool is_silent; /* does not begin with TLS, and is not told why it is cut */
} slow[SLOW_CLIENTS];

static void besiege(const struct door *door)
{
    for (size_t i = 0; i < SLOW_CLIENTS; i++) {
        slow[i].client = client_connect(door);
        slow[i].is_silent = door->tls && i % 2 == 0;
        if (slow[i].is_silent) continue;
        if (door->tls) client_begin_tls(&slow[i].client, door);
        client_send(&slow[i].client,
                    TEXT("POST /probe/v1/pulse HTTP/1.1\r\nHost: localhost\r\nContent-Len"));
    }
    for (size_t i = 0; i < SLOW_CLIENTS; i++) {
        assert_int_equal(fcntl(slow[i].client.fd, F_SETFL, O_NONBLOCK), 0);
    }
}

static bool all_are_cut(void *context)
{
    (void)context;
    for (size_t i = 0; i < SLOW_CLIENTS; i++) {
        struct slow *it = &slow[i];
        char answer[64];
        ssize_t size;

        if (it->client.fd < 0) continue;
        size = client_receive(&it->client, answer, sizeof answer);
        if (size == -EAGAIN) return false;
        if (it->is_silent ? size != 0 : size < 12 || memcmp(answer, "HTTP/1.1 408", 12) != 0)
            fail_msg("client %zu: %zd bytes", i, size);
        client_close(&it->client);
    }
    return true;
}

static void a_thousand_slow_clients_keep_no_probe_waiting(void **state)
{
    const struct door *door = *state;
    struct host_process *host;
    struct task_id task;

    besiege(door);
    host = start_host(door, "besieged", &task);
    assert_string_equal(host_process_ask(host, "slow 3 400"), "done");
    house_wait_state(&house, &task, "FILLED", PATIENCE_MS);
    assert_true(wait_until(all_are_cut, NULL, PATIENCE_MS));
    host_process_end(host);
    printf("%s: %d slow clients were cut; a host's %d samples were taken meanwhile\n", door->says,
           SLOW_CLIENTS, SAMPLES);
}

/* --- no descriptors --- */

/* How long the main thread has had a core, or wanted one: what spins wants one all the time, also
 * on a machine where it gets little. */
struct look {
    uint64_t wanted_ns, at_ns;
};

static struct look look_at(pid_t pid)
{
    uint64_t ran_ns = 0, waited_ns = 0;
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%" SCNu64 " %" SCNu64, &ran_ns, &waited_ns), 2);
    fclose(file);
    return (struct look){ ran_ns + waited_ns, clock_monotonic_ns() };
}

static void limit_descriptors(pid_t pid, rlim_t count)
{
    struct rlimit limit;

    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = count;
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* An operator's connection that was there before. */
struct kept {
    struct client client;
    char request[160];
};

static bool says_filled(void *context)
{
    struct kept *kept = context;
    char answer[8192];
    ssize_t size;

    client_send(&kept->client, text_of(kept->request));
    size = client_receive(&kept->client, answer, sizeof answer - 1); /* head and body are one */
    assert_true(size > 0);
    answer[size] = '\0';
    return strstr(answer, "\"FILLED\"") != NULL;
}

static struct kept keep_connection(const struct door *door, const struct task_id *task)
{
    struct kept kept = { .client = client_connect(door) };

    if (door->tls) client_begin_tls(&kept.client, door);
    snprintf(kept.request, sizeof kept.request,
             "GET /api/v1/tasks/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", task->text);
    assert_false(says_filled(&kept));
    return kept;
}

static void without_descriptors_those_who_are_there_are_served(void **state)
{
    const struct door *door = *state;
    pid_t pid = door->scheduler->pid;
    struct client newcomers[NEWCOMERS];
    struct look before, after;
    struct host_process *host;
    struct task_id task;
    struct rlimit limit;
    struct kept kept;
    double percent;

    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    host = start_host(door, "exhausted", &task);
    kept = keep_connection(door, &task);
    limit_descriptors(pid, 3); /* below those that are open: not one more */
    for (size_t i = 0; i < NEWCOMERS; i++) {
        newcomers[i] = client_connect(door); /* the kernel's queue has room */
    }
    before = look_at(pid);
    assert_string_equal(host_process_ask(host, "slow 3 1500"), "done");
    assert_true(wait_until(says_filled, &kept, PATIENCE_MS));
    after = look_at(pid);
    limit_descriptors(pid, limit.rlim_cur);
    client_close(&kept.client);
    percent =
        (double)(after.wanted_ns - before.wanted_ns) * 100 / (double)(after.at_ns - before.at_ns);
    if (percent > BUSY_PERCENT_MAX) fail_msg("it wanted %.0f %% of a core", percent);
    for (size_t i = 0; i < NEWCOMERS; i++) {
        client_close(&newcomers[i]);
    }
    host_process_end(host);
    house_assert_is_alive(&house);
    printf("%s: no descriptor for %d newcomers: %d samples of who was there taken; it wanted "
           "%.1f %% of a core\n",
           door->says, NEWCOMERS, SAMPLES, percent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define AT(door, test) { #test ", at " #door, test, NULL, NULL, &(door) }
        AT(plain_door, a_thousand_slow_clients_keep_no_probe_waiting),
        AT(https_door, a_thousand_slow_clients_keep_no_probe_waiting),
        AT(plain_door, without_descriptors_those_who_are_there_are_served),
        AT(https_door, without_descriptors_those_who_are_there_are_served),
#undef AT
    };

    return cmocka_run_group_tests(tests, open_house, close_house);
}
