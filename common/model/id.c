/* SPDX-License-Identifier: Apache-2.0 */
/* id.c: ids are kept as their text: they are compared, stored and shown far more often than
 * made. */
#include "common/model/id.h"

#include "common/base/random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TASK_ID_TIME_DIGITS = 11, TRACEPARENT_SIZE = 55 };

static bool is_hex(struct text text, size_t size)
{
    if (text.size != size) return false;
    for (size_t i = 0; i < size; i++) {
        char c = text.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return true;
}

static bool is_zero(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '0') return false;
    }
    return true;
}

static int parse(struct text text, size_t size, char *ret)
{
    if (!is_hex(text, size) || is_zero(text)) return -EINVAL;
    memcpy(ret, text.data, size);
    ret[size] = '\0';
    return 0;
}

int task_id_parse(struct text text, struct task_id *ret)
{
    return parse(text, TASK_ID_SIZE, ret->text);
}

int sample_id_parse(struct text text, struct sample_id *ret)
{
    return parse(text, SAMPLE_ID_SIZE, ret->text);
}

int trace_id_parse(struct text text, struct trace_id *ret)
{
    return parse(text, TRACE_ID_SIZE, ret->text);
}

int incarnation_parse(struct text text, uint64_t *ret)
{
    char digits[INCARNATION_SIZE + 1];

    if (parse(text, INCARNATION_SIZE, digits) < 0) return -EINVAL;
    if (sscanf(digits, "%16" SCNx64, ret) != 1) return -EINVAL;
    return 0;
}

struct task_id task_id_make(uint64_t wall_ms)
{
    struct task_id id;

    snprintf(id.text, sizeof id.text, "%011" PRIx64 "%09" PRIx64, wall_ms & UINT64_C(0xfffffffffff),
             random_u64() & UINT64_C(0xfffffffff));
    return id;
}

static void make_128(char *ret)
{
    snprintf(ret, 33, "%016" PRIx64 "%016" PRIx64, random_u64(), random_u64());
}

struct sample_id sample_id_make(void)
{
    struct sample_id id;

    make_128(id.text);
    return id;
}

struct trace_id trace_id_make(void)
{
    struct trace_id id;

    make_128(id.text);
    return id;
}

void incarnation_format(uint64_t incarnation, char ret[INCARNATION_SIZE + 1])
{
    snprintf(ret, INCARNATION_SIZE + 1, "%016" PRIx64, incarnation);
}

uint64_t task_id_wall_ms(const struct task_id *id)
{
    char digits[TASK_ID_TIME_DIGITS + 1];
    uint64_t ms = 0;

    memcpy(digits, id->text, TASK_ID_TIME_DIGITS);
    digits[TASK_ID_TIME_DIGITS] = '\0';
    if (sscanf(digits, "%" SCNx64, &ms) != 1) return 0;
    return ms;
}

/* version "-" trace-id "-" parent-id "-" flags: 2, 32, 16 and 2 hex digits. A version above 00
 * may have more behind its flags, after another "-". */
int traceparent_parse(struct text header, struct trace_id *ret)
{
    struct text version, trace, parent, flags;

    if (header.size < TRACEPARENT_SIZE) return -EINVAL;
    version = (struct text){ header.data, 2 };
    trace = (struct text){ header.data + 3, TRACE_ID_SIZE };
    parent = (struct text){ header.data + 36, 16 };
    flags = (struct text){ header.data + 53, 2 };
    if (header.data[2] != '-' || header.data[35] != '-' || header.data[52] != '-') return -EINVAL;
    if (!is_hex(version, 2) || text_is_equal(version, TEXT("ff"))) return -EINVAL;
    if (!is_hex(parent, 16) || is_zero(parent) || !is_hex(flags, 2)) return -EINVAL;
    if (header.size > TRACEPARENT_SIZE &&
        (text_is_equal(version, TEXT("00")) || header.data[TRACEPARENT_SIZE] != '-'))
        return -EINVAL;
    return trace_id_parse(trace, ret);
}
