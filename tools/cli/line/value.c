/* SPDX-License-Identifier: Apache-2.0 */
/* value.c: a time is read as an integer of nanoseconds, so that no fraction is ever rounded:
 * "100.0005ms" is seen to be no whole number of ms. */
#include "tools/cli/line/value.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/wall_time.h"

#include <string.h>

static const struct {
    const char *name;
    uint64_t ns;
} units[] = {
    { "ns", 1 },
    { "us", NS_PER_US },
    { "\u00b5s", NS_PER_US },
    { "ms", NS_PER_MS },
    { "s", NS_PER_S },
    { "m", 60 * NS_PER_S },
    { "min", 60 * NS_PER_S },
    { "h", 3600 * NS_PER_S },
    { "d", 86400 * NS_PER_S },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint64_t unit_ns(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (strcmp(units[i].name, name) == 0) return units[i].ns;
    }
    return 0;
}

/* Adds the decimals behind the point; returns the first character behind them. */
static const char *read_decimals(const char *at, uint64_t scale, __int128 *ns, bool *is_exact)
{
    uint64_t place = scale;

    for (; is_digit(*at); at++) {
        if ((place < 10 || place % 10 != 0) && *at != '0') *is_exact = false;
        place /= 10;
        *ns += (__int128)place * (*at - '0');
    }
    return at;
}

/* Reads "[+-]digits[.digits]unit" to nanoseconds. False if it is no time at all. */
static bool read_time(const char *text, __int128 *ret_ns, bool *ret_is_exact)
{
    const char *at = text + (*text == '-' || *text == '+'), *digits = at, *point;
    __int128 whole = 0, ns = 0;
    uint64_t scale;

    for (; is_digit(*at); at++) {
        if (whole < INT64_MAX) whole = whole * 10 + (*at - '0');
    }
    point = *at == '.' ? at : NULL;
    if (at == digits || (point && !is_digit(at[1]))) return false;
    while (point && is_digit(*++at)) {
        continue;
    }
    scale = unit_ns(at);
    if (scale == 0) return false;
    *ret_is_exact = true;
    if (point) (void)read_decimals(point + 1, scale, &ns, ret_is_exact);
    ns += whole * (__int128)scale;
    *ret_ns = *text == '-' ? -ns : ns;
    return true;
}

static int refuse_time(const char *text, struct problem *problem)
{
    if (*text && strspn(text, "0123456789.") == strlen(text)) {
        return problem_set(problem, PROBLEM_BAD_FIELD,
                           "'%s' has no unit; write it as 100ms, 1.5s, 5m, 2h or 7d", text);
    }
    return problem_set(problem, PROBLEM_BAD_FIELD,
                       "'%s' is no time; write it as 100ms, 1.5s, 5m, 2h or 7d", text);
}

int value_time(const char *text, uint64_t unit_size_ns, const char *unit, int64_t *ret,
               struct problem *problem)
{
    __int128 ns;
    bool is_exact;

    if (!read_time(text, &ns, &is_exact)) return refuse_time(text, problem);
    if (!is_exact || ns % (__int128)unit_size_ns != 0) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "'%s' is no whole number of %s", text, unit);
    }
    ns /= (__int128)unit_size_ns;
    if (ns > INT64_MAX || ns < INT64_MIN) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "'%s' is too long a time", text);
    }
    *ret = (int64_t)ns;
    return 0;
}

/* "2h ago" without its " ago"; false if there is none. */
static bool strip_ago(const char *text, char *ret, size_t size)
{
    size_t length = strlen(text);

    if (length <= 4 || length - 4 >= size || strcmp(text + length - 4, " ago") != 0) return false;
    memcpy(ret, text, length - 4);
    ret[length - 4] = '\0';
    return is_digit(ret[0]);
}

static int refuse_when(const char *text, enum value_when side, struct problem *problem)
{
    return problem_set(problem, PROBLEM_BAD_FIELD,
                       "'%s' is no point in time; write it as %s, now, or 2026-11-21T03:00:00Z",
                       text, side == WHEN_PAST ? "7d" : "+10m");
}

static int add_to_now(uint64_t now_wall_ms, __int128 ns, const char *text, uint64_t *ret,
                      struct problem *problem)
{
    __int128 wall_ms = (__int128)now_wall_ms + ns / (__int128)NS_PER_MS;

    if (wall_ms < 1 || wall_ms > INT64_C(253402300799999)) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "'%s' is too far away", text);
    }
    *ret = (uint64_t)wall_ms;
    return 0;
}

int value_when(const char *text, enum value_when side, uint64_t now_wall_ms, uint64_t *ret_wall_ms,
               struct problem *problem)
{
    bool has_sign = *text == '+' || *text == '-', is_exact;
    char stripped[64];
    __int128 ns;

    if (strcmp(text, "now") == 0) {
        *ret_wall_ms = now_wall_ms;
        return 0;
    }
    if (strip_ago(text, stripped, sizeof stripped)) {
        if (!read_time(stripped, &ns, &is_exact)) return refuse_when(text, side, problem);
        return add_to_now(now_wall_ms, -ns, text, ret_wall_ms, problem);
    }
    if (read_time(text, &ns, &is_exact)) {
        if (!has_sign && side == WHEN_FUTURE) return refuse_when(text, side, problem);
        return add_to_now(now_wall_ms, has_sign ? ns : -ns, text, ret_wall_ms, problem);
    }
    /* Digits alone would be ms since 1970: for programs, which can use the API. */
    if (strspn(text, "0123456789") == strlen(text) ||
        wall_time_parse(text_of(text), ret_wall_ms) < 0) {
        return refuse_when(text, side, problem);
    }
    return 0;
}

int value_count(const char *text, int64_t *ret, struct problem *problem)
{
    const char *digits = text + (*text == '-' || *text == '+');
    uint64_t value;

    if (text_to_u64(text_of(digits), &value) < 0 || value > INT64_MAX) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "'%s' is no whole number", text);
    }
    *ret = *text == '-' ? -(int64_t)value : (int64_t)value;
    return 0;
}

int value_percent(const char *text, double *ret, struct problem *problem)
{
    double value = 0, place = 1;
    const char *at = text;

    for (; is_digit(*at) && value <= 100; at++) {
        value = value * 10 + (*at - '0');
    }
    if (*at == '.' && at > text) {
        while (is_digit(*++at)) {
            value += (*at - '0') * (place /= 10);
        }
    }
    if (at == text || *at || value > 100) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "'%s' is no number from 0 to 100", text);
    }
    *ret = value;
    return 0;
}
