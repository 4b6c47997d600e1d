/* SPDX-License-Identifier: Apache-2.0 */
/* token_order.c: words first, then what they must be for their verb: an option that a verb does
 * not have is refused, never passed over. */
#include "scheduler/token_order.h"

#include "common/base/check.h"
#include "common/model/task_spec.h"
#include "scheduler/access/access.h"
#include "scheduler/store/store.h"

#include <errno.h>
#include <string.h>

#define MINUTE_MS ((uint64_t)60 * 1000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

static const uint64_t expires_ms_max = 3650 * DAY_MS, grace_ms_max = 30 * DAY_MS;

/* "90d": a whole number of s, m, h or d. */
static int parse_time(struct text value, uint64_t *ret_ms)
{
    static const struct {
        char unit;
        uint64_t ms;
    } units[] = { { 's', 1000 }, { 'm', MINUTE_MS }, { 'h', HOUR_MS }, { 'd', DAY_MS } };
    uint64_t number;

    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (value.size < 2 || value.data[value.size - 1] != units[i].unit) continue;
        value.size--;
        if (text_to_u64(value, &number) < 0 || number > UINT64_MAX / units[i].ms) return -EINVAL;
        *ret_ms = number * units[i].ms;
        return 0;
    }
    return -EINVAL;
}

static int read_expires(struct text value, struct token_order *order, struct problem *problem)
{
    uint64_t ms;

    if (parse_time(value, &ms) == 0 && ms >= MINUTE_MS && ms <= expires_ms_max) {
        order->expires_ms = ms;
        return 0;
    }
    return problem_set_field(problem, "expires",
                             "--expires is '%.32s'; it must be a time from 1m to 3650d, such as "
                             "90d or 12h.",
                             value.data);
}

static int read_grace(struct text value, struct token_order *order, struct problem *problem)
{
    uint64_t ms;

    if (parse_time(value, &ms) == 0 && ms <= grace_ms_max) {
        order->grace_ms = ms;
        return 0;
    }
    return problem_set_field(problem, "grace",
                             "--grace is '%.32s'; it must be a time from 0s to 30d, such as 1h.",
                             value.data);
}

static int read_application(struct text value, struct token_order *order, struct problem *problem)
{
    if (application_check(value, problem) < 0) return -1;
    if (order->application_count == SCOPE_COUNT_MAX)
        return problem_set_field(problem, "application",
                                 "A token is for at most %d applications; without --application it "
                                 "is for all.",
                                 SCOPE_COUNT_MAX);
    order->applications[order->application_count++] = value;
    return 0;
}

static int read_role(struct text value, struct token_order *order, struct problem *problem)
{
    enum http_role role;

    if (role_parse(value, &role) < 0)
        return problem_set_field(problem, "role",
                                 "The role '%.32s' is not known; it must be viewer, operator or "
                                 "probe.",
                                 value.data);
    order->role = value.data;
    return 0;
}

static const struct {
    const char *name;
    unsigned verbs; /* that have it, as bits */
    int (*read)(struct text value, struct token_order *order, struct problem *problem);
} options[] = {
    { "--role", 1u << TOKEN_CREATE, read_role },
    { "--application", 1u << TOKEN_CREATE, read_application },
    { "--expires", 1u << TOKEN_CREATE, read_expires },
    { "--grace", 1u << TOKEN_ROTATE, read_grace },
};

/* Returns how many words the option took, or -1 with *problem. */
static int read_option(const char *const *words, int count, struct token_order *order,
                       struct problem *problem)
{
    size_t size = strcspn(words[0], "=");
    bool is_joined = words[0][size] == '=';
    const char *value = is_joined ? words[0] + size + 1 : count > 1 ? words[1] : NULL;

    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        if (strlen(options[i].name) != size || memcmp(options[i].name, words[0], size) != 0)
            continue;
        if ((options[i].verbs & 1u << order->verb) == 0) break;
        if (!value)
            return problem_set(problem, PROBLEM_BAD_REQUEST, "%s needs a value.", options[i].name);
        if (options[i].read(text_of(value), order, problem) < 0) return -1;
        return is_joined ? 1 : 2;
    }
    return problem_set(problem, PROBLEM_BAD_REQUEST,
                       "%.*s is not an option here; 'stakeoutd "
                       "--help' lists them.",
                       size < 32 ? (int)size : 32, words[0]);
}

static int refuse_usage(struct problem *problem)
{
    return problem_set(problem, PROBLEM_BAD_REQUEST,
                       "The commands are: stakeoutd token create NAME --role viewer|operator|probe "
                       "[--application A]... [--expires TIME], stakeoutd token list, stakeoutd "
                       "token rotate NAME [--grace TIME], stakeoutd token revoke NAME.");
}

static int read_verb(const char *word, enum token_verb *ret)
{
    static const char *const verbs[] = { "create", "rotate", "revoke", "list" };

    for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
        if (strcmp(verbs[i], word) != 0) continue;
        *ret = (enum token_verb)i;
        return 0;
    }
    return -EINVAL;
}

static int check_name(const char *name, struct problem *problem)
{
    if (*name && author_check(text_of(name), problem) == 0) return 0;
    return problem_set_field(problem, "name",
                             "A token's name must be 1 to %d bytes of printable UTF-8.",
                             TOKEN_NAME_SIZE_MAX);
}

/* What stood there without "--": ROLE NAME, NAME, or nothing. */
static int check_words(struct token_order *order, const char *const *plain, int count,
                       struct problem *problem)
{
    bool is_short = order->verb == TOKEN_CREATE && !order->role && count == 2;

    if (is_short && read_role(text_of(plain[0]), order, problem) < 0) return -1;
    if (order->verb == TOKEN_LIST) return count == 0 ? 0 : refuse_usage(problem);
    if (count != (is_short ? 2 : 1)) return refuse_usage(problem);
    if (order->verb == TOKEN_CREATE && !order->role) return refuse_usage(problem);
    order->name = plain[count - 1];
    return check_name(order->name, problem);
}

int token_order_read(const char *const *words, int count, struct token_order *ret,
                     struct problem *problem)
{
    enum { PLAIN_MAX = 3 };
    struct token_order order = { .grace_ms = HOUR_MS };
    const char *plain[PLAIN_MAX];
    int plain_count = 0;

    if (count == 0 || read_verb(words[0], &order.verb) < 0) return refuse_usage(problem);
    for (int i = 1, taken; i < count; i += taken) {
        taken = 1;
        if (strncmp(words[i], "--", 2) == 0)
            taken = read_option(words + i, count - i, &order, problem);
        else if (plain_count == PLAIN_MAX)
            return refuse_usage(problem);
        else
            plain[plain_count++] = words[i];
        if (taken < 0) return -1;
    }
    if (check_words(&order, plain, plain_count, problem) < 0) return -1;
    *ret = order;
    return 0;
}
