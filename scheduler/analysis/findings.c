/* SPDX-License-Identifier: Apache-2.0 */
/* findings.c: groups that matter, as sentences.
 *
 *     Waited 1.68 s of 2.31 s for mutex cart_lock in Inventory::reserve (inventory.cc:214).
 *     |----| |------------| |------------------| |---------------------------------------|
 *     verb    amount         object               where
 *
 * Where the owner of a lock is known, it follows: ", held by worker-3, which was in fsync called
 * from save_order()". Threads that take turns in one function are not named: ", held in
 * save_order()".
 *
 * The words are fixed: past tense, one sentence, at most SENTENCE_MAX characters, neither advice
 * nor blame. What is too long gives up detail first (what it was mostly in, then the line), then
 * shortens the names and what was waited for, and last the lock's owner. */
#include "common/base/check.h"
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"
#include "scheduler/analysis/room.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SENTENCE_MAX = 160, /* characters */
    SENTENCE_SIZE_MAX = 8192,
    SHARE_MIN = 20, /* a finding is at least a twentieth of the call */
    FINDINGS_MAX = 40,
    NEARLY_ALL = 10, /* all but a tenth is said as all */
};

/* How much a sentence may say, from everything to the least. */
enum { OWNER_UNSAID, OWNER_THREAD, OWNER_PLACE, OWNER_ALL };

/* clang-format off */
static const struct detail {
    size_t name_characters, waiting_characters;
    bool shows_callee, shows_line;
    int owner;
} details[] = {
    { 100, 100, true,  true,  OWNER_ALL },
    {  60, 100, true,  true,  OWNER_ALL },
    {  60,  60, false, true,  OWNER_ALL },
    {  60,  40, false, false, OWNER_ALL },
    {  40,  30, false, false, OWNER_ALL },
    {  60,  40, false, false, OWNER_PLACE },
    {  40,  30, false, false, OWNER_PLACE },
    {  24,  20, false, false, OWNER_PLACE },
    {  24,  20, false, false, OWNER_THREAD },
    {  24,  20, false, false, OWNER_UNSAID },
};
/* clang-format on */

static const struct {
    const char *verb, *object, *unnamed;
    bool names_in_brackets; /* "for the network (10.0.0.7:5432)", but "for mutex cart_lock" */
} words[COST_PART_COUNT] = {
    [COST_CPU] = { "Ran", " on a CPU", "", false },
    [COST_QUEUE] = { "Was queued", " for a CPU", "", false },
    [COST_LOCK] = { "Waited", " for ", "a lock", false },
    [COST_NETWORK] = { "Waited", " for the network", "", true },
    [COST_DISK] = { "Waited", " for the disk", "", true },
    [COST_SLEEP] = { "Was asleep", "", "", false },
    [COST_OTHER] = { "Waited", " for ", "an unknown cause", false },
};

/* What a sentence is made of. */
struct sentence {
    const struct analysis *analysis; /* whose frames and texts the group's are */
    const struct group *group;
    const char *amount, *ending;
};

static bool is_identifier(struct text name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_') return false;
    return name.size > 0;
}

static void put_name(const struct frame_table *table, uint32_t symbol_index, size_t characters,
                     struct buf *to)
{
    const struct shown_symbol *symbol = &table->symbols[symbol_index];
    struct text name = frame_table_text(table, symbol->function);
    struct text class_name = frame_table_text(table, symbol->class_name);

    if (class_name.size > 0) {
        name_shorten(class_name, characters / 2, to);
        buf_text(to, TEXT("."));
    }
    name_shorten(name, characters, to);
    if (is_identifier(name)) buf_text(to, TEXT("()"));
}

static void put_line(const struct frame_table *table, uint32_t frame_index, struct buf *to)
{
    const struct shown_frame *frame = &table->frames[frame_index];
    struct text file = text_base_name(frame_table_text(table, frame->file));

    if (file.size == 0 || frame->line == 0) return;
    buf_text(to, TEXT(" ("));
    escape_visible(to, file);
    buf_printf(to, ":%" PRIu32 ")", frame->line);
}

/* A call that is on no thread says "detached: upstream" of itself. */
static void put_waiting_for(struct text waiting_for, size_t characters, struct buf *to)
{
    static const struct text detached = { "detached: ", 10 };

    if (text_starts_with(waiting_for, detached)) {
        waiting_for.data += detached.size;
        waiting_for.size -= detached.size;
    }
    escape_visible(to, text_head(waiting_for, characters));
    if (text_characters(waiting_for) > characters) buf_text(to, TEXT("\u2026"));
}

static void put_object(const struct sentence *sentence, const struct detail *detail, struct buf *to)
{
    const struct group *group = sentence->group;
    struct text waiting_for = frame_table_text(&sentence->analysis->frames, group->waiting_for);
    bool has_brackets = words[group->part].names_in_brackets && waiting_for.size > 0;

    buf_text(to, text_of(words[group->part].object));
    if (group->part == COST_SLEEP || group->part < COST_WAIT) return;
    if (waiting_for.size == 0) {
        buf_text(to, text_of(words[group->part].unnamed));
        return;
    }
    if (has_brackets) buf_text(to, TEXT(" ("));
    put_waiting_for(waiting_for, detail->waiting_characters, to);
    if (has_brackets) buf_text(to, TEXT(")"));
    if (group->waiting_others > 0)
        buf_printf(to, " and %" PRIu32 " other%s", group->waiting_others,
                   group->waiting_others > 1 ? "s" : "");
}

/* "in fsync called from save_order()" */
static void put_owner_place(const struct frame_table *table, const struct lock *lock,
                            const struct detail *detail, struct buf *to)
{
    buf_text(to, TEXT(" in "));
    if (lock->called != FRAME_NONE) {
        const struct shown_frame *called = &table->frames[lock->called];

        name_shorten(frame_table_text(table, called->function), detail->name_characters / 2, to);
        buf_text(to, TEXT(" called from "));
    }
    put_name(table, frame_symbol(table, lock->own), detail->name_characters, to);
}

/* Who held the lock, of most of the group's time; for how much of it, if not for nearly all. */
static void put_owner(const struct sentence *sentence, const struct detail *detail, struct buf *to)
{
    const struct analysis *analysis = sentence->analysis;
    const struct group *group = sentence->group;
    const struct lock *lock = &analysis->locks.rows[group->lock - 1];
    struct text thread =
        frame_table_text(&analysis->frames, analysis->holders[lock->holder - 1].thread_name);
    bool has_place = lock->own != FRAME_NONE && detail->owner != OWNER_THREAD;
    bool has_thread =
        lock->thread_count == 1 && thread.size > 0 && (detail->owner != OWNER_PLACE || !has_place);
    char time[32];

    if (!has_place && !has_thread) return;
    buf_text(to, TEXT(", "));
    if (group->lock_ns < group->ns - group->ns / NEARLY_ALL) {
        duration_text(group->lock_ns / analysis->call_count, time);
        buf_printf(to, "for %s ", time);
    }
    buf_text(to, TEXT("held"));
    if (has_thread) {
        buf_text(to, TEXT(" by "));
        put_waiting_for(thread, detail->name_characters, to);
        if (has_place) buf_text(to, TEXT(", which was"));
    }
    if (has_place) put_owner_place(&analysis->frames, lock, detail, to);
}

static void put_sentence(const struct sentence *sentence, const struct detail *detail,
                         struct buf *to)
{
    const struct frame_table *table = &sentence->analysis->frames;
    const struct group *group = sentence->group;

    buf_reset(to);
    buf_printf(to, "%s %s", words[group->part].verb, sentence->amount);
    put_object(sentence, detail, to);
    if (group->frame != FRAME_NONE) {
        buf_text(to, TEXT(" in "));
        put_name(table, group->symbol, detail->name_characters, to);
        if (detail->shows_line) put_line(table, group->frame, to);
        if (detail->shows_callee && group->callee != FRAME_NONE) {
            buf_text(to, TEXT(", mostly in "));
            put_name(table, group->callee, detail->name_characters, to);
        }
    }
    if (group->lock > 0 && detail->owner != OWNER_UNSAID) put_owner(sentence, detail, to);
    buf_text(to, text_of(sentence->ending));
    buf_text(to, TEXT("."));
}

/* Owned by the caller. */
static char *sentence_make(const struct sentence *sentence)
{
    struct buf text = BUF_INIT(SENTENCE_SIZE_MAX);
    size_t size;

    for (size_t i = 0; i < ARRAY_COUNT(details); i++) {
        put_sentence(sentence, &details[i], &text);
        if (!text.failed && text_characters(buf_peek(&text)) <= SENTENCE_MAX) break;
    }
    return buf_take(&text, &size);
}

/* Room for all, and for the one of what is missing. */
static struct finding *finding_room(struct analysis *analysis)
{
    if (!analysis->findings)
        analysis->findings = mem_zalloc(FINDINGS_MAX + 1, sizeof *analysis->findings);
    return &analysis->findings[analysis->finding_count++];
}

static struct finding *finding_add(struct analysis *analysis, const struct sentence *sentence)
{
    struct finding *finding = finding_room(analysis);

    *finding = (struct finding){
        .sentence = sentence_make(sentence),
        .part = sentence->group->part,
        .frame = sentence->group->frame,
        .ns = sentence->group->ns,
    };
    return finding;
}

static bool is_still_running(const struct analysis *analysis)
{
    return analysis->call_count == 1 && analysis->calls[0].running;
}

/* The last one: what is missing because it could not be asked, not because it is not there. */
static void finding_of_unanswered(struct analysis *analysis)
{
    char says[160];
    int size;

    if (analysis->unanswered_count == 0) return;
    size = snprintf(says, sizeof says,
                    "Files and lines of %llu %s are missing: the symbol worker gave no answer.",
                    (unsigned long long)analysis->unanswered_count,
                    analysis->unanswered_count == 1 ? "frame" : "frames");
    *finding_room(analysis) = (struct finding){ .sentence = mem_text(says, (size_t)size),
                                                .part = COST_OTHER,
                                                .frame = FRAME_NONE };
}

void findings_make(struct analysis *analysis)
{
    uint64_t call_count = analysis->call_count;

    for (uint32_t i = 0; i < analysis->groups.count; i++) {
        const struct group *group = &analysis->groups.rows[i];
        char time[32], elapsed[32], amount[128];
        struct finding *finding;

        if (group->ns * SHARE_MIN < analysis->elapsed_ns) break;
        if (analysis->finding_count == FINDINGS_MAX) break;
        duration_text(group->ns / call_count, time);
        duration_text(analysis->elapsed_ns / call_count, elapsed);
        snprintf(amount, sizeof amount, "%s%s%s of %s%s", call_count > 1 ? "on average " : "",
                 group->is_at_least ? "at least " : "", time, elapsed,
                 call_count > 1               ? " a call"
                 : is_still_running(analysis) ? " so far"
                                              : "");
        finding = finding_add(
            analysis, &(struct sentence){ analysis, group, .amount = amount, .ending = "" });
        finding->ns = group->ns / call_count;
    }
    finding_of_unanswered(analysis);
}

/* ---- comparisons ---- */

/* One group on both sides; either may be missing. Costs are means per call. */
struct pair {
    const struct group *base, *other;
    uint64_t base_ns, other_ns;
};

static uint64_t pair_difference(const struct pair *pair)
{
    return pair->base_ns > pair->other_ns ? pair->base_ns - pair->other_ns
                                          : pair->other_ns - pair->base_ns;
}

static int pair_compare(const void *left_item, const void *right_item)
{
    uint64_t left = pair_difference(left_item), right = pair_difference(right_item);

    return left > right ? -1 : left < right;
}

/* The symbol of a group in the tables of the comparison. */
static uint32_t diff_symbol(struct analysis *diff, const struct analysis *side,
                            const struct group *group)
{
    if (group->frame == FRAME_NONE) return FRAME_NONE;
    return frame_symbol(&diff->frames,
                        frame_table_import(&diff->frames, &side->frames, group->frame));
}

/* The groups of both sides by (part, symbol). `pairs` has room for all of them. */
static uint32_t pairs_make(struct analysis *diff, const struct analysis *base,
                           const struct analysis *other, struct pair *pairs)
{
    OWN(tally_done) struct tally keys = { 0 };

    for (uint32_t i = 0; i < base->groups.count; i++) {
        const struct group *group = &base->groups.rows[i];
        uint32_t symbol = diff_symbol(diff, base, group);
        struct pair *pair = &pairs[tally_add(&keys, (uint32_t)group->part, symbol, 0)];

        pair->base = group;
        pair->base_ns = group->ns / base->call_count;
    }
    for (uint32_t i = 0; i < other->groups.count; i++) {
        const struct group *group = &other->groups.rows[i];
        uint32_t symbol = diff_symbol(diff, other, group);
        struct pair *pair = &pairs[tally_add(&keys, (uint32_t)group->part, symbol, 0)];

        pair->other = group;
        pair->other_ns = group->ns / other->call_count;
    }
    return keys.count;
}

static void diff_finding(struct analysis *diff, const struct pair *pair,
                         const struct analysis *side, const struct group *group)
{
    char time[32], base_time[32], other_time[32], amount[64], ending[96];
    uint64_t difference_ns = pair_difference(pair);
    bool is_less = pair->base_ns > pair->other_ns;
    struct finding *finding;

    duration_text(difference_ns, time);
    duration_text(pair->base_ns, base_time);
    duration_text(pair->other_ns, other_time);
    snprintf(amount, sizeof amount, "%s %s", time, is_less ? "less" : "longer");
    snprintf(ending, sizeof ending, ": %s a call, against %s", other_time, base_time);
    finding =
        finding_add(diff, &(struct sentence){ side, group, .amount = amount, .ending = ending });
    finding->ns = difference_ns;
    finding->is_less = is_less;
    if (group->frame != FRAME_NONE)
        finding->frame = frame_table_import(&diff->frames, &side->frames, group->frame);
}

/* A side without a call has no mean to be less or longer than. */
static void finding_of_nothing(struct analysis *diff, bool has_base)
{
    struct text says = has_base
                           ? TEXT("There is nothing to compare: what is compared has no sample.")
                           : TEXT("There is nothing to compare with: the base has no sample.");

    diff->findings = mem_zalloc(1, sizeof *diff->findings);
    diff->findings[diff->finding_count++] = (struct finding){
        .sentence = mem_text(says.data, says.size), .part = COST_OTHER, .frame = FRAME_NONE
    };
}

void findings_make_diff(struct analysis *diff, const struct analysis *base,
                        const struct analysis *other)
{
    uint32_t count = base->groups.count + other->groups.count;
    OWN(mem_freep) struct pair *pairs = mem_zalloc(count + 1, sizeof *pairs);
    uint64_t longest_ns = diff->base.elapsed_ns > diff->other.elapsed_ns ? diff->base.elapsed_ns
                                                                         : diff->other.elapsed_ns;

    if (base->call_count == 0 || other->call_count == 0) {
        finding_of_nothing(diff, base->call_count > 0);
        return;
    }
    count = pairs_make(diff, base, other, pairs);
    qsort(pairs, count, sizeof *pairs, pair_compare);
    for (uint32_t i = 0; i < count && diff->finding_count < FINDINGS_MAX; i++) {
        const struct pair *pair = &pairs[i];
        uint64_t difference_ns = pair_difference(pair);

        if (difference_ns <= diff->noise_ns || difference_ns * SHARE_MIN < longest_ns) break;
        if (pair->other)
            diff_finding(diff, pair, other, pair->other);
        else
            diff_finding(diff, pair, base, pair->base);
    }
}
