/* SPDX-License-Identifier: Apache-2.0 */
/* store_sessions.c: the sessions of browsers: as tokens in memory, read again with every refresh.
 *
 *   sessions        HASH  session's SHA-256 -> "TOKEN'S SHA-256 CREATED"
 *   sessions:seen   HASH  session's SHA-256 -> when it was used last, to the minute
 *
 * A look-up may take its time, as that of a token: what it could tell is of a hash.
 *
 * Two, so that a note of a use, which may come late, cannot bring back a session that was ended
 * elsewhere meanwhile. What it leaves behind then, and all that is over, goes with a refresh. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/store_private.h"

enum { SEEN_TOLD_MS = 60 * 1000, REMOVALS_MAX = 256 /* at once */ };

struct known_session {
    struct store_session session;
    uint64_t told_wall_ms; /* of its uses, what Redis was told of last */
};

static int by_hash(const void *left, const void *right)
{
    const struct known_session *a = left, *b = right;

    return memcmp(a->session.hash, b->session.hash, TOKEN_HASH_SIZE);
}

static struct known_session *find(const struct store *store, struct text hash)
{
    struct known_session like;

    if (hash.size != TOKEN_HASH_SIZE || store->session_count == 0) return NULL;
    memcpy(like.session.hash, hash.data, TOKEN_HASH_SIZE);
    return bsearch(&like, store->sessions, store->session_count, sizeof(like), by_hash);
}

bool store_session_is_good(const struct store *store, const struct store_session *session)
{
    uint64_t now_ms = store_now_wall_ms(store), seen_ms = session->seen_wall_ms;

    return now_ms < session->created_wall_ms + SESSION_MS_MAX &&
           now_ms < seen_ms + SESSION_IDLE_MS_MAX &&
           store_token_find(store, text_of(session->token_hash)) != NULL;
}

const struct store_session *store_session_find(const struct store *store, struct text hash)
{
    const struct known_session *known = find(store, hash);

    return known && store_session_is_good(store, &known->session) ? &known->session : NULL;
}

void store_session_note_use(struct store *store, const struct store_session *session)
{
    struct known_session *known = find(store, text_of(session->hash));

    if (known) known->session.seen_wall_ms = store_now_wall_ms(store);
}

/* Reading ----------------------------------------------------------------------------------- */

void store_sessions_request(struct round *round)
{
    redis_command_add(round_add(round, "HGETALL"), TEXT(KEY_SESSIONS));
    redis_command_add(round_add(round, "HGETALL"), TEXT(KEY_SESSIONS_SEEN));
}

static bool read_session(struct text hash, struct text record, struct store_session *ret)
{
    struct store_session session = { .hash = "" };
    uint64_t created_wall_ms;

    if (hash.size != TOKEN_HASH_SIZE || record.size <= TOKEN_HASH_SIZE + 1) return false;
    memcpy(session.hash, hash.data, TOKEN_HASH_SIZE);
    memcpy(session.token_hash, record.data, TOKEN_HASH_SIZE);
    if (text_to_u64(
            (struct text){ record.data + TOKEN_HASH_SIZE + 1, record.size - TOKEN_HASH_SIZE - 1 },
            &created_wall_ms) < 0)
        return false;
    session.created_wall_ms = session.seen_wall_ms = created_wall_ms;
    *ret = session;
    return true;
}

void store_sessions_read(struct store *store, const struct redis_value *value)
{
    size_t count = redis_value_count(value), kept = 0;
    struct known_session *sessions;

    if (redis_value_is_error(value)) return; /* we go on with what we knew */
    sessions = mem_zalloc(count / 2 + 1, sizeof(*sessions));
    for (size_t i = 0; i + 1 < count; i += 2) {
        const struct known_session *before;

        if (!read_session(redis_value_text(redis_value_at(value, i)),
                          redis_value_text(redis_value_at(value, i + 1)), &sessions[kept].session))
            continue;
        before = find(store, text_of(sessions[kept].session.hash));
        if (before) sessions[kept] = *before;
        kept++;
    }
    qsort(sessions, kept, sizeof(*sessions), by_hash);
    free(store->sessions);
    store->sessions = sessions;
    store->session_count = kept;
}

void store_sessions_read_seen(struct store *store, const struct redis_value *value)
{
    size_t count = redis_value_count(value);

    if (redis_value_is_error(value)) return;
    for (size_t i = 0; i + 1 < count; i += 2) {
        struct known_session *known = find(store, redis_value_text(redis_value_at(value, i)));
        uint64_t seen_wall_ms;

        if (!known ||
            text_to_u64(redis_value_text(redis_value_at(value, i + 1)), &seen_wall_ms) < 0)
            continue;
        if (seen_wall_ms > known->told_wall_ms) known->told_wall_ms = seen_wall_ms;
        if (seen_wall_ms > known->session.seen_wall_ms) known->session.seen_wall_ms = seen_wall_ms;
    }
    store->seen_count = count / 2;
}

/* Keeping ----------------------------------------------------------------------------------- */

static void on_nothing(void *my, size_t index, const struct redis_value *value)
{
    (void)my, (void)index, (void)value;
}

/* What could not be told is told a minute later. */
static void on_told(void *my, const struct problem *problem)
{
    (void)my, (void)problem;
}

static void add_seen(struct round *round, const struct known_session *known)
{
    struct redis_command *command = round_add(round, "HSET");

    redis_command_add(command, TEXT(KEY_SESSIONS_SEEN));
    redis_command_add(command, text_of(known->session.hash));
    redis_command_add_u64(command, known->session.seen_wall_ms);
}

static void add_removal(struct round *round, const char *hash)
{
    static const struct text keys[] = { { KEY_SESSIONS, sizeof(KEY_SESSIONS) - 1 },
                                        { KEY_SESSIONS_SEEN, sizeof(KEY_SESSIONS_SEEN) - 1 } };

    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        struct redis_command *command = round_add(round, "HDEL");

        redis_command_add(command, keys[i]);
        redis_command_add(command, text_of(hash));
    }
}

/* More notes of uses than sessions: some are of none. All of them are written again by those who
 * use them. */
static void add_sweep(const struct store *store, struct round *round)
{
    if (store->seen_count > store->session_count + REMOVALS_MAX)
        redis_command_add(round_add(round, "UNLINK"), TEXT(KEY_SESSIONS_SEEN));
}

void store_sessions_keep(struct store *store)
{
    struct round *round = round_new(store, on_nothing, on_told, store);
    size_t removed = 0;

    for (size_t i = 0; i < store->session_count && removed < REMOVALS_MAX; i++) {
        struct known_session *known = &store->sessions[i];

        if (!store_session_is_good(store, &known->session)) {
            add_removal(round, known->session.hash);
            removed++;
        } else if (known->session.seen_wall_ms >= known->told_wall_ms + SEEN_TOLD_MS) {
            known->told_wall_ms = known->session.seen_wall_ms;
            add_seen(round, known);
        }
    }
    add_sweep(store, round);
    round_send(round);
}

/* Changes ----------------------------------------------------------------------------------- */

struct session_change {
    struct store *store;
    size_t list_index; /* which answer is the list as it is then */
    store_done_fn then;
    void *context;
};

static void on_answer(void *my, size_t index, const struct redis_value *value)
{
    struct session_change *change = my;

    if (index == change->list_index) store_sessions_read(change->store, value);
    if (index == change->list_index + 1) store_sessions_read_seen(change->store, value);
}

static void on_done(void *my, const struct problem *problem)
{
    struct session_change *change = my;

    change->then(change->context, problem);
    free(change);
}

static struct round *begin(struct store *store, store_done_fn then, void *context,
                           struct session_change **ret)
{
    struct session_change *change = mem_zalloc(1, sizeof(*change));

    *change = (struct session_change){ store, 0, then, context };
    *ret = change;
    return round_new(store, on_answer, on_done, change);
}

static void send(struct store *store, struct round *round, struct session_change *change,
                 size_t count)
{
    change->list_index = count;
    store_sessions_request(round);
    store_add_access_news(store, round);
    round_send(round);
}

/* Of a token's sessions (NULL: of all) the one that was used longest ago; and how many they are. */
static const struct store_session *idlest(const struct store *store, const char *token_hash,
                                          size_t *ret_count)
{
    const struct store_session *idle = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < store->session_count; i++) {
        const struct store_session *session = &store->sessions[i].session;

        if (token_hash && strcmp(session->token_hash, token_hash) != 0) continue;
        ++*ret_count;
        if (!idle || session->seen_wall_ms < idle->seen_wall_ms) idle = session;
    }
    return idle;
}

/* Who must go for another session of this token; NULL: nobody. */
static const struct store_session *in_the_way(const struct store *store, const char *token_hash)
{
    size_t count;
    const struct store_session *idle = idlest(store, token_hash, &count);

    if (count >= SESSIONS_OF_TOKEN_MAX) return idle;
    idle = idlest(store, NULL, &count);
    return count >= SESSIONS_MAX ? idle : NULL;
}

void store_session_put(struct store *store, const struct store_session *session, store_done_fn then,
                       void *context)
{
    const struct store_session *leaves = in_the_way(store, session->token_hash);
    struct session_change *change;
    struct round *round = begin(store, then, context, &change);
    struct redis_command *command = round_add(round, "HSET");
    size_t count = 1;

    redis_command_add(command, TEXT(KEY_SESSIONS));
    redis_command_add(command, text_of(session->hash));
    redis_command_add_format(command, "%s %" PRIu64, session->token_hash, store_now_wall_ms(store));
    if (leaves) {
        add_removal(round, leaves->hash);
        count += 2;
    }
    send(store, round, change, count);
}

void store_session_end(struct store *store, struct text hash, store_done_fn then, void *context)
{
    const struct known_session *known = find(store, hash);
    struct session_change *change;
    struct round *round = begin(store, then, context, &change);

    if (known) add_removal(round, known->session.hash);
    send(store, round, change, known ? 2 : 0);
}
