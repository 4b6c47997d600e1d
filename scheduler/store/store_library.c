/* SPDX-License-Identifier: Apache-2.0 */
/* store_library.c: the functions that Redis runs for us: calling, finding and loading them.
 *
 * They are one library, embedded in this program. Another version of ours brings another library
 * of another name, so that both can share a Redis (redis_keys.h). */
#include <stddef.h>

#include "scheduler/store/store_private.h"

struct redis_command *round_add_function(struct round *round, const char *name, unsigned keys)
{
    struct redis_command *command = round_add(round, "FCALL");

    redis_command_add(command, text_of(name));
    redis_command_add_u64(command, keys);
    return command;
}

static void on_loaded(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct store *store =
        (struct store *)(void *)((char *)request - offsetof(struct store, loader));

    (void)value;
    (void)rc; /* a refusal shows at the next call of a function */
    redis_command_done(&request->command);
    store->is_loading = false;
}

void store_load_functions(struct store *store)
{
    if (store->is_loading) return;
    store->is_loading = true;
    store->function_loads++;
    store->loader =
        (struct redis_request){ .command = redis_command_make("FUNCTION"), .on_answer = on_loaded };
    redis_command_add(&store->loader.command, TEXT("LOAD"));
    redis_command_add(&store->loader.command, TEXT("REPLACE"));
    redis_command_add(&store->loader.command, text_of(store_functions));
    redis_conn_send(store->conn, &store->loader);
}

void store_library_request(struct round *round)
{
    struct redis_command *list = round_add(round, "FUNCTION");

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

void store_library_read(struct store *store, const struct redis_value *value)
{
    if (!library_is_ours(value)) store_load_functions(store);
}
