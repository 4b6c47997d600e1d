/* SPDX-License-Identifier: Apache-2.0 */
/* completion.c: a script for bash, written from the tables: nouns, then verbs, then the options of
 * the command, then the words that an option's value can be. It asks no scheduler, so that a key
 * press never waits for the network.
 *
 * bash breaks words at '=' (COMP_WORDBREAKS), so that "--state=F" is three of them, unless it was
 * told otherwise, when it is one whose beginning must be among the answers. */
#include "tools/cli/line/help.h"

#include "common/base/check.h"

#include <string.h>

/* The values that can be listed. An empty list: a file's name. */
static const struct {
    enum option_id id;
    const char *words;
} values[] = {
    { OPTION_DURATION, "5m 10m 15m" },
    { OPTION_THRESHOLD, "100ms 250ms 500ms 1s p50 p90 p99" },
    { OPTION_FREQUENCY, "10ms 20ms 50ms 100ms" },
    { OPTION_STATE, "SCHEDULED ACTIVE EXPIRED FILLED CANCELLED" },
    { OPTION_SINCE, "15m 1h 24h 7d" },
    { OPTION_UNTIL, "15m 1h 24h 7d" },
    { OPTION_LAST, "1m 5m 15m" },
    { OPTION_FORMAT, "json folded speedscope pprof svg" },
    { OPTION_OUTPUT, "" },
    { OPTION_TOKEN_FILE, "" },
};

static void put_values(struct buf *to)
{
    (void)buf_text(to, TEXT("    case $previous in\n"));
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        const struct option_row *row = option_get(values[i].id);

        (void)buf_printf(to, "        --%s", row->name);
        if (row->letter) (void)buf_printf(to, "|-%c", row->letter);
        if (*values[i].words) {
            (void)buf_printf(to,
                             ") COMPREPLY=($(compgen -P \"$prefix\" -W '%s' -- \"$current\")); "
                             "return ;;\n",
                             values[i].words);
        } else {
            (void)buf_text(to, TEXT(") compopt -o filenames 2>/dev/null; "
                                    "COMPREPLY=($(compgen -P \"$prefix\" -f -- \"$current\")); "
                                    "return ;;\n"));
        }
    }
    (void)buf_text(to, TEXT("    esac\n"));
}

/* One name may have several rows, of which each command takes one at most. */
static bool is_first_of_name(enum option_id id)
{
    for (enum option_id before = OPTION_NONE + 1; before < id; before++) {
        if (strcmp(option_get(before)->name, option_get(id)->name) == 0) return false;
    }
    return true;
}

/* Words that take a value: what follows them is neither noun nor verb. */
static void put_takers(struct buf *to)
{
    const char *separator = "";

    (void)buf_text(to, TEXT("            "));
    for (enum option_id id = OPTION_NONE + 1; id < OPTION_COUNT; id++) {
        const struct option_row *row = option_get(id);

        if (!option_takes_value(row) || !is_first_of_name(id)) continue;
        (void)buf_printf(to, "%s--%s", separator, row->name);
        separator = "|";
        if (row->letter) (void)buf_printf(to, "|-%c", row->letter);
    }
    (void)buf_text(to, TEXT(") skip=1 ;;\n"));
}

static bool is_first_of_noun(const struct command *rows, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(rows[i].noun, rows[index].noun) == 0) return false;
    }
    return true;
}

static void put_nouns(struct buf *to)
{
    size_t count;
    const struct command *rows = commands(&count);

    for (size_t i = 0; i < count; i++) {
        if (!rows[i].is_hidden && is_first_of_noun(rows, i)) {
            (void)buf_printf(to, " %s", rows[i].noun);
        }
    }
}

static void put_verbs(const char *noun, struct buf *to)
{
    size_t count;
    const struct command *rows = commands(&count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].noun, noun) == 0 && rows[i].verb) {
            (void)buf_printf(to, " %s", rows[i].verb);
        }
    }
}

static void put_option_words(const enum option_id *ids, struct buf *to)
{
    for (; *ids != OPTION_NONE; ids++) {
        if (option_get(*ids)->kind != OPTION_IS_HIDDEN) {
            (void)buf_printf(to, " --%s", option_get(*ids)->name);
        }
    }
}

static void put_words(struct buf *to)
{
    size_t count;
    const struct command *rows = commands(&count);

    (void)buf_text(to, TEXT("    case \"$noun $verb\" in\n        ' ') words=\""));
    put_nouns(to);
    put_option_words(global_options, to);
    (void)buf_text(to, TEXT("\" ;;\n"));
    for (size_t i = 0; i < count; i++) {
        if (rows[i].is_hidden) continue;
        (void)buf_printf(to, "        '%s %s') words=\"", rows[i].noun,
                         rows[i].verb ? rows[i].verb : "");
        put_option_words(rows[i].needed, to);
        put_option_words(rows[i].options, to);
        put_option_words(global_options, to);
        (void)buf_text(to, TEXT("\" ;;\n"));
    }
    for (size_t i = 0; i < count; i++) {
        if (rows[i].is_hidden || !rows[i].verb || !is_first_of_noun(rows, i)) continue;
        (void)buf_printf(to, "        '%s ') words=\"", rows[i].noun);
        put_verbs(rows[i].noun, to);
        (void)buf_text(to, TEXT("\" ;;\n"));
    }
    (void)buf_text(to, TEXT("    esac\n"));
}

void completion_bash(struct buf *to)
{
    (void)buf_text(to,
                   TEXT("# bash completion for stakeout, written by 'stakeout completion bash'\n"
                        "_stakeout()\n"
                        "{\n"
                        "    local current=${COMP_WORDS[COMP_CWORD]}\n"
                        "    local previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                        "    local noun= verb= help= skip= prefix= words= i\n"
                        "    COMPREPLY=()\n"
                        "    if [[ $current == = ]]; then current=\n"
                        "    elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}\n"
                        "    elif [[ $current == --*=* ]]; then\n"
                        "        previous=${current%%=*} prefix=${current%%=*}=\n"
                        "        current=${current#*=}\n"
                        "    fi\n"));
    put_values(to);
    (void)buf_text(to, TEXT("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                            "        if [[ ${COMP_WORDS[i]} == = ]]; then continue; fi\n"
                            "        if [[ $skip ]]; then skip=; continue; fi\n"
                            "        case ${COMP_WORDS[i]} in\n"));
    put_takers(to);
    (void)buf_text(to, TEXT("            -*) ;;\n"
                            "            help) if [[ $noun ]]; then verb=help; else help=1; fi ;;\n"
                            "            *) if [[ ! $noun ]]; then noun=${COMP_WORDS[i]}\n"
                            "               elif [[ ! $verb ]]; then verb=${COMP_WORDS[i]}; fi ;;\n"
                            "        esac\n"
                            "    done\n"));
    put_words(to);
    (void)buf_text(to, TEXT("    if [[ $help ]]; then words=${words%% --*}; fi\n"
                            "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
                            "}\n"
                            "complete -F _stakeout stakeout\n"));
}
