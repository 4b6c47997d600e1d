/* SPDX-License-Identifier: Apache-2.0 */
/* task_spec.h: what a task orders, its rules, and what it matches.
 *
 *     struct task_spec spec = TASK_SPEC_DEFAULT;
 *     ... fill it ...
 *     if (task_spec_check(&spec, now_wall_ms, &problem) < 0) refuse with problem.detail
 *
 * The rules stand in one table (task_spec.c) that also writes the sentences, the API's
 * description and the CLI's help. */
#ifndef STAKEOUT_COMMON_MODEL_TASK_SPEC_H
#define STAKEOUT_COMMON_MODEL_TASK_SPEC_H

#include "common/base/text.h"
#include "common/model/limits.h"

struct problem;

enum task_state {
    TASK_SCHEDULED,
    TASK_ACTIVE,
    TASK_EXPIRED, /* final, like the two below */
    TASK_FILLED,
    TASK_CANCELLED,
    TASK_STATE_COUNT
};

/* Where a threshold came from. */
enum threshold_from {
    THRESHOLD_FROM_MS, /* given in ms */
    THRESHOLD_FROM_P50,
    THRESHOLD_FROM_P90,
    THRESHOLD_FROM_P99,
};

struct task_spec {
    char application[APPLICATION_SIZE_MAX + 1];
    char interface[INTERFACE_SIZE_MAX + 1]; /* exact, or a prefix that ends in '*' */
    int64_t duration_min;
    int64_t threshold_ms; /* after resolution of a percentile */
    enum threshold_from threshold_from;
    int64_t frequency_ms;
    int64_t sample_cap;
    uint64_t start_wall_ms; /* 0: now */
    bool lookback;          /* looks before the threshold, too */
    char note[NOTE_SIZE_MAX + 1];
    char author[AUTHOR_SIZE_MAX + 1];
    uint32_t instance_count;
    char instances[TASK_INSTANCES_MAX][INSTANCE_SIZE_MAX + 1]; /* host names, IPs or instances */
};

#define TASK_SPEC_DEFAULT \
    ((struct task_spec){ .frequency_ms = FREQUENCY_MS_DEFAULT, .sample_cap = SAMPLE_CAP_DEFAULT })

/* Returns 0, or -1 with *problem naming field, value and what is accepted. */
int task_spec_check(const struct task_spec *spec, uint64_t now_wall_ms, struct problem *problem);

/* A field of an order, as the API's description, the CLI's help and the documents list it. */
enum task_field_kind {
    TASK_FIELD_TEXT,    /* minimum and maximum count bytes */
    TASK_FIELD_TEXTS,   /* a list; minimum and maximum count its elements */
    TASK_FIELD_INTEGER, /* minimum and maximum are values */
    TASK_FIELD_CHOICE,  /* an integer, one of `choices` */
    TASK_FIELD_TIME,
    TASK_FIELD_FLAG,
};

struct task_field {
    const char *name; /* as in the API: "threshold_ms" */
    enum task_field_kind kind;
    bool is_required;
    int64_t minimum, maximum;
    int64_t fallback;       /* an INTEGER's or FLAG's value if it is not given */
    const int64_t *choices; /* a CHOICE's, rising, a zero behind them; otherwise NULL */
    const char *accepts;    /* completes "it must be ..." */
    const char *says;       /* what it is for, a phrase */
};

/* All fields of a new task in the order of the API; ret_count is how many. */
const struct task_field *task_fields(size_t *ret_count);
const struct task_field *task_field_find(struct text name); /* NULL: there is none */

/* The single rules, for doors that read a field before the whole is there (the CLI's flags, a
 * query's filters). `value` is as given, possibly too long. Return as task_spec_check(). */
int application_check(struct text value, struct problem *problem);
int interface_check(struct text value, struct problem *problem);      /* a pattern is fine */
int interface_name_check(struct text value, struct problem *problem); /* reported: no '*' */
int duration_check(int64_t minutes, struct problem *problem);
int threshold_check(int64_t ms, struct problem *problem);
int frequency_check(int64_t ms, struct problem *problem);
int sample_cap_check(int64_t count, struct problem *problem);
int start_check(uint64_t wall_ms, uint64_t now_wall_ms, struct problem *problem);
int note_check(struct text value, struct problem *problem);
int instance_check(struct text value, struct problem *problem);      /* one of 'instances' */
int instance_name_check(struct text value, struct problem *problem); /* of itself: 'instance' */
int author_check(struct text value, struct problem *problem);

/* As a name for task_field_refuse(): one element of the field 'instances'. */
#define TASK_INSTANCES_ELEMENT "instances[]"

/* The sentence for a value of the wrong type or form, given as it was written: "'threshold_ms'
 * is \"fast\"; it must be 50 to 30000." A value that cannot be shown is left out. Returns -1. */
int task_field_refuse(const char *name, struct text given, struct problem *problem);

/* Does a pattern (exact, or a prefix that ends in '*') match a reported name? */
bool interface_matches(struct text pattern, struct text name);

/* Is there a name that both patterns could match? */
bool interfaces_overlap(struct text left, struct text right);

/* May this instance see the task? By its name, its host's name (the part of the name before the
 * last ':'), or its host's IP; every instance may if none is listed. */
bool task_spec_admits(const struct task_spec *spec, struct text instance, struct text host_ip);

const char *task_state_name(enum task_state state);           /* "ACTIVE" */
int task_state_parse(struct text text, enum task_state *ret); /* 0 or -EINVAL */
bool task_state_is_final(enum task_state state);
bool task_may_move(enum task_state from, enum task_state to);
const char *threshold_from_name(enum threshold_from from); /* "ms", "p50", "p90", "p99" */

/* The next allowed duration after this one, in minutes; 0 if this is the longest. */
int64_t duration_next(int64_t minutes);

#endif
