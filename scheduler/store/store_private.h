/* SPDX-License-Identifier: Apache-2.0 */
/* store_private.h: the store as its own files see it. */
#ifndef STAKEOUT_SCHEDULER_STORE_STORE_PRIVATE_H
#define STAKEOUT_SCHEDULER_STORE_STORE_PRIVATE_H

#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/redis_conn.h"
#include "scheduler/store/redis_keys.h"
#include "scheduler/store/round.h"
#include "scheduler/store/store.h"

struct embedded_redis;
struct event;
struct redis_cluster;
struct report;
struct store_lanes;
struct store_news;
struct store_tell;
struct known_session;
struct token_place;

/* The library of functions/, as one text; made by the build. */
extern const char store_functions[];

struct store_deferred {
    void (*fn)(void *context);
    void *context;
    struct store_deferred *next;
};

struct store {
    struct store_options options;
    struct redis_address address;
    struct redis_conn *conn;       /* NULL with a Cluster */
    struct redis_cluster *cluster; /* NULL but with one; see store_route.h */
    struct store_lanes *lanes;     /* for reports; open while `conn` is */
    struct store_news *news;
    struct store_tell *tell;
    struct report *reports, **reports_last; /* that wait for those that are under way */
    size_t reports_size, parcel_count;      /* bytes of the former; the latter's */
    char name[17];                          /* of this store, among all on this Redis; random */
    struct embedded_redis *embedded;        /* NULL with a Redis of one's own */
    struct {
        store_up_fn fn;
        void *context;
    } listeners[STORE_LISTENERS_MAX];
    size_t listener_count;
    struct store_deferred *deferred, **deferred_last;
    struct event *defer, *refresh;
    unsigned loading; /* FUNCTION LOADs under way */
    bool is_up;
    int64_t clock_offset_ms; /* Redis' wall clock less our monotonic one */
    int64_t clock_noted_ms;  /* when that was measured; monotonic */
    bool clock_known;
    struct store_health health; /* as last read; what is derived is filled in store_health() */
    char down_says[PROBLEM_DETAIL_SIZE]; /* why it is not up */
    bool has_problem_full, may_evict, has_room;
    bool had_replicas; /* at some time since our start */
    uint64_t refused_full, function_loads, bytes_in, bytes_out;
    struct store_token *tokens;       /* in the order of their creation; owned, and their scopes */
    struct token_place *token_places; /* the same by hash */
    size_t token_count;
    bool tokens_known;
    struct known_session *sessions; /* by hash; owned */
    size_t session_count, seen_count;
    struct application_settings *settings; /* by name; owned */
    size_t settings_count;
    store_settings_fn on_settings;
    void *on_settings_context;
};

/* 0, or -1 with *problem: an answer that did not come, or a refusal by Redis. Draws what follows
 * for the connection: a replica is left, a full Redis is remembered. */
int store_judge(struct store *store, const struct redis_value *value, int rc,
                struct problem *problem);

/* Words for answers that make no sense: PROBLEM_INTERNAL. */
void store_misread(struct problem *problem, const char *what);

/* Leaves this Redis, and tries again later. Not at once, because that answers everything that is
 * under way. */
void store_drop_later(struct store *store, const char *why);

/* The library of functions: is it there, as it is here? If not, it is loaded. */
void store_library_request(struct round *round, int slot);
void store_library_read(struct store *store, const struct redis_value *value, int slot);

/* Sends FUNCTION LOAD, to a single Redis unless that is under way already; what is sent later finds
 * them. */
void store_load_functions(struct store *store, int slot);

/* FCALL of a function; its keys and arguments are added behind. */
struct redis_command *round_add_function(struct round *round, const char *name, unsigned keys);

/* Takes Redis' time from an answer: in milliseconds, or TIME's own. */
void store_note_clock(struct store *store, uint64_t wall_ms);
void store_read_time(struct store *store, const struct redis_value *value);
/* After a new connection: what the clock was before says nothing. */
void store_distrust_clock(struct store *store);

/* CONFIG GET appendfsync, which may be forbidden, and then is an error; then INFO. Of the masters
 * of a Cluster the first begins anew, the others add: sums, and the least that one promises. */
void store_read_appendfsync(struct store *store, const struct redis_value *value, bool is_first);
void store_read_info(struct store *store, struct text info, bool is_first);
uint64_t store_replicas(struct text info);
void store_note_readings(struct store *store); /* all were read */
/* Why this Redis will not do, whose INFO was read; NULL: it will. */
const char *store_unfit(const struct store *store, struct text info);

/* Settings and tokens, with every refresh. */
void store_settings_request(struct round *round);
void store_settings_read(struct store *store, const struct redis_value *value);
void store_tokens_request(struct round *round);
void store_tokens_read(struct store *store, const struct redis_value *value);
void store_tokens_tell_uses(struct store *store);
void store_tokens_forget(struct store *store);    /* before the end */
void store_sessions_request(struct round *round); /* two commands */
void store_sessions_read(struct store *store, const struct redis_value *value);
void store_sessions_read_seen(struct store *store, const struct redis_value *value);
/* With every refresh: tells uses, and removes what is over. */
void store_sessions_keep(struct store *store);

/* The way to Redis is there, or was lost. */
void store_on_connected(struct store *store);
void store_on_lost(struct store *store, const char *why);

/* What is read every other second is read now. */
void store_refresh_soon(struct store *store);

/* News for the other schedulers on this Redis (store_tell.c): a task changed, and a sample of it
 * came (NULL: none did); tokens or settings did. And the reading of theirs (store_news.c). */
enum { STORE_TOLD_SAMPLES_MAX = 16 }; /* of one entry */
struct store_tell *store_tell_new(struct store *store);
struct store_tell *store_tell_free(struct store_tell *tell); /* when nothing is under way */
void store_tell_task(struct store *store, const struct task *task, uint64_t version,
                     const struct sample_id *sample);
void store_tell_access(struct store *store);
/* What waits to be told of tasks goes with the commands of a round. */
void store_tell_along(struct store *store, struct round *round);
/* Such a round will be sent in this turn of the loop. */
bool store_reports_go_now(const struct store *store);
/* News of access with the commands of a round: for who may end as soon as they are answered. */
void store_add_access_news(struct store *store, struct round *round);
struct store_news *store_news_new(struct store *store);
struct store_news *store_news_free(struct store_news *news);
void store_news_connect(struct store_news *news);
/* In a Cluster: to the master that has the stream now. */
void store_news_follow(struct store_news *news);

/* The bytes of a revision: with the application, whose functions decide about them; in a Cluster by
 * themselves, because an application's samples may weigh more than one master has room for. */
void store_add_blob_key(const struct store *store, struct redis_command *command,
                        const struct key_tag *tag, const struct sample_id *sample,
                        uint64_t revision);

/* The keys with which every function begins that may move a task: move_keys() of
 * functions/2_tasks.lua. */
enum { STORE_MOVE_KEYS = 8 };
void store_add_move_keys(struct redis_command *command, const struct key_tag *tag,
                         const struct task_id *id);

#endif
