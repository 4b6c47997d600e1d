/* SPDX-License-Identifier: Apache-2.0 */
/* http_reference_test.c: the server against a strict reader of its own kind, and against the names
 * of a public list.
 *
 * The reference is written by regular expressions from RFC 9112, and shares nothing with head.c. It
 * reads a stream of requests that were mutated where requests are smuggled: line ends, spaces,
 * colons, lengths, doubled lines. Handlers must be called exactly as often as it says: once more,
 * and something was smuggled past it; once less, and what is right was refused. */
#include "tests/integration/scheduler/http_room.h"
#include "tests/integration/scheduler/room_line.h"
#include "tests/support/test.h"

#include "common/base/check.h"
#include "common/base/own.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* --- the reference --- */

#define TOKEN "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/* Bytes of 0x80 and more are let through in values: "obs-text". */
#define VALUE "[\t -~\x80-\xff]*"

static regex_t line_pattern, fields_pattern, length_pattern, host_pattern;

static void compile(regex_t *to, const char *pattern)
{
    assert_int_equal(regcomp(to, pattern, REG_EXTENDED), 0);
}

static int compile_all(void **state)
{
    (void)state;
    compile(&line_pattern, "^(GET|POST|PUT|DELETE|HEAD|OPTIONS|PATCH) "
                           "(/[!\"$-~]*|[*]) HTTP/1[.]([01])\r\n");
    compile(&fields_pattern, "^(" TOKEN ":" VALUE "\r\n)*\r\n$");
    compile(&length_pattern, "^[0-9]{1,10}$");
    compile(&host_pattern, "^[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt](:[0-9]{1,5})?$");
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    regfree(&line_pattern);
    regfree(&fields_pattern);
    regfree(&length_pattern);
    regfree(&host_pattern);
    return 0;
}

struct reading {
    bool is_sound;   /* may be answered, and what follows it read */
    bool is_handled; /* by a handler, of those that the stream asks for */
    bool is_last;    /* nothing behind it is read */
    size_t size;     /* head and body */
};

/* How often a field is there; and the last one's value, without blanks around it. */
static int find_field(const char *fields, const char *name, char *ret, size_t size)
{
    size_t name_size = strlen(name);
    int count = 0;

    for (const char *at = fields; *at != '\r'; at = strstr(at, "\r\n") + 2) {
        const char *from, *to = strstr(at, "\r\n");

        if (strncasecmp(at, name, name_size) != 0 || at[name_size] != ':') continue;
        count++;
        from = at + name_size + 1;
        while (from < to && (*from == ' ' || *from == '\t')) {
            from++;
        }
        while (to > from && (to[-1] == ' ' || to[-1] == '\t')) {
            to--;
        }
        snprintf(ret, size, "%.*s", (int)(to - from), from);
    }
    return count;
}

static bool is_path(const char *line, const regmatch_t *target, const char *path)
{
    size_t size = strlen(path);
    const char *at = line + target->rm_so, *end = line + target->rm_eo;

    return (size_t)(end - at) >= size && memcmp(at, path, size) == 0 &&
           (at + size == end || at[size] == '?');
}

static struct reading judge(const char *head, const regmatch_t match[4], const char *fields)
{
    char host[64] = "", length[64] = "", ignored[64];
    int hosts = find_field(fields, "Host", host, sizeof host);
    int lengths = find_field(fields, "Content-Length", length, sizeof length);
    bool is_old = head[match[3].rm_so] == '0', is_get = strncmp(head, "GET ", 4) == 0,
         is_post = strncmp(head, "POST ", 5) == 0;
    bool is_star = head[match[2].rm_so] == '*';
    struct reading reading = { .is_last = is_old };
    size_t body = 0;
    bool is_ours;

    if (hosts > 1 || lengths > 1 || (hosts == 0 && !is_old)) return reading;
    if (find_field(fields, "Transfer-Encoding", ignored, sizeof ignored) > 0) return reading;
    if (is_star && strncmp(head, "OPTIONS ", 8) != 0) return reading;
    if (lengths == 1) {
        if (regexec(&length_pattern, length, 0, NULL, 0) != 0) return reading;
        body = strtoull(length, NULL, 10);
    }
    if (body > 0 && strncmp(head, "P", 1) != 0) return reading;
    is_ours = hosts == 0 || regexec(&host_pattern, host, 0, NULL, 0) == 0;
    reading.is_handled = is_ours && ((is_get && is_path(head, &match[2], "/hello")) ||
                                     (is_post && is_path(head, &match[2], "/echo")));
    reading.is_handled = reading.is_handled && body <= 1024 * 1024;
    reading.is_sound = reading.is_handled || body == 0; /* a body that nobody wants ends it */
    reading.size = (size_t)(fields - head) + strlen(fields) + body;
    return reading;
}

/* Of the first request of the stream, which must not hold zeros where it is read. */
static struct reading read_one(struct text stream)
{
    const char *end = memmem(stream.data, stream.size, "\r\n\r\n", 4);
    OWN(mem_freep) char *head = NULL;
    regmatch_t match[4];
    size_t size;

    if (!end) return (struct reading){ .is_sound = false };
    size = (size_t)(end - stream.data) + 4;
    if (memchr(stream.data, '\0', size)) return (struct reading){ .is_sound = false };
    head = mem_text(stream.data, size);
    if (regexec(&line_pattern, head, 4, match, 0) != 0 || match[0].rm_so != 0)
        return (struct reading){ .is_sound = false };
    if (regexec(&fields_pattern, head + match[0].rm_eo, 0, NULL, 0) != 0)
        return (struct reading){ .is_sound = false };
    return judge(head, match, head + match[0].rm_eo);
}

static size_t handled_by_reference(struct text stream)
{
    size_t count = 0;

    while (stream.size > 0) {
        struct reading reading = read_one(stream);

        if (!reading.is_sound || reading.size > stream.size) break;
        count += reading.is_handled;
        if (reading.is_last) break;
        stream.data += reading.size;
        stream.size -= reading.size;
    }
    return count;
}

/* --- streams --- */

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static const char *const originals[] = {
    ROOM_GET("/hello"),
    "GET /hello?a=b HTTP/1.1\r\nAccept: */*\r\n" ROOM_HOST "\r\n",
    "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 5\r\nX-A: b c\r\n\r\nhello",
    "POST /echo HTTP/1.1\r\nContent-Length: 46\r\n" ROOM_HOST "\r\n" ROOM_GET("/hello"),
    "POST /echo HTTP/1.1\r\n" ROOM_HOST "\r\n",
};

static const char *const insertions[] = {
    "\r",
    "\n",
    " ",
    "\t",
    ":",
    "\x7f",
    "+",
    "0",
    "1",
    "-",
    ",",
    "\r\n",
    "\r\n ",
    "\x80",
    ";",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : x\r\n",
    "\r\n\r\n",
    "0x",
    "GET /hello HTTP/1.1\r\n",
};

static void mutate(char *text, size_t size, uint32_t *random)
{
    size_t used = strlen(text), at = next_random(random) % (used + 1);
    const char *insertion = insertions[next_random(random) % ARRAY_COUNT(insertions)];
    size_t more = strlen(insertion);

    switch (next_random(random) % 4) {
    case 0: /* cut something out */
        if (at < used) memmove(text + at, text + at + 1, used - at);
        return;
    case 1: /* in front of a line */
        while (at > 0 && text[at - 1] != '\n') {
            at--;
        }
        break;
    case 2: /* in place of something */
        if (at < used) memmove(text + at, text + at + 1, used-- - at);
        break;
    default:
        break;
    }
    if (used + more + 1 > size) return;
    memmove(text + at + more, text + at, used - at + 1);
    memcpy(text + at, insertion, more);
}

static void make_stream(char *ret, size_t size, uint32_t *random)
{
    uint32_t requests = 1 + next_random(random) % 4;

    ret[0] = '\0';
    for (uint32_t i = 0; i < requests; i++) {
        char request[512];

        snprintf(request, sizeof request, "%s",
                 originals[next_random(random) % ARRAY_COUNT(originals)]);
        while (next_random(random) % 2 == 0) {
            mutate(request, sizeof request, random);
        }
        strncat(ret, request, size - strlen(ret) - 1);
    }
}

static bool is_handled(void *context)
{
    return room.handled_count >= *(size_t *)context;
}

static void handlers_are_called_as_often_as_the_reference_says(void **state)
{
    enum { STREAMS = 4000, QUIET_TURNS = 6 };
    uint32_t random = 7;
    size_t sound = 0;

    (void)state;
    room_open(NULL);
    for (int i = 0; i < STREAMS; i++) {
        char stream[2048];
        size_t expected;
        int fd;

        make_stream(stream, sizeof stream, &random);
        expected = handled_by_reference(text_of(stream));
        sound += expected;
        room.handled_count = 0;
        fd = room_connect();
        room_send(fd, stream);
        room_until(is_handled, &expected, stream);
        for (int turn = 0; turn < QUIET_TURNS; turn++) {
            room_turn();
        }
        if (room.handled_count != expected)
            fail_msg("stream %d: %zu instead of %zu: '%s'", i, room.handled_count, expected,
                     stream);
        close(fd);
    }
    assert_true(sound > STREAMS / 2); /* or nothing was compared */
    room_until_empty();
    room_close();
}

/* --- a public list --- */

/* By the names that h1spec (github.com/uNetworking/h1spec) gives its cases; the bytes are ours. A
 * status of 0: nothing is said yet, and more is waited for. */
static const struct {
    const char *name, *bytes;
    int least, most;
} listed[] = {
    { "Fragmented method", "G", 0, 0 },
    { "Fragmented URL 1", "GET ", 0, 0 },
    { "Fragmented URL 2", "GET /hello", 0, 0 },
    { "Fragmented URL 3", "GET /hello ", 0, 0 },
    { "Fragmented HTTP version", "GET /hello HTTP", 0, 0 },
    { "Fragmented request line", "GET /hello HTTP/1.1", 0, 0 },
    { "Fragmented request line newline 1", "GET /hello HTTP/1.1\r", 0, 0 },
    { "Fragmented request line newline 2", "GET /hello HTTP/1.1\r\n", 0, 0 },
    { "Fragmented field name", "GET /hello HTTP/1.1\r\nHos", 0, 0 },
    { "Fragmented field value 1", "GET /hello HTTP/1.1\r\nHost:", 0, 0 },
    { "Fragmented field value 2", "GET /hello HTTP/1.1\r\nHost: ", 0, 0 },
    { "Fragmented field value 3", "GET /hello HTTP/1.1\r\nHost: localhost", 0, 0 },
    { "Fragmented field value 4", "GET /hello HTTP/1.1\r\nHost: localhost\r", 0, 0 },
    { "Fragmented request", "GET /hello HTTP/1.1\r\nHost: localhost\r\n", 0, 0 },
    { "Fragmented request termination", "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r", 0, 0 },
    { "Request without HTTP version", "GET /hello \r\n\r\n", 400, 599 },
    { "Request with Expect header",
      "GET /hello HTTP/1.1\r\n" ROOM_HOST "Expect: 100-continue\r\n\r\n", 100, 299 },
    { "Valid GET request", ROOM_GET("/hello"), 200, 299 },
    { "Valid GET request with edge cases",
      "GET /hello HTTP/1.1\r\nhoSt:\tlocalhost\r\nempty:\r\n\r\n", 200, 299 },
    { "Invalid header characters", "GET /hello HTTP/1.1\r\n" ROOM_HOST "X-Invalid[]: a\r\n\r\n",
      400, 499 },
    { "Missing Host header", "GET /hello HTTP/1.1\r\nX: y\r\n\r\n", 400, 499 },
    { "Multiple Host headers", "GET /hello HTTP/1.1\r\n" ROOM_HOST "Host: other\r\n\r\n", 400,
      499 },
    { "Overflowing negative Content-Length header",
      "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: -123456789123456789123456789\r\n\r\n",
      400, 499 },
    { "Negative Content-Length header",
      "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: -1234\r\n\r\n", 400, 499 },
    { "Non-numeric Content-Length header",
      "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: abc\r\n\r\n", 400, 499 },
    { "Empty header value", "GET /hello HTTP/1.1\r\n" ROOM_HOST "X-Empty: \r\n\r\n", 200, 299 },
    { "Header containing invalid control character",
      "GET /hello HTTP/1.1\r\n" ROOM_HOST "X: a\x07\r\n\r\n", 400, 499 },
    { "Invalid HTTP version", "GET /hello HTTP/9.9\r\n" ROOM_HOST "\r\n", 400, 599 },
    { "Invalid prefix of request", "Extra line" ROOM_GET("/hello"), 400, 599 },
    { "Invalid line ending", "GET /hello HTTP/1.1\r\n" ROOM_HOST "\rX: y\r\n\r\n", 400, 499 },
    { "Valid POST request with body",
      "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 5\r\n\r\nhello", 200, 299 },
    { "Conflicting Transfer-Encoding and Content-Length",
      "POST /echo HTTP/1.1\r\n" ROOM_HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
      400, 499 },
};

static int status_of(const char *answer)
{
    int status = 0;

    return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : -1;
}

static void the_cases_of_h1spec_are_answered_as_it_wants(void **state)
{
    (void)state;
    room_open(NULL);
    for (size_t i = 0; i < ARRAY_COUNT(listed); i++) {
        int fd = room_connect(), status;
        char byte;

        room_send(fd, listed[i].bytes);
        if (listed[i].most > 0) {
            room_expect(fd, "HTTP/1.1 ");
            status = status_of(room.got);
            if (status < listed[i].least || status > listed[i].most)
                fail_msg("%s: %d", listed[i].name, status);
        } else {
            for (int turn = 0; turn < 10; turn++) {
                room_turn();
            }
            if (line_take(fd, &byte, 1) >= 0) fail_msg("%s: not waited for", listed[i].name);
        }
        close(fd);
    }
    room_until_empty();
    room_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_are_called_as_often_as_the_reference_says),
        cmocka_unit_test(the_cases_of_h1spec_are_answered_as_it_wants),
    };

    return cmocka_run_group_tests(tests, compile_all, free_all);
}
