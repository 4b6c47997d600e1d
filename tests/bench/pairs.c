/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.c: the interval of a median, by counting.
 *
 * Each ratio lies below the true median with probability one half, as a coin falls. Of n sorted
 * ratios, those with the numbers k+1 and n-k therefore enclose it unless k or fewer coins, or n-k
 * or more, show heads. The largest k for which that happens at most once in 40 times on each side
 * gives an interval of at least 95 %. */
#include "tests/bench/pairs.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIDE 0.025 /* what may lie outside, on each side */

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

double pairs_quantile(double *values, uint32_t count, double share)
{
    uint32_t at = (uint32_t)ceil(share * count);

    CHECK(count > 0);
    qsort(values, count, sizeof *values, by_value);
    return values[at > 0 ? at - 1 : 0];
}

static double median_sorted(const double *values, uint32_t count)
{
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The median, and what 99 of 100 do not exceed. */
static void describe(const double *values, uint32_t count, double *ret_median, double *ret_p99)
{
    double *sorted = mem_alloc(count * sizeof *sorted);

    memcpy(sorted, values, count * sizeof *sorted);
    *ret_p99 = pairs_quantile(sorted, count, 0.99);
    *ret_median = median_sorted(sorted, count);
    free(sorted);
}

/* How many of the sorted ratios are outside of the interval, on each side; -1: too few pairs. */
static int outside_count(uint32_t count)
{
    double chance = pow(0.5, count), sum = chance; /* of exactly, and of at most, `k` heads */
    int k = 0;

    if (sum > SIDE) return -1;
    while (sum <= SIDE) {
        k++;
        chance *= (double)(count - (uint32_t)k + 1) / k;
        sum += chance;
    }
    return k - 1;
}

void pairs_of(const double *subject, const double *yardstick, uint32_t count,
              struct pairs_ratio *ret)
{
    double *ratios = mem_alloc(count * sizeof *ratios);
    int outside = outside_count(count);

    CHECK(count > 0 && count <= PAIRS_COUNT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(subject[i] > 0 && yardstick[i] > 0);
        ratios[i] = subject[i] / yardstick[i];
    }
    qsort(ratios, count, sizeof *ratios, by_value);
    *ret = (struct pairs_ratio){
        .count = count,
        .median = median_sorted(ratios, count),
        .low = outside < 0 ? 0 : ratios[outside],
        .high = outside < 0 ? INFINITY : ratios[count - 1 - (uint32_t)outside],
    };
    describe(subject, count, &ret->subject, &ret->subject_p99);
    describe(yardstick, count, &ret->yardstick, &ret->yardstick_p99);
    free(ratios);
}

void pairs_run(const struct pairs_options *options, struct pairs_ratio *ret)
{
    double *subject = mem_alloc(options->count * sizeof *subject);
    double *yardstick = mem_alloc(options->count * sizeof *yardstick);
    struct pairs_busy before, after;

    options->yardstick(options->context);
    options->subject(options->context);
    before = pairs_busy_read();
    for (uint32_t i = 0; i < options->count; i++) {
        if (i % 2 == 0) subject[i] = options->subject(options->context);
        yardstick[i] = options->yardstick(options->context);
        if (i % 2 != 0) subject[i] = options->subject(options->context);
    }
    after = pairs_busy_read();
    pairs_of(subject, yardstick, options->count, ret);
    ret->others = pairs_busy_others(&before, &after);
    free(subject);
    free(yardstick);
}

enum pairs_verdict pairs_verdict(const struct pairs_ratio *ratio, double bar)
{
    if (ratio->count < PAIRS_COUNT_MIN) return PAIRS_UNDECIDED;
    if (ratio->high <= bar) return PAIRS_MET;
    return ratio->low > bar ? PAIRS_MISSED : PAIRS_UNDECIDED;
}

void pairs_print(const char *says, const struct pairs_ratio *ratio, double bar)
{
    static const char *const verdicts[] = { "met", "missed", "undecided" };

    printf("%-36s %.3f (%.3f to %.3f), bar %.3g: %s\n", says, ratio->median, ratio->low,
           ratio->high, bar, verdicts[pairs_verdict(ratio, bar)]);
    printf("%-36s medians %.4g and %.4g, p99 %.4g and %.4g, %u pairs, others took %.0f %%\n", "",
           ratio->subject, ratio->yardstick, ratio->subject_p99, ratio->yardstick_p99, ratio->count,
           100 * ratio->others);
}

void pairs_print_worse(const struct pairs_ratio *ratio)
{
    const char *verdict = ratio->low <= 1 ? "met" : "missed";

    if (ratio->count < PAIRS_COUNT_MIN) verdict = "undecided";
    printf("%-36s not worse, as far as 95 %% can tell: %s\n", "", verdict);
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

struct pairs_busy pairs_busy_read(void)
{
    unsigned long long user = 0, nice = 0, system = 0, idle, wait, irq = 0, soft = 0, steal = 0;
    struct rusage own;
    FILE *stat = fopen("/proc/stat", "re");

    if (stat) {
        if (fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
                   &idle, &wait, &irq, &soft, &steal) != 8)
            user = 0;
        fclose(stat);
    }
    getrusage(RUSAGE_SELF, &own);
    return (struct pairs_busy){
        .machine_s =
            (double)(user + nice + system + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK),
        .own_s = seconds_of(&own.ru_utime) + seconds_of(&own.ru_stime),
        .at_s = (double)clock_monotonic_ns() / 1e9,
    };
}

double pairs_busy_others(const struct pairs_busy *before, const struct pairs_busy *after)
{
    double capacity_s = (after->at_s - before->at_s) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    double others_s = after->machine_s - before->machine_s - (after->own_s - before->own_s);

    return others_s > 0 && capacity_s > 0 ? others_s / capacity_s : 0;
}
