/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/store/redis/redis_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/model/problem.h"
#include "tests/support/test.h"

/* clang-format off */
static const struct {
    const char *url;
    struct redis_address address;
} accepted[] = {
    { "redis://localhost", { .host = "localhost", .port = 6379 } },
    { "redis://10.0.0.1:7000", { .host = "10.0.0.1", .port = 7000 } },
    { "redis://10.0.0.1:7000/", { .host = "10.0.0.1", .port = 7000 } },
    { "redis://h/3", { .host = "h", .port = 6379, .db = 3 } },
    { "redis://:secret@h:1/2", { .host = "h", .port = 1, .db = 2, .password = "secret" } },
    { "redis://ann:se%40cr%3Aet@h", { .host = "h", .port = 6379, .user = "ann",
                                      .password = "se@cr:et" } },
    { "redis://[::1]:65535/1", { .host = "::1", .port = 65535, .db = 1 } },
    { "redis://[fe80::1]", { .host = "fe80::1", .port = 6379 } },
    { "rediss://:pw@h/3", { .host = "h", .port = 6379, .db = 3, .password = "pw",
                            .is_tls = true } },
    { "redis+unix:///run/redis.sock", { .path = "/run/redis.sock" } },
    { "redis+unix:///run/a%20b.sock?db=7", { .path = "/run/a b.sock", .db = 7 } },
    { "redis+unix://:pw@/run/r", { .path = "/run/r", .password = "pw" } },
};

static const struct {
    const char *url;
    enum problem_code code;
    const char *says;
} refused[] = {
    { "", PROBLEM_BAD_FIELD, "scheme" },
    { "localhost:6379", PROBLEM_BAD_FIELD, "scheme" },
    { "http://h", PROBLEM_BAD_FIELD, "scheme" },
    { "redis:/h", PROBLEM_BAD_FIELD, "scheme" },
    { "redis://", PROBLEM_BAD_FIELD, "host" },
    { "redis://:6379", PROBLEM_BAD_FIELD, "host" },
    { "redis://h:0", PROBLEM_BAD_FIELD, "port" },
    { "redis://h:65536", PROBLEM_BAD_FIELD, "port" },
    { "redis://h:12x", PROBLEM_BAD_FIELD, "port" },
    { "redis://h/x", PROBLEM_BAD_FIELD, "database" },
    { "redis://h/65536", PROBLEM_BAD_FIELD, "database" },
    { "redis://[::1", PROBLEM_BAD_FIELD, "']'" },
    { "redis://[::1]x", PROBLEM_BAD_FIELD, "':'" },
    { "redis://user@h", PROBLEM_BAD_FIELD, "password" },
    { "redis://:%zz@h", PROBLEM_BAD_FIELD, "encoded" },
    { "redis://:%4@h", PROBLEM_BAD_FIELD, "encoded" },
    { "redis://:a%00b@h", PROBLEM_BAD_FIELD, "encoded" },
    { "redis+unix://relative", PROBLEM_BAD_FIELD, "must begin with '/'" },
    { "redis+unix:///a?x=1", PROBLEM_BAD_FIELD, "db=n" },
    { "redis-sentinel://h/m", PROBLEM_BAD_FIELD, "scheme" },
    { "redis+sentinel://h", PROBLEM_BAD_FIELD, "master's name is missing" },
    { "redis+sentinel://h/", PROBLEM_BAD_FIELD, "master's name is missing" },
    { "redis+sentinel:///m", PROBLEM_BAD_FIELD, "host is missing" },
    { "redis+sentinel://a,,b/m", PROBLEM_BAD_FIELD, "host is missing" },
    { "redis+sentinel://a,b:0/m", PROBLEM_BAD_FIELD, "port" },
    { "redis+sentinel://a/m/x", PROBLEM_BAD_FIELD, "database" },
    { "redis+sentinel://a/m?password=x", PROBLEM_BAD_FIELD, "stand sentinel-user and" },
    { "redis+sentinel://a/m?sentinel-user=%", PROBLEM_BAD_FIELD, "wrongly encoded" },
    { "redis+sentinel://1,2,3,4,5,6,7,8,9/m", PROBLEM_BAD_FIELD, "more than 8 hosts" },
    { "redis+cluster://", PROBLEM_BAD_FIELD, "host is missing" },
    { "redis+cluster://a,b:x", PROBLEM_BAD_FIELD, "port" },
    { "redis+cluster://a,b/1", PROBLEM_BAD_FIELD, "a Cluster has no database but 0" },
    { "redis+cluster://a/b", PROBLEM_BAD_FIELD, "database" },
};
/* clang-format on */

static void urls_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(accepted); i++) {
        const struct redis_address *wanted = &accepted[i].address;
        struct redis_address address;
        struct problem problem = { 0 };

        if (redis_address_parse(text_of(accepted[i].url), &address, &problem) < 0) {
            fail_msg("%s: %s", accepted[i].url, problem.detail);
        }
        assert_string_equal(address.path, wanted->path);
        assert_string_equal(address.host, wanted->host);
        assert_string_equal(address.user, wanted->user);
        assert_string_equal(address.password, wanted->password);
        assert_int_equal(address.port, wanted->port);
        assert_int_equal(address.db, wanted->db);
        assert_int_equal(address.is_tls, wanted->is_tls);
    }
}

static void what_is_not_of_the_form_is_refused_with_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        struct redis_address address = { .host = "untouched" };
        struct problem problem = { 0 };

        assert_int_equal(redis_address_parse(text_of(refused[i].url), &address, &problem), -1);
        if (problem.code != refused[i].code || !strstr(problem.detail, refused[i].says)) {
            fail_msg("%s: %s", refused[i].url, problem.detail);
        }
        assert_string_equal(address.host, "untouched");
    }
}

static void sentinels_are_named_with_their_master(void **state)
{
    struct redis_address address;
    struct problem problem;

    (void)state;
    assert_int_equal(redis_address_parse(TEXT("rediss+sentinel://ann:pw@a,[::1]:5,c:7/my%20house/3"
                                              "?sentinel-user=bob&sentinel-password=p%26w"),
                                         &address, &problem),
                     0);
    assert_int_equal(address.shape, REDIS_SENTINEL);
    assert_true(address.is_tls && address.wants_master);
    assert_int_equal(address.seed_count, 3);
    assert_string_equal(address.seeds[0].host, "a");
    assert_int_equal(address.seeds[0].port, 26379);
    assert_string_equal(address.seeds[1].host, "::1");
    assert_int_equal(address.seeds[1].port, 5);
    assert_int_equal(address.seeds[2].port, 7);
    assert_string_equal(address.master, "my house");
    assert_int_equal(address.db, 3);
    assert_string_equal(address.user, "ann");
    assert_string_equal(address.password, "pw");
    assert_string_equal(address.sentinel_user, "bob");
    assert_string_equal(address.sentinel_password, "p&w");
    assert_int_equal(
        redis_address_parse(TEXT("redis+sentinel://1,2,3,4,5,6,7,8/m?"), &address, &problem), 0);
    assert_int_equal(address.seed_count, 8);
}

static void some_nodes_of_a_cluster_are_named(void **state)
{
    struct redis_address address;
    struct problem problem;

    (void)state;
    assert_int_equal(
        redis_address_parse(TEXT("rediss+cluster://ann:pw@a,[::1]:5/0"), &address, &problem), 0);
    assert_int_equal(address.shape, REDIS_CLUSTER);
    assert_true(address.is_tls && !address.wants_master);
    assert_int_equal(address.seed_count, 2);
    assert_string_equal(address.seeds[0].host, "a");
    assert_int_equal(address.seeds[0].port, 6379);
    assert_string_equal(address.seeds[1].host, "::1");
    assert_int_equal(address.seeds[1].port, 5);
    assert_string_equal(address.user, "ann");
    assert_string_equal(address.password, "pw");
}

static void a_password_is_never_repeated(void **state)
{
    struct redis_address address;
    struct problem problem = { 0 };

    (void)state;
    assert_int_equal(redis_address_parse(TEXT("redis://:hunter2@h:x"), &address, &problem), -1);
    assert_null(strstr(problem.detail, "hunter2"));
}

static void a_path_has_room_for_107_bytes(void **state)
{
    char url[256];
    struct redis_address address;
    struct problem problem = { 0 };
    int head = snprintf(url, sizeof(url), "redis+unix:///%0*d", REDIS_PATH_SIZE_MAX - 1, 0);

    (void)state;
    assert_int_equal(redis_address_parse(text_of(url), &address, &problem), 0);
    assert_int_equal(strlen(address.path), REDIS_PATH_SIZE_MAX);
    url[head] = '0';
    url[head + 1] = '\0';
    assert_int_equal(redis_address_parse(text_of(url), &address, &problem), -1);
    assert_non_null(strstr(problem.detail, "107 bytes"));
}

/* Writes the file, reads it, and returns what reading returned. */
static int read_from_file(const char *content, struct redis_address *address,
                          struct problem *problem)
{
    char path[] = "/tmp/stakeout-password-XXXXXX";
    int fd = mkstemp(path), rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    rc = redis_address_read_password(address, path, problem);
    unlink(path);
    return rc;
}

static void a_password_may_stand_in_a_file(void **state)
{
    struct redis_address address = { .password = "of the URL" };
    struct problem problem = { 0 };
    char longest[600];

    (void)state;
    assert_int_equal(read_from_file("s3 cret\r\nnot this\n", &address, &problem), 0);
    assert_string_equal(address.password, "s3 cret");
    assert_int_equal(read_from_file("without an end", &address, &problem), 0);
    assert_string_equal(address.password, "without an end");

    memset(longest, 'x', sizeof(longest));
    longest[sizeof(address.password) - 1] = '\0';
    assert_int_equal(read_from_file(longest, &address, &problem), 0);
    assert_int_equal(strlen(address.password), sizeof(address.password) - 1);
    strncat(longest, "x", 2);
    assert_int_equal(read_from_file(longest, &address, &problem), -1);
    assert_non_null(strstr(problem.detail, "longer than 512 bytes"));
    assert_null(strstr(problem.detail, "xxx"));

    assert_int_equal(read_from_file("", &address, &problem), -1);
    assert_non_null(strstr(problem.detail, "it is empty"));
    assert_int_equal(redis_address_read_password(&address, "/nowhere/at/all", &problem), -1);
    assert_non_null(strstr(problem.detail, "No such file"));
    assert_string_equal(problem.field, "redis-password-file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(what_is_not_of_the_form_is_refused_with_a_sentence),
        cmocka_unit_test(sentinels_are_named_with_their_master),
        cmocka_unit_test(some_nodes_of_a_cluster_are_named),
        cmocka_unit_test(a_password_is_never_repeated),
        cmocka_unit_test(a_path_has_room_for_107_bytes),
        cmocka_unit_test(a_password_may_stand_in_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
