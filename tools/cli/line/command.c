/* SPDX-License-Identifier: Apache-2.0 */
/* command.c: the tables of command.def and option.def, and looking things up in them. */
#include "tools/cli/line/command.h"

#include "common/base/check.h"
#include "tools/cli/cli.h"

#include <string.h>

static const struct option_row option_rows[OPTION_COUNT] = {
#define OPTION(id, name, letter, kind, value, field, says) \
    [OPTION_##id] = { name, letter, OPTION_IS_##kind, value, field, says },
#include "tools/cli/line/option.def"
#undef OPTION
};

#define LIST(...)  ((const enum option_id[]){ __VA_ARGS__, OPTION_NONE })
#define NO_OPTIONS ((const enum option_id[]){ OPTION_NONE })
#define ROW(noun, verb, function, least, most, arguments, needed, options, summary, about,  \
            example, is_hidden)                                                             \
    { noun,   verb,    command_##function, least, most, arguments, summary, about, example, \
      needed, options, is_hidden },
#define COMMAND(...)        ROW(__VA_ARGS__, false)
#define HIDDEN_COMMAND(...) ROW(__VA_ARGS__, true)

static const struct command rows[] = {
#include "tools/cli/line/command.def"
};

const enum option_id global_options[] = { OPTION_SERVER, OPTION_TOKEN,   OPTION_CA,  OPTION_JSON,
                                          OPTION_HELP,   OPTION_VERSION, OPTION_NONE };

const struct option_row *option_get(enum option_id id)
{
    CHECK(id > OPTION_NONE && id < OPTION_COUNT);
    return &option_rows[id];
}

bool option_takes_value(const struct option_row *row)
{
    return row->kind == OPTION_IS_VALUE || row->kind == OPTION_IS_MANY;
}

const struct command *commands(size_t *ret_count)
{
    *ret_count = ARRAY_COUNT(rows);
    return rows;
}

const struct command *command_find(struct text noun, struct text verb)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (!text_is_equal(text_of(rows[i].noun), noun)) continue;
        if (!rows[i].verb || text_is_equal(text_of(rows[i].verb), verb)) return &rows[i];
    }
    return NULL;
}

bool noun_exists(struct text noun)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (text_is_equal(text_of(rows[i].noun), noun)) return true;
    }
    return false;
}

static bool is_listed(const enum option_id *list, enum option_id id)
{
    while (*list != OPTION_NONE) {
        if (*list++ == id) return true;
    }
    return false;
}

bool command_needs(const struct command *command, enum option_id id)
{
    return is_listed(command->needed, id);
}

bool command_takes(const struct command *command, enum option_id id)
{
    return command_needs(command, id) || is_listed(command->options, id) ||
           is_listed(global_options, id);
}

/* Keeps the candidate that is nearest to what was typed, and near enough to be meant. */
struct nearest {
    struct text typed;
    const char *name;
    size_t distance;
};

static void consider(struct nearest *nearest, const char *candidate)
{
    size_t distance = text_distance(nearest->typed, text_of(candidate));
    size_t longest =
        strlen(candidate) > nearest->typed.size ? strlen(candidate) : nearest->typed.size;
    bool is_beginning =
        nearest->typed.size >= 2 && text_starts_with(text_of(candidate), nearest->typed);

    if (is_beginning) distance = 1;
    if (distance > longest / 3 + 1 || distance >= strlen(candidate)) return;
    if (nearest->name && distance >= nearest->distance) return;
    nearest->name = candidate;
    nearest->distance = distance;
}

const char *noun_nearest(struct text typed)
{
    struct nearest nearest = { .typed = typed };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (!rows[i].is_hidden) consider(&nearest, rows[i].noun);
    }
    return nearest.name;
}

const char *verb_nearest(struct text noun, struct text typed)
{
    struct nearest nearest = { .typed = typed };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].verb && text_is_equal(text_of(rows[i].noun), noun)) {
            consider(&nearest, rows[i].verb);
        }
    }
    return nearest.name;
}

const char *option_nearest(const struct command *command, struct text typed)
{
    struct nearest nearest = { .typed = typed };

    for (enum option_id id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
        bool is_taken = command ? command_takes(command, id) : is_listed(global_options, id);

        if (is_taken && option_rows[id].kind != OPTION_IS_HIDDEN) {
            consider(&nearest, option_rows[id].name);
        }
    }
    return nearest.name;
}
