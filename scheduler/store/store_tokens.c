/* SPDX-License-Identifier: Apache-2.0 */
/* store_tokens.c: tokens are few and asked for with every request, so all of them are in memory;
 * the HASH is read again with every refresh, and after every change made here.
 *
 * Putting reads first: two names at one time could both pass, which costs a name that two tokens
 * have, and nothing else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

struct token_change {
    struct store *store;
    struct store_token token; /* a revocation has only its name, until it is found */
    bool is_revocation;
    store_done_fn then;
    void *context;
};

static int by_creation(const void *left, const void *right)
{
    const struct store_token *a = left, *b = right;

    if (a->created_wall_ms != b->created_wall_ms)
        return a->created_wall_ms < b->created_wall_ms ? -1 : 1;
    return strcmp(a->name, b->name);
}

void store_tokens_request(struct round *round)
{
    redis_command_add(round_add(round, "HGETALL"), TEXT(KEY_TOKENS));
}

void store_tokens_read(struct store *store, const struct redis_value *value)
{
    size_t count = redis_value_count(value), kept = 0;

    if (redis_value_is_error(value)) return; /* we go on with what we knew */
    free(store->tokens);
    store->tokens = mem_zalloc(count / 2 + 1, sizeof(*store->tokens));
    for (size_t i = 0; i + 1 < count; i += 2) {
        kept += record_read_token(redis_value_text(redis_value_at(value, i)),
                                  redis_value_text(redis_value_at(value, i + 1)),
                                  &store->tokens[kept]) == 0;
    }
    qsort(store->tokens, kept, sizeof(*store->tokens), by_creation); /* a HASH has no order */
    store->token_count = kept;
    store->tokens_known = true;
}

bool store_tokens_are_known(const struct store *store)
{
    return store->tokens_known;
}

size_t store_token_list(const struct store *store, const struct store_token **ret)
{
    *ret = store->tokens;
    return store->token_count;
}

/* Not 0 if they differ; looks at every byte, so that the time tells nothing. */
static unsigned differ(const char *left, const char *right, size_t size)
{
    unsigned bits = 0;

    for (size_t i = 0; i < size; i++) {
        bits |= (unsigned char)left[i] ^ (unsigned char)right[i];
    }
    return bits;
}

const struct store_token *store_token_find(const struct store *store, struct text hash)
{
    const struct store_token *found = NULL;

    if (hash.size != TOKEN_HASH_SIZE) return NULL;
    for (size_t i = 0; i < store->token_count; i++) {
        const struct store_token *token = &store->tokens[i];
        if (differ(token->hash, hash.data, hash.size) == 0 && token->revoked_wall_ms == 0) {
            found = token;
        }
    }
    return found;
}

static const struct store_token *find_by_name(const struct store *store, const char *name)
{
    for (size_t i = 0; i < store->token_count; i++) {
        if (store->tokens[i].revoked_wall_ms == 0 && strcmp(store->tokens[i].name, name) == 0) {
            return &store->tokens[i];
        }
    }
    return NULL;
}

static void change_end(struct token_change *change, const struct problem *problem)
{
    change->then(change->context, problem);
    free(change);
}

static void on_change_answer(void *my, size_t index, const struct redis_value *value)
{
    struct token_change *change = my;

    if (index == 1) store_tokens_read(change->store, value);
}

static void on_change_done(void *my, const struct problem *problem)
{
    struct token_change *change = my;

    if (!problem) store_tell_access(change->store);
    change_end(my, problem);
}

static int check_change(struct token_change *change, struct problem *problem)
{
    struct store *store = change->store;
    const struct store_token *named = find_by_name(store, change->token.name);

    if (change->is_revocation) {
        if (!named) {
            return problem_set_field(problem, "name", "No valid token has the name '%s'.",
                                     change->token.name);
        }
        change->token = *named;
        change->token.revoked_wall_ms = store_now_wall_ms(store);
        return 0;
    }
    if (named) {
        return problem_set_field(problem, "name", "A valid token has the name '%s' already.",
                                 change->token.name);
    }
    if (store->token_count >= TOKENS_MAX) {
        return problem_set_field(problem, "name", "There are %d tokens already, which is the most.",
                                 TOKENS_MAX);
    }
    change->token.created_wall_ms = store_now_wall_ms(store);
    return 0;
}

static void on_fresh_answer(void *my, size_t index, const struct redis_value *value)
{
    struct token_change *change = my;

    (void)index;
    store_tokens_read(change->store, value);
}

static void on_fresh_done(void *my, const struct problem *problem)
{
    struct token_change *change = my;
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);
    struct redis_command *command;
    struct round *round;
    struct problem refusal;

    if (problem || check_change(change, &refusal) < 0) {
        change_end(change, problem ? problem : &refusal);
        return;
    }
    round = round_new(change->store, on_change_answer, on_change_done, change);
    record_write_token(&record, &change->token);
    command = round_add(round, "HSET");
    redis_command_add(command, TEXT(KEY_TOKENS));
    redis_command_add(command, text_of(change->token.hash));
    redis_command_add(command, buf_peek(&record));
    store_tokens_request(round);
    round_send(round);
}

static void change_send(struct token_change *change)
{
    struct round *round = round_new(change->store, on_fresh_answer, on_fresh_done, change);

    store_tokens_request(round);
    round_send(round);
}

void store_token_put(struct store *store, const struct store_token *token, store_done_fn then,
                     void *context)
{
    struct token_change *change = mem_zalloc(1, sizeof(*change));

    *change = (struct token_change){ store, *token, false, then, context };
    change_send(change);
}

void store_token_revoke(struct store *store, struct text name, store_done_fn then, void *context)
{
    struct token_change *change = mem_zalloc(1, sizeof(*change));

    *change = (struct token_change){ store, { .hash = "" }, true, then, context };
    if (name.size > TOKEN_NAME_SIZE_MAX) name.size = TOKEN_NAME_SIZE_MAX;
    memcpy(change->token.name, name.data, name.size);
    change_send(change);
}
