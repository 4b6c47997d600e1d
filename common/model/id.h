/* SPDX-License-Identifier: Apache-2.0 */
/* id.h: the identities of things, and their text forms.
 *
 *     task id      20 lower-case hex: 11 of its creation in ms since 1970, 9 random.
 *                  Order of the text is order of creation.
 *     sample id    32 lower-case hex: 128 random bits, made by the probe.
 *     trace ID     32 lower-case hex, not all zero (W3C Trace Context).
 *     incarnation  16 lower-case hex: 64 random bits per process, never 0.
 *
 * An id that is not of its form is not an id: is_valid() is asked at every door, so that no id
 * can ever be a path or a key of another kind. */
#ifndef STAKEOUT_COMMON_MODEL_ID_H
#define STAKEOUT_COMMON_MODEL_ID_H

#include "common/base/text.h"

enum { TASK_ID_SIZE = 20, SAMPLE_ID_SIZE = 32, TRACE_ID_SIZE = 32, INCARNATION_SIZE = 16 };

struct task_id {
    char text[TASK_ID_SIZE + 1];
};

struct sample_id {
    char text[SAMPLE_ID_SIZE + 1];
};

struct trace_id {
    char text[TRACE_ID_SIZE + 1];
};

/* Each returns 0 and fills *ret, or -EINVAL and leaves it alone. */
int task_id_parse(struct text text, struct task_id *ret);
int sample_id_parse(struct text text, struct sample_id *ret);
int trace_id_parse(struct text text, struct trace_id *ret);
int incarnation_parse(struct text text, uint64_t *ret);

/* Makes new ones from random_u64() and, for tasks, the creation time. */
struct task_id task_id_make(uint64_t wall_ms);
struct sample_id sample_id_make(void);
struct trace_id trace_id_make(void);
void incarnation_format(uint64_t incarnation, char ret[INCARNATION_SIZE + 1]);

/* The creation time within a task id, ms since 1970. */
uint64_t task_id_wall_ms(const struct task_id *id);

/* Reads a W3C `traceparent` header. Returns 0, or -EINVAL for anything that the recommendation
 * tells a receiver to ignore (wrong length, version ff, zero ids, upper case). */
int traceparent_parse(struct text header, struct trace_id *ret);

#endif
