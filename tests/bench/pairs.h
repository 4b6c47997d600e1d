/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.h: is it within a bar of its yardstick? Interleaved pairs, and an interval for their ratio.
 *
 *     struct pairs_ratio ratio;
 *     pairs_run(&(struct pairs_options){ .subject = walk_ours, .yardstick = walk_libunwind,
 *                                        .context = &bench, .count = 24 }, &ratio);
 *     pairs_print("30 frames, warm", &ratio, 0.05);
 *
 * A machine's speed drifts, and what others do disturbs; a ratio of two medians of different
 * minutes says nothing. So each pair measures both within a moment, in turns that change (AB, BA,
 * AB, ...), and only ratios within pairs are compared. The interval is that of the median, from the
 * order of the ratios alone: it holds whatever their distribution is.
 *
 * A measurement is any figure of which less is better (ns per walk, CPU per request). It should
 * itself last some milliseconds, or be a median. Threads: one. */
#ifndef STAKEOUT_TESTS_BENCH_PAIRS_H
#define STAKEOUT_TESTS_BENCH_PAIRS_H

#include <stdint.h>

enum {
    PAIRS_COUNT_MIN = 20, /* fewer, and there is no verdict */
    PAIRS_COUNT_MAX = 1000,
};

/* Measures once. Returns a positive figure. */
typedef double (*pairs_measure_fn)(void *context);

struct pairs_options {
    pairs_measure_fn subject, yardstick;
    void *context;
    uint32_t count; /* pairs, up to PAIRS_COUNT_MAX */
};

struct pairs_ratio {
    uint32_t count;
    double median;             /* of subject / yardstick, over the pairs */
    double low, high;          /* the 95 % interval of that median; 0 and infinity: too few pairs */
    double subject, yardstick; /* medians of the measurements themselves */
    double subject_p99, yardstick_p99;
    double others; /* share of the machine's CPU time that others took, 0 to 1 */
};

enum pairs_verdict { PAIRS_MET, PAIRS_MISSED, PAIRS_UNDECIDED };

/* One pair of each is measured before, and not counted: caches, page faults. */
void pairs_run(const struct pairs_options *options, struct pairs_ratio *ret);

/* The same of measurements that were made elsewhere, alternately; `others` is left at 0. */
void pairs_of(const double *subject, const double *yardstick, uint32_t count,
              struct pairs_ratio *ret);

/* Met: the whole interval is at or below the bar. Missed: all of it is above. */
enum pairs_verdict pairs_verdict(const struct pairs_ratio *ratio, double bar);

/* Two lines: the ratio, its interval, bar and verdict; medians, p99s and what others took. */
void pairs_print(const char *says, const struct pairs_ratio *ratio, double bar);

/* One more line: is the subject worse than the yardstick? Only an interval that lies above 1 says
 * that it is. */
void pairs_print_worse(const struct pairs_ratio *ratio);

/* Sorts `values`, and returns the one that a share of them (0.5, 0.99) does not exceed. */
double pairs_quantile(double *values, uint32_t count, double share);

/* What the machine's CPUs did, and how much of it was ours, since the process began. */
struct pairs_busy {
    double machine_s, own_s, at_s;
};
struct pairs_busy pairs_busy_read(void);
double pairs_busy_others(const struct pairs_busy *before, const struct pairs_busy *after);

#endif
