/* SPDX-License-Identifier: Apache-2.0 */
/* format.c: figures as people read them. Every rounding happens before a unit is chosen, so that
 * 999.6 ms is "1.00 s" and never "1000 ms". */
#include "tools/cli/screen/format.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* How many decimals leave three digits, and the value rounded to them. */
static int three_digits(double *value)
{
    int decimals = *value < 9.995 ? 2 : *value < 99.95 ? 1 : 0;
    double scale = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;

    *value = round(*value * scale) / scale;
    return decimals;
}

static void put_three_digits(double value, struct buf *to)
{
    int decimals = three_digits(&value);

    (void)buf_printf(to, "%.*f", decimals, value);
}

void format_time(const struct screen *screen, double ms, struct buf *to)
{
    if (isnan(ms)) {
        (void)buf_text(to, text_of(screen_unknown(screen)));
    } else if (ms <= 0) {
        (void)buf_text(to, TEXT("0"));
    } else if (ms < 0.9995) {
        (void)buf_printf(to, "%.0f %ss", fmax(1, round(ms * 1000)), screen_micro(screen));
    } else if (ms < 999.5) {
        put_three_digits(ms, to);
        (void)buf_text(to, TEXT(" ms"));
    } else if (ms < 59950) {
        put_three_digits(ms / 1000, to);
        (void)buf_text(to, TEXT(" s"));
    } else {
        uint64_t seconds = (uint64_t)llround(fmin(ms, 1e15) / 1000);

        (void)buf_printf(to, "%ju min", (uintmax_t)(seconds / 60));
        if (seconds % 60) (void)buf_printf(to, " %ju s", (uintmax_t)(seconds % 60));
    }
}

static void put_grouped(uint64_t value, struct buf *to)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%ju", (uintmax_t)value);

    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) (void)buf_append(to, ",", 1);
        (void)buf_append(to, &digits[i], 1);
    }
}

static uint64_t whole(double value)
{
    return (uint64_t)llround(fmin(fmax(value, 0), 1e15));
}

void format_column_ms(const struct screen *screen, double ms, struct buf *to)
{
    if (isnan(ms)) {
        (void)buf_text(to, text_of(screen_unknown(screen)));
    } else if (ms > 0 && ms < 0.5) {
        (void)buf_text(to, TEXT("<1"));
    } else {
        put_grouped(whole(ms), to);
    }
}

void format_setting(const struct screen *screen, double ms, struct buf *to)
{
    format_column_ms(screen, ms, to);
    (void)buf_text(to, TEXT(" ms"));
}

void format_column_fine_ms(const struct screen *screen, double ms, struct buf *to)
{
    static const char *const pads[] = { "   ", " ", "" };
    int decimals;

    if (isnan(ms)) {
        (void)buf_printf(to, "%s   ", screen_unknown(screen));
        return;
    }
    if (ms > 0 && ms < 0.005) {
        (void)buf_text(to, TEXT("<0.01"));
        return;
    }
    decimals = ms > 0 ? three_digits(&ms) : 0;
    if (decimals == 0) {
        put_grouped(whole(ms), to);
    } else {
        (void)buf_printf(to, "%.*f", decimals, ms);
    }
    (void)buf_text(to, text_of(pads[decimals]));
}

void format_column_difference_ms(const struct screen *screen, double ms, struct buf *to)
{
    if (isnan(ms)) {
        (void)buf_text(to, text_of(screen_unknown(screen)));
        return;
    }
    if (fabs(ms) < 0.5) {
        (void)buf_text(to, TEXT("0"));
        return;
    }
    (void)buf_text(to, text_of(ms > 0 ? "+" : screen->has_utf8 ? "\u2212" : "-"));
    put_grouped(whole(fabs(ms)), to);
}

void format_share(double part, double whole_value, struct buf *to)
{
    double percent = whole_value > 0 ? part / whole_value * 100 : 0;

    if (percent <= 0) {
        (void)buf_text(to, TEXT("0 %"));
    } else if (percent < 0.05) {
        (void)buf_text(to, TEXT("<0.1 %"));
    } else if (percent >= 100 - 1e-9) {
        (void)buf_text(to, TEXT("100 %"));
    } else {
        (void)buf_printf(to, "%.1f %%", fmin(percent, 99.9));
    }
}

void format_count(uint64_t count, struct buf *to)
{
    double value = (double)count;

    if (count <= 99999) {
        put_grouped(count, to);
    } else if (value < 999500) {
        (void)buf_printf(to, "%.0f k", value / 1e3);
    } else if (value < 999.5e6) {
        put_three_digits(value / 1e6, to);
        (void)buf_text(to, TEXT(" M"));
    } else {
        put_grouped(whole(value / 1e6), to);
        (void)buf_text(to, TEXT(" M"));
    }
}

void format_nouns(uint64_t count, const char *noun, struct buf *to)
{
    format_count(count, to);
    (void)buf_printf(to, " %s%s", noun, count == 1 ? "" : "s");
}

void format_left(uint64_t left_ms, struct buf *to)
{
    uint64_t seconds = (left_ms + 999) / 1000;
    uint64_t minutes = seconds / 60;

    if (minutes >= 1440) {
        format_nouns(minutes / 1440, "day", to);
    } else if (minutes >= 60) {
        (void)buf_printf(to, "%ju:%02ju:%02ju", (uintmax_t)(minutes / 60),
                         (uintmax_t)(minutes % 60), (uintmax_t)(seconds % 60));
    } else {
        (void)buf_printf(to, "%ju:%02ju", (uintmax_t)minutes, (uintmax_t)(seconds % 60));
    }
}

void format_clock(uint64_t wall_ms, bool has_ms, struct buf *to)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[32];
    struct tm parts;

    if (!localtime_r(&seconds, &parts)) return;
    if (strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) == 0) return;
    (void)buf_text(to, text_of(text));
    if (has_ms) (void)buf_printf(to, ".%03u", (unsigned)(wall_ms % 1000));
}

void format_zone(uint64_t wall_ms, struct buf *to)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[32];
    struct tm parts;

    if (!localtime_r(&seconds, &parts)) return;
    if (strftime(text, sizeof text, "%Z", &parts) == 0) return;
    (void)buf_text(to, text_of(text));
}

void format_ago(uint64_t ago_ms, struct buf *to)
{
    uintmax_t seconds = ago_ms / 1000;

    if (seconds < 1) {
        (void)buf_text(to, TEXT("now"));
    } else if (seconds < 60) {
        (void)buf_printf(to, "%ju s", seconds);
    } else if (seconds < 3600) {
        (void)buf_printf(to, "%ju min", seconds / 60);
    } else if (seconds < 172800) {
        (void)buf_printf(to, "%ju h", seconds / 3600);
    } else {
        format_nouns(seconds / 86400, "day", to);
    }
}
