/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/problem_detail.h"

#include "tests/support/test.h"

#include <string.h>

enum { SIZE_MAX_HERE = 120 };

static const char *detail_of(struct text body)
{
    static char sentence[SIZE_MAX_HERE + 2];
    size_t size;

    memset(sentence, '#', sizeof sentence);
    size = problem_detail(body, sentence, SIZE_MAX_HERE);
    assert_in_range(size, 0, SIZE_MAX_HERE);
    assert_int_equal(sentence[size], '#'); /* nothing is written behind it */
    sentence[size] = '\0';
    return sentence;
}

static void the_sentence_is_taken_and_nothing_else(void **state)
{
    static const struct {
        const char *says, *body, *sentence;
    } cases[] = {
        { "ours",
          "{\"type\":\"unauthorized\",\"title\":\"A valid token is needed\",\"status\":401,"
          "\"detail\":\"This token is not known; it may have been revoked.\"}",
          "This token is not known; it may have been revoked." },
        { "with spaces", "{ \"detail\" :\n\t\"x\" , \"status\": 401 }", "x" },
        { "escapes", "{\"detail\":\"a \\\"b\\\" \\\\ \\/ \\n \\u00e9!\"}", "a \"b\" \\ / ? ?!" },
        { "UTF-8", "{\"detail\":\"caf\xc3\xa9\"}", "caf\xc3\xa9" },
        { "no UTF-8", "{\"detail\":\"caf\xff\"}", "caf?" },
        { "an empty one", "{\"detail\":\"\"}", "" },
        { "cut off", "{\"detail\":\"it en", "it en" },
        { "cut off in an escape", "{\"detail\":\"it\\", "it\\" },
        { "cut off in a character's number", "{\"detail\":\"it\\u00", "it?" },
        { "no text", "{\"detail\":7}", "{\"detail\":7}" },
        { "no colon", "\"detail\"", "\"detail\"" },
        { "nothing", "", "" },
        { "a proxy's page", "<html>\r\n<b>Bad",
          "<html>?"
          "?<b>Bad" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *sentence = detail_of(text_of(cases[i].body));

        if (strcmp(sentence, cases[i].sentence) != 0) fail_msg("%s: '%s'", cases[i].says, sentence);
    }
    assert_string_equal(detail_of((struct text){ NULL, 0 }), "");
}

static void what_is_long_is_cut(void **state)
{
    char body[4096] = "{\"detail\":\"";
    size_t head = strlen(body);

    (void)state;
    memset(body + head, 'x', sizeof body - head);
    assert_int_equal(strlen(detail_of((struct text){ body, sizeof body })), SIZE_MAX_HERE);
    memset(body, 'y', sizeof body);
    assert_int_equal(strlen(detail_of((struct text){ body, sizeof body })), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sentence_is_taken_and_nothing_else),
        cmocka_unit_test(what_is_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
