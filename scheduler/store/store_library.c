/* SPDX-License-Identifier: Apache-2.0 */
/* store_library.c: the functions that Redis runs for us: calling, finding and loading them.
 *
 * They are one library, embedded in this program. Another version of ours brings another library
 * of another name, so that both can share a Redis (redis_keys.h). */
#include <stdlib.h>

#include "common/base/check.h"
#include "scheduler/store/store_private.h"
#include "scheduler/store/store_route.h"

struct redis_command *round_add_function(struct round *round, const char *name, unsigned keys)
{
    struct redis_command *command = round_add(round, "FCALL");

    redis_command_add(command, text_of(name));
    redis_command_add_u64(command, keys);
    return command;
}

struct loader {
    struct redis_request request; /* first: it is found by this */
    struct store *store;
};

static void on_loaded(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct loader *loader = (struct loader *)(void *)request;

    (void)value;
    (void)rc; /* a refusal shows at the next call of a function */
    loader->store->loading--;
    redis_command_done(&request->command);
    free(loader);
}

void store_load_functions(struct store *store, int slot)
{
    struct redis_command *command;
    struct loader *loader;

    if (store->loading > 0 && !store->cluster) return;
    loader = mem_zalloc(1, sizeof(*loader));
    command = &loader->request.command;
    loader->store = store;
    loader->request =
        (struct redis_request){ .command = redis_command_make("FUNCTION"), .on_answer = on_loaded };
    redis_command_add(command, TEXT("LOAD"));
    redis_command_add(command, TEXT("REPLACE"));
    redis_command_add(command, text_of(store_functions));
    store->loading++;
    store->function_loads++;
    store_route_send(store, &loader->request, (struct redis_order){ .slot = slot });
}

void store_library_request(struct round *round, int slot)
{
    struct redis_command *list = round_add_at(round, "FUNCTION", slot);

    redis_command_add(list, TEXT("LIST"));
    redis_command_add(list, TEXT("LIBRARYNAME"));
    redis_command_add(list, TEXT(STORE_LIBRARY));
    redis_command_add(list, TEXT("WITHCODE"));
}

/* FUNCTION LIST WITHCODE: [[..., "library_code", code]] */
static bool library_is_ours(const struct redis_value *list)
{
    const struct redis_value *library = redis_value_at(list, 0);

    for (size_t i = 0; i + 1 < redis_value_count(library); i += 2) {
        if (!text_is_equal(redis_value_text(redis_value_at(library, i)), TEXT("library_code"))) {
            continue;
        }
        return text_is_equal(redis_value_text(redis_value_at(library, i + 1)),
                             text_of(store_functions));
    }
    return false;
}

void store_library_read(struct store *store, const struct redis_value *value, int slot)
{
    if (!library_is_ours(value)) store_load_functions(store, slot);
}
