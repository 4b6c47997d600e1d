/* SPDX-License-Identifier: Apache-2.0 */
/* mod_stakeout in Debian's apache2, as it is: requests are calls under their names, and nothing
 * that a client sees is any different. argv[1] is the MPM. */
#include "tests/integration/integrations/httpd_house.h"

#include "common/base/buf.h"
#include "common/base/own.h"
#include "common/model/limits.h"
#include "tests/integration/integrations/http_client.h"
#include "tests/integration/integrations/watched.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID_SIZE = 4096, LOAD_CALLS = 10000, LISTENED_CALLS = 90, LINK_SIZE = 256 };

/* Names and counts -------------------------------------------------------------------------- */

static const char *head = "Host: localhost\r\n";

static void on_one_connection(uint16_t port)
{
    struct http_reply reply;
    char request[256];
    int fd = http_connect(port);

    snprintf(request, sizeof request, "GET /kept?a=1 HTTP/1.1\r\n%s\r\n", head);
    for (int i = 0; i < 3; i++) {
        http_send(fd, request);
        http_read_reply(fd, &reply);
        assert_int_equal(reply.status, 404); /* the error document is index.html */
        assert_string_equal(reply.body, "index\n");
    }
    close(fd);
}

static void in_one_packet(uint16_t port)
{
    struct http_reply reply;
    char requests[1024];
    int fd = http_connect(port);

    snprintf(requests, sizeof requests,
             "GET /slow/pipe?ms=80 HTTP/1.1\r\n%s\r\nGET /slow/pipe?ms=20 HTTP/1.1\r\n%s\r\n"
             "GET /nested HTTP/1.1\r\n%s\r\nGET /item/pipe HTTP/1.1\r\n%sConnection: close\r\n\r\n",
             head, head, head, head);
    http_send(fd, requests);
    for (int i = 0; i < 2; i++) {
        http_read_reply(fd, &reply);
        assert_int_equal(reply.status, 203);
    }
    assert_true(http_drain(fd) > 0); /* to its end: all four are served */
}

static void requests_are_calls_under_their_names(void **state)
{
    static const struct {
        const char *path;
        int status;
        int times;
    } asked[] = {
        { "/item/7", 404, 2 },        { "/item/special", 404, 1 },
        { "/index.html", 200, 2 },    { "/", 200, 3 },
        { "/cgi-bin/hello", 200, 2 }, { "/quiet/x", 404, 2 },
        { "/quiet/but/why", 404, 1 }, { "/user/4711/x", 404, 2 },
    };
    static const struct watched_count expected[] = {
        { "GET /item/{id}", 3 },
        { "GET /item/special", 1 },
        { "GET /index.html", 2 },
        { "GET /", 3 },
        { "scripts", 2 },
        { "loud", 1 },
        { "GET /user/{id}/x", 2 },
        { "GET /kept", 3 },
        { "GET /nested", 1 },
        { "GET /slow/{id}", 2 },
        { NULL, 0 },
    };
    struct httpd_process httpd = httpd_house_server("names", NULL);
    struct http_reply reply;

    (void)state;
    httpd_process_start(&httpd);
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        for (int n = 0; n < asked[i].times; n++) {
            http_get(httpd.port, asked[i].path, NULL, &reply);
            if (reply.status != asked[i].status)
                fail_msg("GET %s: %d", asked[i].path, reply.status);
        }
    }
    on_one_connection(httpd.port);
    in_one_packet(httpd.port);
    httpd_process_stop(&httpd); /* its children tell what they have */
    watched_assert_counts(&house, "names", expected);
}

/* Load and restarts ------------------------------------------------------------------------- */

/* Restarts gracefully until ab is through; returns how often. */
static int restart_while_it_runs(const struct httpd_process *httpd, FILE *ab)
{
    struct pollfd end = { .fd = fileno(ab) /* it hangs up */ };
    int restarts = 0;

    while (poll(&end, 1, 150) == 0) {
        httpd_process_signal(httpd, SIGUSR1);
        restarts++;
    }
    return restarts;
}

/* `calls` requests are answered alike, as ab sees it. */
static void assert_unharmed(const struct httpd_process *httpd, const char *path, int calls,
                            bool with_restarts)
{
    char command[512], said[SAID_SIZE], complete[64];
    int restarts = 0;
    FILE *ab;

    snprintf(command, sizeof command, AB " -q -n %d -c 6 http://127.0.0.1:%u%s 2>&1", calls,
             (unsigned)httpd->port, path);
    snprintf(complete, sizeof complete, "Complete requests:      %d\n", calls);
    ab = popen(command, "r");
    CHECK(ab);
    if (with_restarts) restarts = restart_while_it_runs(httpd, ab);
    said[fread(said, 1, sizeof said - 1, ab)] = '\0';
    if (pclose(ab) != 0 || !strstr(said, "Failed requests:        0") || strstr(said, "Non-2xx") ||
        !strstr(said, complete))
        fail_msg("%s", said);
    printf("    %s %s: %d requests, none failed, %d graceful restarts meanwhile\n", httpd_mpm, path,
           calls, restarts);
    if (with_restarts) assert_true(restarts > 0);
}

static void assert_load_is_unharmed(const struct httpd_process *httpd, const char *path,
                                    bool with_restarts)
{
    assert_unharmed(httpd, path, LOAD_CALLS, with_restarts);
}

static void watch_slow(struct task_id *ret)
{
    house_order(&house,
                &(struct order){ .application = "load",
                                 .interface = "GET /slow/{id}",
                                 .threshold_ms = 50,
                                 .frequency_ms = 5,
                                 .sample_cap = 100 },
                ret);
    house_wait_armed(&house, ret, httpd_house_instances());
}

/* What children lose that are ended on a crowded machine comes late, and is in the books of a task
 * of its own. Calls of which none may be lost are slow for longer than such a machine stands. */
static void no_request_fails_under_load_and_graceful_restarts(void **state)
{
    struct httpd_process httpd = httpd_house_server("load", NULL);
    struct task_id task;

    (void)state;
    httpd_process_start(&httpd);
    watch_slow(&task);
    assert_load_is_unharmed(&httpd, "/index.html", true);
    assert_load_is_unharmed(&httpd, "/slow/1?ms=2", true);
    house_cancel(&house, &task);
    watch_slow(&task);
    assert_unharmed(&httpd, "/slow/1?ms=300", LISTENED_CALLS, false);
    assert_int_equal(house_ledger_sum(&house, &task, "drops"), 0);
    assert_true(house_ledger_sum(&house, &task, "snapshots") > LISTENED_CALLS / 10);
    httpd_process_stop(&httpd);
}

static size_t thread_count(pid_t pid)
{
    char path[64];
    size_t count = 0;
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    tasks = opendir(path);
    while (tasks && readdir(tasks)) {
        count++;
    }
    if (tasks) closedir(tasks);
    return count - 2; /* . and .. */
}

static void the_parent_has_no_thread_of_ours(void **state)
{
    struct httpd_process httpd = httpd_house_server("parent", NULL);
    pid_t children[HTTPD_CHILDREN_MAX];
    size_t count;

    (void)state;
    httpd_process_start(&httpd);
    for (int i = 0; i < 3; i++) {
        httpd_process_signal(&httpd, SIGUSR1);
        assert_load_is_unharmed(&httpd, "/index.html", false);
        assert_int_equal(thread_count(httpd.pid), 1);
    }
    count = httpd_process_children(&httpd, children);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(thread_count(children[i]) >= 4); /* its own and our three */
    }
    httpd_process_stop(&httpd);
}

/* What the descriptors of the servers are, sorted, numbers of sockets and pipes left out. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void descriptors_of(pid_t pid, struct buf *ret)
{
    char path[512], target[LINK_SIZE], *kinds[256];
    size_t count = 0;
    struct dirent *entry;
    ssize_t size;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    folder = opendir(path);
    while (folder && (entry = readdir(folder)) != NULL && count < ARRAY_COUNT(kinds)) {
        snprintf(path, sizeof path, "/proc/%d/fd/%s", pid, entry->d_name);
        size = readlink(path, target, sizeof target - 1);
        if (size <= 0) continue;
        target[size] = '\0';
        if (strncmp(target, "/tmp/", 5) == 0) snprintf(target, sizeof target, "its folder");
        target[strcspn(target, "[0123456789")] = '\0';
        kinds[count++] = strdup(target);
    }
    if (folder) closedir(folder);
    qsort(kinds, count, sizeof *kinds, by_text);
    for (size_t i = 0; i < count; i++) {
        buf_printf(ret, "%s\n", kinds[i]);
        free(kinds[i]);
    }
}

static void count_descriptors(struct httpd_process *httpd, struct buf *ret)
{
    pid_t children[HTTPD_CHILDREN_MAX];

    httpd_process_start(httpd);
    assert_load_is_unharmed(httpd, "/slow/1?ms=1", false);
    assert_true(httpd_process_children(httpd, children) > 0);
    descriptors_of(children[0], ret);
    httpd_process_stop(httpd);
}

static void descriptors_are_those_of_a_httpd_without(void **state)
{
    OWN(buf_done) struct buf with = BUF_INIT(65536), without = BUF_INIT(65536);
    struct httpd_process httpd = httpd_house_server("descriptors", NULL);
    struct httpd_process bare = { .mpm = httpd_mpm };

    (void)state;
    count_descriptors(&httpd, &with);
    count_descriptors(&bare, &without);
    assert_string_equal(with.data, without.data);
}

/* Configuration ----------------------------------------------------------------------------- */

#define BYTES_64 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

static void a_bad_configuration_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *lines, *says; /* NULL: it is fine */
    } cases[] = {
        { httpd_rules, NULL },
        { "Include " MOD_STAKEOUT_CONF "\n", NULL },
        { "StakeoutServer http://[::1]:7411/\nStakeoutInstance a\nStakeoutToken x\n", NULL },
        { "StakeoutServer https://h\nStakeoutCA /etc/passwd\nStakeoutCertificate /etc/passwd\n"
          "StakeoutKey /etc/passwd\n",
          NULL },
        { "StakeoutServer ftp://h\n", "must be as http://HOST:PORT or https://HOST:PORT" },
        { "StakeoutCA /nonexistent\n", "StakeoutCA: '/nonexistent' is no file" },
        { "StakeoutCertificate /etc\n", "StakeoutCertificate: '/etc' is no file" },
        { "StakeoutKey \"\"\n", "StakeoutKey" },
        { "<VirtualHost *:1>\nStakeoutCA /etc/passwd\n</VirtualHost>\n", "cannot occur within" },
        { "StakeoutServer h:7411\n", "must be as http://HOST:PORT" },
        { "StakeoutServer http://h:123456\n", "must be as http://HOST:PORT" },
        { "StakeoutServer http://h/path\n", "must be as http://HOST:PORT" },
        { "StakeoutApplication \"\"\n", "StakeoutApplication takes one argument" },
        { "StakeoutApplication \"" BYTES_64 BYTES_64 "\"\n", NULL },
        { "StakeoutApplication \"" BYTES_64 BYTES_64 "a\"\n",
          "must be 1 to 128 bytes long, not 129" },
        { "StakeoutApplication \"a\tb\"\n", "StakeoutApplication must be printable" },
        { "StakeoutInterface GET item\n", "the path must begin with '/'" },
        { "StakeoutInterface get /item\n", "must begin with a method in upper case" },
        { "StakeoutInterface GET /item/*\n", "what varies is written {id}" },
        { "StakeoutInterface GET\n", "StakeoutInterface takes" },
        { "StakeoutInterface \"GET /a\" /b\n", "have no blanks" },
        { "Stakeout maybe\n", "Stakeout must be On or Off" },
        { "StakeoutDumpable on\n", NULL },
        { "<VirtualHost *:1>\nStakeoutDumpable on\n</VirtualHost>\n", "cannot occur within" },
        { "StakeoutTokenFile /nonexistent\n", "'/nonexistent' cannot be read" },
        { "StakeoutTokenFile /dev/null\n", "a token is 1 to 512 visible" },
        { "StakeoutToken \"a b\"\n", "a token is 1 to 512 visible" },
        { "StakeoutToken a\nStakeoutTokenFile /dev/null\n", "are both given" },
        { "<VirtualHost *:1>\nStakeoutToken a\n</VirtualHost>\n", "cannot occur within" },
        { "<Location /a>\nStakeoutServer http://h\n</Location>\n", "not allowed" },
        { "<Location ~ /a>\nStakeout off\n</Location>\n", "may stand in the server" },
        { "<LocationMatch /a>\nStakeout off\n</LocationMatch>\n", "may stand in the server" },
        { "<Directory /a>\nStakeout off\n</Directory>\n", "may stand in the server" },
        { "<Location /a>\n<If \"true\">\nStakeout off\n</If>\n</Location>\n",
          "may stand in the server" },
        { "<Location /a/*>\nStakeout off\n</Location>\n", "no wildcards" },
    };
    char said[SAID_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct httpd_process httpd = { .mpm = httpd_mpm,
                                       .with_stakeout = true,
                                       .lines = cases[i].lines };
        int code = httpd_process_test(&httpd, said, sizeof said);

        if (!cases[i].says && code != 0) fail_msg("%s%s", cases[i].lines, said);
        if (cases[i].says && (code == 0 || !strstr(said, cases[i].says)))
            fail_msg("%sexits with %d and says: %s", cases[i].lines, code, said);
        httpd_process_stop(&httpd);
    }
}

/* A scheduler that is not there costs nobody anything. */
static void requests_are_served_without_a_scheduler(void **state)
{
    struct httpd_process httpd = { .mpm = httpd_mpm,
                                   .with_stakeout = true,
                                   .lines = "StakeoutServer http://127.0.0.1:9\n" };

    (void)state;
    httpd_process_start(&httpd);
    assert_load_is_unharmed(&httpd, "/index.html", false);
    assert_false(httpd_process_has_logged(&httpd, "stakeout:"));
    httpd_process_stop(&httpd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_calls_under_their_names),
        cmocka_unit_test(no_request_fails_under_load_and_graceful_restarts),
        cmocka_unit_test(the_parent_has_no_thread_of_ours),
        cmocka_unit_test(descriptors_are_those_of_a_httpd_without),
        cmocka_unit_test(a_bad_configuration_is_refused_with_a_sentence),
        cmocka_unit_test(requests_are_served_without_a_scheduler),
    };

    httpd_house_arguments(argc, argv);
    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
