/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/scan.h"

#include "common/base/own.h"
#include "common/model/limits.h"
#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
#define BAD_TYPE   "has an object of a type that is not accepted"
#define TOO_LITTLE "promises more than it holds"
#define TOO_EARLY  "ends too early"

static const struct {
    const char *says;
    struct text body;
    const char *why; /* NULL: accepted */
} cases[] = {
    { "nothing",                 TEXT(""), TOO_EARLY },
    { "nil",                     TEXT("\xc0"), NULL },
    { "two objects",             TEXT("\xc0\xc0"), "goes on behind its end" },
    { "never used",              TEXT("\xc1"), BAD_TYPE },
    { "booleans",                TEXT("\x92\xc2\xc3"), NULL },
    { "fixint, both ends",       TEXT("\x94\x00\x7f\xe0\xff"), NULL },
    { "uint 8",                  TEXT("\xcc\xff"), NULL },
    { "uint 8, cut",             TEXT("\xcc"), TOO_LITTLE },
    { "uint 16",                 TEXT("\xcd\xff\xff"), NULL },
    { "uint 32",                 TEXT("\xce\0\0\0\0"), NULL },
    { "uint 64",                 TEXT("\xcf\0\0\0\0\0\0\0\0"), NULL },
    { "uint 64, cut",            TEXT("\xcf\0\0\0\0\0\0\0"), TOO_LITTLE },
    { "int 8 to 64",             TEXT("\x94\xd0\0\xd1\0\0\xd2\0\0\0\0\xd3\0\0\0\0\0\0\0\0"), NULL },
    { "float 32 and 64",         TEXT("\x92\xca\0\0\0\0\xcb\0\0\0\0\0\0\0\0"), NULL },
    { "fixstr",                  TEXT("\xa3" "abc"), NULL },
    { "fixstr, cut",             TEXT("\xa3" "ab"), TOO_LITTLE },
    { "str 8",                   TEXT("\xd9\x01" "a"), NULL },
    { "str 8, no length",        TEXT("\xd9"), TOO_EARLY },
    { "str 16",                  TEXT("\xda\0\x01" "a"), NULL },
    { "str 16, half a length",   TEXT("\xda\0"), TOO_EARLY },
    { "str 32",                  TEXT("\xdb\0\0\0\x01" "a"), NULL },
    { "bin 8",                   TEXT("\xc4\x01" "a"), NULL },
    { "bin 16",                  TEXT("\xc5\0\x01" "a"), NULL },
    { "bin 32",                  TEXT("\xc6\0\0\0\x01" "a"), NULL },
    { "ext 8",                   TEXT("\xc7\0\x01"), BAD_TYPE },
    { "ext 32",                  TEXT("\xc9\0\0\0\0\x01"), BAD_TYPE },
    { "fixext 1",                TEXT("\xd4\0\0"), BAD_TYPE },
    { "fixext 16",               TEXT("\xd8\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), BAD_TYPE },
    { "fixarray",                TEXT("\x92\xc0\xc0"), NULL },
    { "fixarray, cut",           TEXT("\x92\xc0"), TOO_LITTLE },
    { "array 16",                TEXT("\xdc\0\x01\xc0"), NULL },
    { "array 32",                TEXT("\xdd\0\0\0\x01\xc0"), NULL },
    { "array 32, a bomb",        TEXT("\xdd\xff\xff\xff\xff"), TOO_LITTLE },
    { "fixmap",                  TEXT("\x81\x01\xc0"), NULL },
    { "fixmap, a key alone",     TEXT("\x81\x01"), TOO_LITTLE },
    { "map 16",                  TEXT("\xde\0\x01\x01\xc0"), NULL },
    { "map 32",                  TEXT("\xdf\0\0\0\x01\x01\xc0"), NULL },
    { "map 32, a bomb",          TEXT("\xdf\x10\0\0\0"), TOO_LITTLE },
    { "map 32, 2^31 entries",    TEXT("\xdf\x80\0\0\0"), TOO_LITTLE },
    { "outer one cut",           TEXT("\x93\x92\xc0\xc0\xc0"), TOO_EARLY },
    { "empty ones",              TEXT("\x93\x90\x80\x91\x90"), NULL },
};
/* clang-format on */

static void bodies_are_accepted_or_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(mem_freep) char *exact = mem_alloc(cases[i].body.size); /* for ASan */
        const char *why = NULL;
        int rc;

        memcpy(exact, cases[i].body.data, cases[i].body.size);
        rc = wire_scan((struct text){ exact, cases[i].body.size }, &why);
        if (!cases[i].why) {
            if (rc != 0) fail_msg("%s: refused: %s", cases[i].says, why);
        } else {
            if (rc != -EINVAL) fail_msg("%s: accepted", cases[i].says);
            if (strcmp(why, cases[i].why) != 0) fail_msg("%s: '%s'", cases[i].says, why);
        }
    }
}

static void depth_is_bounded_exactly(void **state)
{
    char body[WIRE_DEPTH_MAX + 2];
    const char *why;

    (void)state;
    memset(body, '\x91', sizeof body);
    body[WIRE_DEPTH_MAX] = '\xc0';
    assert_int_equal(wire_scan((struct text){ body, WIRE_DEPTH_MAX + 1 }, &why), 0);
    body[WIRE_DEPTH_MAX] = '\x91';
    body[WIRE_DEPTH_MAX + 1] = '\xc0';
    assert_int_equal(wire_scan((struct text){ body, WIRE_DEPTH_MAX + 2 }, &why), -EINVAL);
    assert_string_equal(why, "is nested too deep");
}

static void objects_are_bounded_exactly(void **state)
{
    uint32_t count = WIRE_OBJECTS_MAX; /* with the array itself one too many */
    OWN(mem_freep) char *body = mem_alloc(count + 5);
    const char *why;

    (void)state;
    memset(body, '\xc0', count + 5);
    memcpy(body, (const char[]){ '\xdd', 0, (char)(count >> 16), (char)(count >> 8), (char)count },
           5);
    assert_int_equal(wire_scan((struct text){ body, count + 5 }, &why), -EINVAL);
    assert_string_equal(why, "has too many objects");
    body[4]--;
    assert_int_equal(wire_scan((struct text){ body, count + 4 }, &why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_accepted_or_refused_with_a_reason),
        cmocka_unit_test(depth_is_bounded_exactly),
        cmocka_unit_test(objects_are_bounded_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
