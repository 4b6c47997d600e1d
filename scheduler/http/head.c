/* SPDX-License-Identifier: Apache-2.0 */
/* head.c: RFC 9112, sections 2 to 6, with every "may" of leniency declined.
 *
 * One pass over the lines. A line is what stands before CR LF; a CR or LF anywhere else, and any
 * other control character but a tab within a value, refuses the whole. Field names are tokens, so
 * a space before the colon is refused, and so is a line that begins with a space (a fold). */
#include "scheduler/http/head.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char why_control[] = "The head of the request has a stray control character.";
static const char why_line[] = "The first line must be METHOD SP /path SP HTTP/1.1.";
static const char why_field[] = "A header line must be NAME: VALUE, without folds.";
static const char why_twice[] = "A header that may come once came twice.";

/* What a byte may be part of: one look into a table, because every byte of every head is asked. */
enum { TOKEN = 1, TARGET = 2, LINE = 4, MARK = TARGET | LINE, ALL = TOKEN | MARK };

/* clang-format off */
static const unsigned char uses[256] = {
    ['\t'] = LINE, [' '] = LINE, ['!'] = ALL, ['"'] = MARK, ['#' ... '\''] = ALL,
    ['(' ... ')'] = MARK, ['*' ... '+'] = ALL, [','] = MARK, ['-' ... '.'] = ALL, ['/'] = MARK,
    ['0' ... '9'] = ALL, [':' ... '@'] = MARK, ['A' ... 'Z'] = ALL, ['[' ... ']'] = MARK,
    ['^' ... 'z'] = ALL, ['{'] = MARK, ['|'] = ALL, ['}'] = MARK, ['~'] = ALL,
    [0x80 ... 0xff] = LINE, /* 0x7f and the rest below a space: nothing */
};
/* clang-format on */

static bool is_all(struct text text, unsigned char use)
{
    unsigned char shared = use;

    for (size_t i = 0; i < text.size; i++) {
        shared &= uses[(unsigned char)text.data[i]];
    }
    return shared == use;
}

static bool is_token(struct text text)
{
    return text.size > 0 && is_all(text, TOKEN);
}

/* From line to line, which are few. */
size_t head_end(const char *data, size_t size)
{
    const char *at = data, *end = data + size;

    while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
        if (end - at >= 4 && memcmp(at, "\r\n\r\n", 4) == 0) return (size_t)(at - data) + 4;
        at++;
    }
    return 0;
}

/* Splits at the first `mark`; false if there is none. */
static bool split(struct text *whole, char mark, struct text *ret)
{
    const char *at = whole->size > 0 ? memchr(whole->data, mark, whole->size) : NULL;
    size_t size;

    if (!at) return false;
    size = (size_t)(at - whole->data);
    *ret = (struct text){ whole->data, size };
    *whole = (struct text){ at + 1, whole->size - size - 1 };
    return true;
}

static struct text trimmed(struct text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++, text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

static bool is_name(struct text name, struct text known)
{
    return name.size == known.size && strncasecmp(name.data, known.data, name.size) == 0;
}

static const struct {
    const char *name;
    enum head_method method;
} methods[] = {
    { "GET", HEAD_GET },         { "POST", HEAD_POST }, { "DELETE", HEAD_DELETE },
    { "HEAD", HEAD_HEAD },       { "PUT", HEAD_PUT },   { "PATCH", HEAD_OTHER },
    { "OPTIONS", HEAD_OPTIONS },
};

static int parse_method(struct text text, enum head_method *ret)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (text_is_equal(text, text_of(methods[i].name))) {
            *ret = methods[i].method;
            return 0;
        }
    }
    return 501;
}

static int parse_version(struct text text, unsigned *ret)
{
    if (text_is_equal(text, TEXT("HTTP/1.1"))) {
        *ret = 1;
        return 0;
    }
    if (text_is_equal(text, TEXT("HTTP/1.0"))) {
        *ret = 0;
        return 0;
    }
    return text_starts_with(text, TEXT("HTTP/")) ? 505 : 400;
}

static int parse_request_line(struct text line, struct head *ret, const char **ret_why)
{
    struct text method, target;
    int status;

    *ret_why = why_line;
    if (!split(&line, ' ', &method) || !split(&line, ' ', &target)) return 400;
    if (!is_token(method) || !is_all(target, TARGET) || target.size == 0) return 400;
    status = parse_version(line, &ret->minor);
    if (status != 0) {
        if (status == 505) *ret_why = "This server speaks HTTP/1.1 and HTTP/1.0.";
        return status;
    }
    if (target.size > HEAD_TARGET_MAX) {
        *ret_why = "The path and query are longer than 4096 bytes.";
        return 414;
    }
    if (parse_method(method, &ret->method) != 0) {
        *ret_why = "This method is not known here.";
        return 501;
    }
    ret->target = target;
    if (target.data[0] == '/' && !memchr(target.data, '#', target.size)) return 0;
    return ret->method == HEAD_OPTIONS && text_is_equal(target, TEXT("*")) ? 0 : 400;
}

/* At most ten digits: far beyond any limit of ours, and never an overflow. */
static int parse_length(struct text value, struct head *ret, const char **ret_why)
{
    *ret_why = "Content-Length must be 1 to 10 digits.";
    if (value.size > 10 || text_to_u64(value, &ret->body_size) < 0) return 400;
    return 0;
}

enum head_field head_field_find(struct text name)
{
    static const char *const names[] = { [HEAD_CONTENT_TYPE] = "Content-Type",
                                         [HEAD_ORIGIN] = "Origin",
                                         [HEAD_ACCEPT_ENCODING] = "Accept-Encoding",
                                         [HEAD_IF_NONE_MATCH] = "If-None-Match" };
    size_t i = 0;

    while (i < HEAD_FIELD_COUNT && !is_name(name, text_of(names[i]))) {
        i++;
    }
    return (enum head_field)i;
}

#define ONCE(name, member)                                       \
    {                                                            \
        { name, sizeof name - 1 }, offsetof(struct head, member) \
    }

static int parse_known(struct text name, struct text value, struct head *ret, bool *has_length,
                       const char **ret_why)
{
    static const struct {
        struct text name;
        size_t offset;
    } once[] = {
        ONCE("Host", host),
        ONCE("Origin", origin),
        ONCE("Sec-Fetch-Site", fetch_site),
        ONCE("Authorization", authorization),
        ONCE("Cookie", cookie),
    };

    enum head_field field = head_field_find(name);

    if (field < HEAD_FIELD_COUNT && !ret->fields[field].data) ret->fields[field] = value;
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
        struct text *known = (struct text *)(void *)((char *)ret + once[i].offset);

        if (!is_name(name, once[i].name)) continue;
        *ret_why = why_twice;
        if (known->data) return 400;
        *known = value;
        return 0;
    }
    if (is_name(name, TEXT("Transfer-Encoding"))) {
        *ret_why = "Chunked bodies are not accepted: send a Content-Length.";
        return 411;
    }
    if (is_name(name, TEXT("Expect"))) {
        *ret_why = "No other expectation than 100-continue is met here.";
        ret->expects_continue = true;
        return is_name(value, TEXT("100-continue")) ? 0 : 417;
    }
    if (!ret->connection.data && is_name(name, TEXT("Connection"))) ret->connection = value;
    if (!is_name(name, TEXT("Content-Length"))) return 0;
    *ret_why = why_twice;
    if (*has_length) return 400;
    *has_length = true;
    return parse_length(value, ret, ret_why);
}

static int parse_fields(struct text text, struct head *ret, const char **ret_why)
{
    bool has_length = false;
    struct text line, name;

    for (unsigned count = 0; split(&text, '\n', &line) && line.size > 1; count++) {
        int status;

        line.size--; /* the CR: head_parse() saw that it is there */
        *ret_why = "The request has more than 64 header lines.";
        if (count == HEAD_FIELDS_MAX) return 431;
        *ret_why = why_field;
        if (!split(&line, ':', &name) || !is_token(name)) return 400;
        status = parse_known(name, trimmed(line), ret, &has_length, ret_why);
        if (status != 0) return status;
    }
    return 0;
}

/* Every CR is followed by LF, every LF preceded by CR, and nothing else controls anything. */
static bool has_clean_lines(struct text text)
{
    struct text line;

    while (split(&text, '\n', &line)) {
        if (line.size == 0 || line.data[line.size - 1] != '\r') return false;
        line.size--;
        if (!is_all(line, LINE)) return false;
    }
    return text.size == 0;
}

static bool may_have_body(enum head_method method)
{
    return method == HEAD_POST || method == HEAD_PUT || method == HEAD_OTHER;
}

static int check_body(const struct head *head, const char **ret_why)
{
    if (head->body_size == 0 || may_have_body(head->method)) return 0;
    /* libevent would take such a body for the next request. */
    *ret_why = "This method has no body here.";
    return 400;
}

int head_parse(struct text text, struct head *ret, const char **ret_why)
{
    struct head head = { 0 };
    struct text line, rest = text;
    int status;

    *ret_why = why_control;
    if (text.size > HEAD_SIZE_MAX) {
        *ret_why = "The head of the request is larger than 8 KB.";
        return 431;
    }
    if (head_end(text.data, text.size) != text.size || !has_clean_lines(text)) return 400;

    if (!split(&rest, '\n', &line)) return 400;
    line.size--;
    status = parse_request_line(line, &head, ret_why);
    if (status != 0) return status;
    status = parse_fields(rest, &head, ret_why);
    if (status != 0) return status;
    if (head.minor == 1 && !head.host.data) {
        *ret_why = "An HTTP/1.1 request must have a Host header.";
        return 400;
    }
    status = check_body(&head, ret_why);
    if (status != 0) return status;

    *ret = head;
    return 0;
}

/* --- what libevent reads --- */

static char *put(char *to, struct text text)
{
    if (text.size > 0) memcpy(to, text.data, text.size);
    return to + text.size;
}

static char *put_number(char *to, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(to, (struct text){ digits + at, sizeof digits - at });
}

static const char *method_name(enum head_method method)
{
    size_t i = 0;

    while (methods[i].method != method) {
        i++;
    }
    return methods[i].name;
}

size_t head_brief(const struct head *head, char ret[HEAD_BRIEF_MAX])
{
    char *to = put(ret, text_of(method_name(head->method)));

    to = put(to, head->minor == 1 ? TEXT(" / HTTP/1.1\r\n") : TEXT(" / HTTP/1.0\r\n"));
    if (may_have_body(head->method)) {
        to = put(to, TEXT("Content-Length: "));
        to = put_number(to, head->body_size);
        to = put(to, TEXT("\r\n"));
    }
    if (head->connection.data) {
        to = put(to, TEXT("Connection: "));
        to = put(to, head->connection);
        to = put(to, TEXT("\r\n"));
    }
    if (head->expects_continue) to = put(to, TEXT("Expect: 100-continue\r\n"));
    return (size_t)(put(to, TEXT("\r\n")) - ret);
}
