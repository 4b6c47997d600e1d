/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.c: the known names that are most like one that was typed.
 *
 * Likeness is the number of edits, case aside; a name that contains the other counts as close.
 * Edits cost size times size to count, and a name may have 512 bytes, of which an application may
 * have 4096. So a lower bound is asked first (letters that one has and the other has not), names
 * that cannot be among the nearest are skipped, and the exact count has a budget. */
#include "scheduler/live/census_private.h"

#include "common/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EDIT_BUDGET = 10 * 1000 * 1000, /* cells of the edit tables: some 35 ms at the very worst */
};

struct folded {
    size_t size;
    char data[INTERFACE_SIZE_MAX];
    uint16_t letters[256];
};

struct found {
    size_t index; /* of the names */
    size_t distance;
};

static void fold(struct text name, struct folded *ret)
{
    memset(ret->letters, 0, sizeof ret->letters);
    ret->size = name.size < sizeof ret->data ? name.size : sizeof ret->data;
    for (size_t i = 0; i < ret->size; i++) {
        char c = name.data[i];

        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        ret->data[i] = c;
        ret->letters[(unsigned char)c]++;
    }
}

static struct text text_of_folded(const struct folded *folded)
{
    return (struct text){ folded->data, folded->size };
}

/* At least this many edits. */
static size_t distance_min(const struct folded *left, const struct folded *right)
{
    size_t more = 0, less = 0;

    for (size_t i = 0; i < 256; i++) {
        if (left->letters[i] > right->letters[i])
            more += (size_t)(left->letters[i] - right->letters[i]);
        else
            less += (size_t)(right->letters[i] - left->letters[i]);
    }
    return more > less ? more : less;
}

static bool contains(const struct folded *whole, const struct folded *part)
{
    return part->size > 0 && memmem(whole->data, whole->size, part->data, part->size) != NULL;
}

/* Smaller is closer. Of names that contain each other the edits are all insertions: they count
 * an eighth, so that "checkout" finds "POST /shop/v2/checkout" before "check". */
static size_t distance_of(const struct folded *asked, const struct folded *known, size_t *budget)
{
    size_t cells = asked->size * known->size;

    if (contains(known, asked)) return (known->size - asked->size) / 8;
    if (asked->size >= 3 && contains(asked, known) && known->size >= 3)
        return (asked->size - known->size) / 8;
    if (cells > *budget) return distance_min(asked, known);
    *budget -= cells;
    return text_distance(text_of_folded(asked), text_of_folded(known));
}

/* Keeps `found` ordered, at most `max` of them. */
static size_t insert(struct found *found, size_t count, size_t max, struct found new)
{
    size_t at = count;

    while (at > 0 && found[at - 1].distance > new.distance) {
        at--;
    }
    if (at == max) return count;
    if (count < max) count++;
    memmove(&found[at + 1], &found[at], (count - at - 1) * sizeof found[0]);
    found[at] = new;
    return count;
}

/* The indices of the nearest of these names, nearest first; of equals, the first. */
static size_t search(const struct text *names, size_t name_count, struct text name,
                     struct found *found, size_t max)
{
    size_t budget = EDIT_BUDGET, count = 0;
    struct folded asked_folded, *asked = &asked_folded;

    fold(name, asked);
    for (size_t i = 0; i < name_count; i++) {
        struct folded known;

        fold(names[i], &known);
        if (count == max && !contains(&known, asked) && !contains(asked, &known) &&
            distance_min(asked, &known) >= found[max - 1].distance)
            continue;
        count = insert(found, count, max, (struct found){ i, distance_of(asked, &known, &budget) });
    }
    return count;
}

size_t census_nearest(struct census *census, struct text application, struct text name,
                      uint64_t now_ns, struct census_nearest *ret, size_t max)
{
    struct application *known = census_application_find(census, application);
    struct interface **all;
    struct found *found;
    struct text *names;
    size_t known_count, count;

    if (!known || max == 0) return 0;
    /* Of a pattern, what stands before its star. */
    if (name.size > 0 && name.data[name.size - 1] == '*') name.size--;
    all = census_interfaces_sorted(known, &known_count);
    names = mem_zalloc(known_count + 1, sizeof *names);
    found = mem_zalloc(max, sizeof *found);
    for (size_t i = 0; i < known_count; i++) {
        names[i] = interface_name(all[i]);
    }
    count = search(names, known_count, name, found, max);
    for (size_t i = 0; i < count; i++) {
        const struct interface *interface = all[found[i].index];
        struct histogram histogram;

        ring_sum(&interface->ring, now_ns, RING_KEEP_S, &histogram);
        memcpy(ret[i].name, interface->name, interface->name_size + 1);
        ret[i].count = histogram.count;
        ret[i].max_ns = histogram.max_ns;
    }
    free(found);
    free(names);
    free(all);
    return count;
}

size_t census_nearest_applications(struct census *census, struct text name,
                                   struct census_application_name *ret, size_t max)
{
    size_t known_count, count;
    struct application **all = census_applications_sorted(census, &known_count);
    struct text *names = mem_zalloc(known_count + 1, sizeof *names);
    struct found *found = mem_zalloc(max + 1, sizeof *found);

    for (size_t i = 0; i < known_count; i++) {
        names[i] = application_name(all[i]);
    }
    count = max > 0 ? search(names, known_count, name, found, max) : 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(ret[i].name, sizeof ret[i].name, "%s", all[found[i].index]->name);
    }
    free(found);
    free(names);
    free(all);
    return count;
}
