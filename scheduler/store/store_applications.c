/* SPDX-License-Identifier: Apache-2.0 */
/* store_applications.c: the applications that ever had a task, by name, each with the version of
 * its tasks: whoever sees a version grow loads what lives anew. */
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/store_private.h"

struct application_list {
    struct store *store;
    store_applications_fn then;
    void *context;
    char **names; /* owned, each too */
    struct text *texts;
    uint64_t *versions;
    size_t count;
};

static void applications_end(struct application_list *list, const struct problem *problem)
{
    struct store_applications all = { list->texts, list->versions, list->count };

    list->then(list->context, problem ? NULL : &all, problem);
    for (size_t i = 0; i < list->count; i++) {
        free(list->names[i]);
    }
    free(list->names);
    free(list->texts);
    free(list->versions);
    free(list);
}

static void on_application_version(void *my, size_t index, const struct redis_value *value)
{
    struct application_list *list = my;

    list->versions[index] = redis_value_u64(value);
}

static void on_application_versions(void *my, const struct problem *problem)
{
    applications_end(my, problem);
}

static int compare_names(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;

    return strcmp(*a, *b);
}

static void on_application_names(void *my, size_t index, const struct redis_value *value)
{
    struct application_list *list = my;
    size_t count = redis_value_count(value);

    (void)index;
    list->names = mem_zalloc(count + 1, sizeof(*list->names));
    list->texts = mem_zalloc(count + 1, sizeof(*list->texts));
    list->versions = mem_zalloc(count + 1, sizeof(*list->versions));
    for (size_t i = 0; i < count; i++) {
        struct text name = redis_value_text(redis_value_at(value, i));
        if (name.size == 0 || name.size > APPLICATION_SIZE_MAX) continue;
        list->names[list->count++] = mem_text(name.data, name.size);
    }
    qsort(list->names, list->count, sizeof(*list->names), compare_names);
}

static void on_application_list(void *my, const struct problem *problem)
{
    struct application_list *list = my;
    struct round *round;

    if (problem) {
        applications_end(list, problem);
        return;
    }
    round = round_new(list->store, on_application_version, on_application_versions, list);
    for (size_t i = 0; i < list->count; i++) {
        struct key_tag tag;
        list->texts[i] = text_of(list->names[i]);
        tag = key_tag_make(list->texts[i]);
        key_add(round_add(round, "GET"), &tag, "version");
    }
    round_send(round);
}

void store_applications(struct store *store, store_applications_fn then, void *context)
{
    struct application_list *list = mem_zalloc(1, sizeof(*list));
    struct round *round = round_new(store, on_application_names, on_application_list, list);
    struct redis_command *range = round_add(round, "ZRANGE");

    list->store = store;
    list->then = then;
    list->context = context;
    redis_command_add(range, TEXT(KEY_APPLICATIONS));
    redis_command_add(range, TEXT("0"));
    redis_command_add(range, TEXT("-1"));
    round_send(round);
}
