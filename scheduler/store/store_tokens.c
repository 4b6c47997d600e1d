/* SPDX-License-Identifier: Apache-2.0 */
/* store_tokens.c: tokens are few and asked for with every request, so all of them are in memory;
 * the HASH is read again with every refresh, and after every change made here.
 *
 * A look-up goes by the first bytes of the hash through a sorted list, and compares all of what it
 * found in constant time. What its time could tell is how far somebody came into the SHA-256 of a
 * token, and that leads to no token.
 *
 * A change reads first: two of one name at one time could both pass, which costs a name that two
 * tokens have, and nothing else. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/access/scope.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

enum {
    HASH_PREFIX_SIZE = 16,   /* so many digits of a hash tell almost all from each other */
    USE_TOLD_MS = 60 * 1000, /* a use is told to Redis when it is so much later than the last */
};

struct token_place {
    struct store_token *token;
    uint64_t told_wall_ms; /* the use of it that Redis was told of last */
};

/* What is known ------------------------------------------------------------------------------ */

static int by_creation(const void *left, const void *right)
{
    const struct store_token *a = left, *b = right;

    if (a->created_wall_ms != b->created_wall_ms)
        return a->created_wall_ms < b->created_wall_ms ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_hash(const void *left, const void *right)
{
    const struct token_place *a = left, *b = right;

    return memcmp(a->token->hash, b->token->hash, TOKEN_HASH_SIZE);
}

void store_tokens_request(struct round *round)
{
    redis_command_add(round_add(round, "HGETALL"), TEXT(KEY_TOKENS));
}

/* The first whose hash does not begin lower than this one. */
static size_t lower_bound(const struct store *store, struct text hash)
{
    size_t low = 0, high = store->token_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (memcmp(store->token_places[middle].token->hash, hash.data, HASH_PREFIX_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
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

static struct token_place *place_of(const struct store *store, struct text hash)
{
    if (hash.size != TOKEN_HASH_SIZE) return NULL;
    for (size_t i = lower_bound(store, hash); i < store->token_count; i++) {
        struct token_place *place = &store->token_places[i];

        if (memcmp(place->token->hash, hash.data, HASH_PREFIX_SIZE) != 0) break;
        if (differ(place->token->hash, hash.data, TOKEN_HASH_SIZE) == 0) return place;
    }
    return NULL;
}

void store_tokens_forget(struct store *store)
{
    for (size_t i = 0; i < store->token_count; i++) {
        store->tokens[i].scope = scope_unref(store->tokens[i].scope);
    }
    free(store->tokens);
    free(store->token_places);
    store->tokens = NULL;
    store->token_places = NULL;
    store->token_count = 0;
}

/* The places of what was read, with the uses that we know of. */
static struct token_place *make_places(const struct store *store, struct store_token *tokens,
                                       size_t count)
{
    struct token_place *places = mem_zalloc(count + 1, sizeof(*places));

    for (size_t i = 0; i < count; i++) {
        const struct token_place *before = place_of(store, text_of(tokens[i].hash));

        places[i].token = &tokens[i];
        if (!before) continue;
        places[i].told_wall_ms = before->told_wall_ms;
        tokens[i].used_wall_ms = before->token->used_wall_ms;
    }
    if (count > 0) qsort(places, count, sizeof(*places), by_hash);
    return places;
}

void store_tokens_read(struct store *store, const struct redis_value *value)
{
    size_t count = redis_value_count(value), kept = 0;
    struct token_place *places;
    struct store_token *tokens;

    if (redis_value_is_error(value)) return; /* we go on with what we knew */
    tokens = mem_zalloc(count / 2 + 1, sizeof(*tokens));
    for (size_t i = 0; i + 1 < count; i += 2) {
        kept +=
            record_read_token(redis_value_text(redis_value_at(value, i)),
                              redis_value_text(redis_value_at(value, i + 1)), &tokens[kept]) == 0;
    }
    qsort(tokens, kept, sizeof(*tokens), by_creation); /* a HASH has no order */
    places = make_places(store, tokens, kept);
    store_tokens_forget(store);
    store->tokens = tokens;
    store->token_places = places;
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

bool store_token_is_good(const struct store *store, const struct store_token *token)
{
    if (token->revoked_wall_ms != 0) return false;
    return token->expires_wall_ms == 0 || token->expires_wall_ms > store_now_wall_ms(store);
}

const struct store_token *store_token_find(const struct store *store, struct text hash)
{
    const struct token_place *place = place_of(store, hash);

    return place && store_token_is_good(store, place->token) ? place->token : NULL;
}

static const struct store_token *find_by_name(const struct store *store, const char *name)
{
    for (size_t i = 0; i < store->token_count; i++) {
        const struct store_token *token = &store->tokens[i];

        if (!token->is_replaced && strcmp(token->name, name) == 0 &&
            store_token_is_good(store, token))
            return token;
    }
    return NULL;
}

/* Uses -------------------------------------------------------------------------------------- */

void store_token_note_use(struct store *store, const struct store_token *token)
{
    ptrdiff_t index = token - store->tokens; /* it is one of ours, as it was found */

    CHECK(index >= 0 && (size_t)index < store->token_count);
    store->tokens[index].used_wall_ms = store_now_wall_ms(store);
}

static void on_nothing(void *my, size_t index, const struct redis_value *value)
{
    (void)my, (void)index, (void)value;
}

/* A use that could not be told is told a minute later. */
static void on_told(void *my, const struct problem *problem)
{
    (void)my, (void)problem;
}

void store_tokens_tell_uses(struct store *store)
{
    struct redis_command *command = NULL;
    struct round *round = NULL;

    for (size_t i = 0; i < store->token_count; i++) {
        struct token_place *place = &store->token_places[i];
        uint64_t used_wall_ms = place->token->used_wall_ms;

        if (used_wall_ms < place->told_wall_ms + USE_TOLD_MS) continue;
        place->told_wall_ms = used_wall_ms;
        if (!round) {
            round = round_new(store, on_nothing, on_told, store);
            command = round_add(round, "HSET");
            redis_command_add(command, TEXT(KEY_TOKENS_USED));
        }
        redis_command_add(command, text_of(place->token->hash));
        redis_command_add_u64(command, used_wall_ms);
    }
    if (round) round_send(round);
}

struct uses {
    struct store *store;
    store_done_fn then;
    void *context;
};

static void on_uses(void *my, size_t index, const struct redis_value *value)
{
    struct uses *uses = my;

    (void)index;
    for (size_t i = 0; i + 1 < redis_value_count(value); i += 2) {
        struct token_place *place =
            place_of(uses->store, redis_value_text(redis_value_at(value, i)));
        uint64_t used_wall_ms = 0;

        if (!place ||
            text_to_u64(redis_value_text(redis_value_at(value, i + 1)), &used_wall_ms) < 0)
            continue;
        if (used_wall_ms > place->token->used_wall_ms) place->token->used_wall_ms = used_wall_ms;
        place->told_wall_ms = place->token->used_wall_ms;
    }
}

static void on_uses_done(void *my, const struct problem *problem)
{
    struct uses *uses = my;

    uses->then(uses->context, problem);
    free(uses);
}

void store_token_read_uses(struct store *store, store_done_fn then, void *context)
{
    struct uses *uses = mem_zalloc(1, sizeof(*uses));
    struct round *round;

    *uses = (struct uses){ store, then, context };
    round = round_new(store, on_uses, on_uses_done, uses);
    redis_command_add(round_add(round, "HGETALL"), TEXT(KEY_TOKENS_USED));
    round_send(round);
}

/* Changes ----------------------------------------------------------------------------------- */

enum token_change_kind { TOKEN_PUT, TOKEN_ROTATE, TOKEN_REVOKE };

struct token_change {
    struct store *store;
    enum token_change_kind kind;
    struct store_token token; /* the new one; of a revocation its name alone. Its scope is owned */
    uint64_t grace_ms;        /* of a rotation */
    size_t list_index;        /* which answer is the list as it is then */
    store_done_fn then;
    void *context;
};

static void change_end(struct token_change *change, const struct problem *problem)
{
    change->then(change->context, problem);
    scope_unref(change->token.scope);
    free(change);
}

/* The oldest of those that are not good any more; NULL: all are. */
static const struct store_token *oldest_ended(const struct store *store)
{
    for (size_t i = 0; i < store->token_count; i++) {
        if (!store_token_is_good(store, &store->tokens[i])) return &store->tokens[i];
    }
    return NULL;
}

static int check_room(const struct store *store, struct problem *problem)
{
    if (store->token_count < TOKENS_MAX || oldest_ended(store)) return 0;
    return problem_set_field(problem, "name",
                             "There are %d good tokens already, which is the most.", TOKENS_MAX);
}

/* Is it possible, with what is there now? Completes the new token. */
static int check_change(struct token_change *change, struct problem *problem)
{
    struct store *store = change->store;
    struct store_token *token = &change->token;
    const struct store_token *named = find_by_name(store, token->name);

    if (change->kind == TOKEN_PUT && named)
        return problem_set_field(problem, "name", "A valid token has the name '%s' already.",
                                 token->name);
    if (change->kind != TOKEN_PUT && !named)
        return problem_set_field(problem, "name", "No valid token has the name '%s'.", token->name);
    if (change->kind == TOKEN_REVOKE) return 0;
    if (check_room(store, problem) < 0) return -1;
    if (change->kind == TOKEN_ROTATE) {
        memcpy(token->role, named->role, sizeof(token->role));
        token->scope = scope_ref(named->scope);
        token->expires_wall_ms = named->expires_wall_ms;
    }
    token->created_wall_ms = store_now_wall_ms(store);
    return 0;
}

static void add_record(struct redis_command *command, const struct store_token *token)
{
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);

    record_write_token(&record, token);
    redis_command_add(command, text_of(token->hash));
    redis_command_add(command, buf_peek(&record));
}

/* What becomes of a token by the change: revoked, or good for the grace alone. */
static struct store_token ended(const struct store_token *token, const struct token_change *change,
                                uint64_t now_ms)
{
    struct store_token result = *token;
    uint64_t until_ms = now_ms + change->grace_ms;

    if (change->kind == TOKEN_REVOKE) {
        result.revoked_wall_ms = now_ms;
        return result;
    }
    result.is_replaced = true;
    if (token->expires_wall_ms == 0 || token->expires_wall_ms > until_ms)
        result.expires_wall_ms = until_ms;
    return result;
}

static void add_ends(struct redis_command *command, const struct token_change *change)
{
    const struct store *store = change->store;

    for (size_t i = 0; i < store->token_count; i++) {
        const struct store_token *token = &store->tokens[i];
        struct store_token now;

        if (strcmp(token->name, change->token.name) != 0 || !store_token_is_good(store, token))
            continue;
        now = ended(token, change, store_now_wall_ms(store));
        add_record(command, &now);
    }
}

/* Returns how many commands that takes. */
static size_t add_removal(struct round *round, const struct store_token *token)
{
    static const struct text keys[] = { { KEY_TOKENS, sizeof(KEY_TOKENS) - 1 },
                                        { KEY_TOKENS_USED, sizeof(KEY_TOKENS_USED) - 1 } };

    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        struct redis_command *command = round_add(round, "HDEL");

        redis_command_add(command, keys[i]);
        redis_command_add(command, text_of(token->hash));
    }
    return ARRAY_COUNT(keys);
}

static void on_change_answer(void *my, size_t index, const struct redis_value *value)
{
    struct token_change *change = my;

    if (index == change->list_index) store_tokens_read(change->store, value);
}

static void on_change_done(void *my, const struct problem *problem)
{
    change_end(my, problem);
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
    struct redis_command *command;
    struct problem refusal;
    struct round *round;

    if (problem || check_change(change, &refusal) < 0) {
        change_end(change, problem ? problem : &refusal);
        return;
    }
    round = round_new(change->store, on_change_answer, on_change_done, change);
    command = round_add(round, "HSET");
    redis_command_add(command, TEXT(KEY_TOKENS));
    if (change->kind != TOKEN_PUT) add_ends(command, change);
    if (change->kind != TOKEN_REVOKE) add_record(command, &change->token);
    change->list_index = 1;
    if (change->kind != TOKEN_REVOKE && change->store->token_count >= TOKENS_MAX)
        change->list_index += add_removal(round, oldest_ended(change->store));
    store_tokens_request(round);
    store_add_access_news(change->store, round);
    round_send(round);
}

static void change_send(struct token_change *change)
{
    struct round *round = round_new(change->store, on_fresh_answer, on_fresh_done, change);

    store_tokens_request(round);
    round_send(round);
}

static struct token_change *change_new(struct store *store, enum token_change_kind kind,
                                       store_done_fn then, void *context)
{
    struct token_change *change = mem_zalloc(1, sizeof(*change));

    change->store = store;
    change->kind = kind;
    change->then = then;
    change->context = context;
    return change;
}

static void set_name(struct token_change *change, struct text name)
{
    if (name.size > TOKEN_NAME_SIZE_MAX) name.size = TOKEN_NAME_SIZE_MAX;
    memcpy(change->token.name, name.data, name.size);
}

void store_token_put(struct store *store, const struct store_token *token, store_done_fn then,
                     void *context)
{
    struct token_change *change = change_new(store, TOKEN_PUT, then, context);

    change->token = *token;
    scope_ref(change->token.scope);
    change_send(change);
}

void store_token_rotate(struct store *store, const struct store_rotation *rotation,
                        store_done_fn then, void *context)
{
    struct token_change *change = change_new(store, TOKEN_ROTATE, then, context);

    CHECK(strlen(rotation->hash) == TOKEN_HASH_SIZE);
    memcpy(change->token.hash, rotation->hash, TOKEN_HASH_SIZE);
    set_name(change, text_of(rotation->name));
    change->grace_ms = rotation->grace_ms;
    change_send(change);
}

void store_token_revoke(struct store *store, struct text name, store_done_fn then, void *context)
{
    struct token_change *change = change_new(store, TOKEN_REVOKE, then, context);

    set_name(change, name);
    change_send(change);
}
