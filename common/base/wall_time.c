/* SPDX-License-Identifier: Apache-2.0 */
/* wall_time.c: RFC 3339 in UTC alone is written; what is read may have an offset. Strict: a date
 * that no calendar has is refused, not carried over into the next month. */
#include "common/base/wall_time.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define WALL_MS_MAX UINT64_C(253402300799999) /* the last of the year 9999 */

void wall_time_format(uint64_t wall_ms, char ret[WALL_TIME_SIZE])
{
    uint64_t ms = wall_ms > WALL_MS_MAX ? WALL_MS_MAX : wall_ms;
    time_t seconds = (time_t)(ms / 1000);
    struct tm day;
    size_t size;

    gmtime_r(&seconds, &day);
    size = strftime(ret, WALL_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &day);
    snprintf(ret + size, WALL_TIME_SIZE - size, ".%03uZ", (unsigned)(ms % 1000));
}

/* Reads exactly `digits` digits at *at and moves it behind them. */
static int number(struct text text, size_t *at, size_t digits, int *ret)
{
    int value = 0;

    if (text.size < *at + digits) return -EINVAL;
    for (size_t i = 0; i < digits; i++) {
        char c = text.data[(*at)++];

        if (c < '0' || c > '9') return -EINVAL;
        value = value * 10 + (c - '0');
    }
    *ret = value;
    return 0;
}

static int literal(struct text text, size_t *at, const char *accepted)
{
    if (*at >= text.size) return -EINVAL;
    for (const char *c = accepted; *c; c++) {
        if (text.data[*at] == *c) {
            (*at)++;
            return 0;
        }
    }
    return -EINVAL;
}

static int days_of_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && is_leap);
}

static int parse_day(struct text text, size_t *at, struct tm *day)
{
    if (number(text, at, 4, &day->tm_year) < 0 || literal(text, at, "-") < 0 ||
        number(text, at, 2, &day->tm_mon) < 0 || literal(text, at, "-") < 0 ||
        number(text, at, 2, &day->tm_mday) < 0)
        return -EINVAL;
    if (day->tm_year < 1970 || day->tm_mon < 1 || day->tm_mon > 12) return -EINVAL;
    if (day->tm_mday < 1 || day->tm_mday > days_of_month(day->tm_year, day->tm_mon)) return -EINVAL;
    return 0;
}

static int parse_clock(struct text text, size_t *at, struct tm *day)
{
    if (literal(text, at, "Tt ") < 0 || number(text, at, 2, &day->tm_hour) < 0 ||
        literal(text, at, ":") < 0 || number(text, at, 2, &day->tm_min) < 0 ||
        literal(text, at, ":") < 0 || number(text, at, 2, &day->tm_sec) < 0)
        return -EINVAL;
    return day->tm_hour > 23 || day->tm_min > 59 || day->tm_sec > 60 ? -EINVAL : 0;
}

static int parse_fraction(struct text text, size_t *at, int *ret_ms)
{
    int scale = 100, digits = 0;

    *ret_ms = 0;
    if (*at >= text.size || text.data[*at] != '.') return 0;
    for (++*at; *at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at) {
        *ret_ms += (text.data[*at] - '0') * scale;
        scale /= 10;
        if (++digits > 9) return -EINVAL;
    }
    return digits > 0 ? 0 : -EINVAL;
}

static int parse_offset(struct text text, size_t *at, int *ret_seconds)
{
    int hours, minutes, sign;

    *ret_seconds = 0;
    if (literal(text, at, "Zz") == 0) return 0;
    if (*at >= text.size) return -EINVAL;
    sign = text.data[*at] == '-' ? -1 : 1;
    if (literal(text, at, "+-") < 0 || number(text, at, 2, &hours) < 0 ||
        literal(text, at, ":") < 0 || number(text, at, 2, &minutes) < 0)
        return -EINVAL;
    if (hours > 23 || minutes > 59) return -EINVAL;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return 0;
}

int wall_time_parse(struct text text, uint64_t *ret_ms)
{
    struct tm day = { 0 };
    int ms, offset;
    size_t at = 0;
    int64_t seconds;

    if (text.size <= 15 && text_to_u64(text, ret_ms) == 0) return 0;
    if (parse_day(text, &at, &day) < 0 || parse_clock(text, &at, &day) < 0 ||
        parse_fraction(text, &at, &ms) < 0 || parse_offset(text, &at, &offset) < 0 ||
        at != text.size)
        return -EINVAL;
    day.tm_year -= 1900;
    day.tm_mon -= 1;
    seconds = (int64_t)timegm(&day) - offset;
    if (seconds < 0) return -EINVAL;
    *ret_ms = (uint64_t)seconds * 1000 + (uint64_t)ms;
    return 0;
}
