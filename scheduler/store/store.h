/* SPDX-License-Identifier: Apache-2.0 */
/* store.h: tasks, samples, logs, ledgers and tokens in Redis.
 *
 *     struct store *store = store_new(&(struct store_options){ .base = base, .state_dir = dir },
 *                                     &problem);
 *     store_on_up(store, on_up, context);       called at every (re)connection
 *     store_task_create(store, &draft, on_created, context);
 *
 * The one door to Redis. What must be decided at once (is it free, is there room, is it new) is
 * decided by Redis functions, which are atomic (functions/); this side carries values there
 * and back. Rules in words, caches and pages are task's and history's.
 *
 * Every function with a callback calls it exactly once, later, never before it returned;
 * `problem` is NULL on success, and what the callback is given lives until it returns. While
 * Redis is away every call is answered at once with PROBLEM_STORE_DOWN; one whose answer was lost
 * may have been carried out. What is given to a call is copied before it returns.
 *
 * One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_STORE_STORE_H
#define STAKEOUT_SCHEDULER_STORE_STORE_H

#include "common/model/application.h"
#include "common/model/problem.h"
#include "common/model/task.h"
#include "common/wire/messages.h"

struct event_base;
struct scope;
struct store;

struct store_options {
    struct event_base *base;
    const char *url;             /* a Redis of one's own; NULL: a private one, in state_dir */
    const char *password_file;   /* whose first line is its password; NULL: the URL's */
    const char *ca, *cert, *key; /* PEM files for rediss://, read at each connection; NULL: none */
    const char *state_dir;       /* must exist; holds `lock` and `redis/` */
    const char *redis_path;      /* the private one's program; NULL: redis-server, by PATH */
    uint64_t memory_size_max;    /* of the private one; 0: no bound */
    bool share; /* if another process owns state_dir, use its Redis instead of refusing */
    /* There will be no Redis: the private one cannot be started, or somebody else has its
     * directory. Called once, never before store_new returned; may be NULL. */
    void (*on_given_up)(void *context, const struct problem *problem);
    void *context;
};

/* NULL with *problem for a URL or a directory that cannot be used. */
struct store *store_new(const struct store_options *options, struct problem *problem);

/* Stops the private Redis and waits for its end, at most 5 s. Calls that are under way are
 * answered with PROBLEM_STORE_DOWN before this returns. Not from a callback of ours. */
struct store *store_free(struct store *store);

/* Called whenever Redis is there and its functions are loaded; soon, if it is already. Redis may
 * be another one than before, or an older state of it. At most STORE_LISTENERS_MAX of them. */
enum { STORE_LISTENERS_MAX = 4 };
typedef void (*store_up_fn)(void *context);
void store_on_up(struct store *store, store_up_fn on_up, void *context);
bool store_is_up(const struct store *store);

/* Calls fn(context) in the loop's next turn, for answers that need no Redis. */
void store_defer(struct store *store, void (*fn)(void *context), void *context);

/* Redis' clock, as last measured: at every connection, and with every function's answer. */
uint64_t store_now_wall_ms(const struct store *store);

/* Health and figures ------------------------------------------------------------------------ */

struct store_health {
    bool is_up;             /* connected to a master, not loading, functions loaded */
    bool is_writable;       /* and it has not refused writes for want of room */
    bool keeps_all;         /* an acknowledged report survives kill -9 of Redis */
    bool has_lost_replicas; /* it had some since our start, and has none */
    bool is_embedded, is_cluster;
    char says[PROBLEM_DETAIL_SIZE +
              64];        /* one sentence: what is wrong, or what can be lost; empty: all is well */
    char version[32];     /* of Redis; empty: unknown */
    char role[16];        /* "master", "slave" */
    char appendfsync[16]; /* "always", "everysec", "no", "off" (no AOF), "unknown" (not told) */
    uint64_t memory_size, memory_size_max; /* used_memory, maxmemory (0: none) */
    uint64_t master_count;                 /* one, but in a Cluster */
    uint64_t replica_count;                /* of the master that has fewest */
    uint64_t latency_ns; /* of the last command; in a Cluster the longest of each master's last */
};

struct store_statistics {
    uint64_t commands, errors, timeouts, connects, disconnects, restarts; /* since the start */
    uint64_t refused_full, function_loads;
    uint64_t in_flight_count, in_flight_size, queued_count, queued_size;
    uint64_t bytes_in, bytes_out; /* of samples: as reported, as stored */
};

void store_health(const struct store *store, struct store_health *ret);
void store_statistics(const struct store *store, struct store_statistics *ret);

/* Tasks ------------------------------------------------------------------------------------- */

enum store_verdict {
    STORE_DONE,
    STORE_OVERLAP,          /* `conflict` is in the way */
    STORE_TOO_MANY_AT_ONCE, /* TASKS_ACTIVE_MAX */
    STORE_TOO_MANY_LIVE,    /* STORE_LIVE_MAX */
    STORE_NO_TASK,
    STORE_OVER,    /* its state is final; `task` says which */
    STORE_LONGEST, /* it has the longest duration */
    STORE_NOT_DUE, /* nothing had to be moved */
};

enum { STORE_LIVE_MAX = 1000 }; /* tasks of an application that are not over; bounds the loops */

struct store_conflict {
    struct task_id id;
    char interface[INTERFACE_SIZE_MAX + 1];
    uint64_t starts_wall_ms, ends_wall_ms;
    bool is_active;
};

struct store_answer {
    enum store_verdict verdict;
    const struct task *task; /* as it stands now; NULL if there is none */
    struct store_conflict conflict;
    uint64_t version; /* of the application's tasks, after this */
};
typedef void (*store_answer_fn)(void *context, const struct store_answer *answer,
                                const struct problem *problem);

/* Makes the id, and creates the task unless another is in the way. */
void store_task_create(struct store *store, const struct task_spec *spec, store_answer_fn then,
                       void *context);
/* `settle` starts or expires what is due by Redis' clock. `who` goes into the log. */
void store_task_settle(struct store *store, struct text application, const struct task_id *id,
                       store_answer_fn then, void *context);
void store_task_cancel(struct store *store, struct text application, const struct task_id *id,
                       struct text who, store_answer_fn then, void *context);
void store_task_extend(struct store *store, struct text application, const struct task_id *id,
                       struct text who, store_answer_fn then, void *context);

/* The tasks of an application that are not over, and those that ended at most `ended_ms` ago. */
struct store_live {
    const struct task *tasks;
    size_t count;
    uint64_t version;
};
typedef void (*store_live_fn)(void *context, const struct store_live *live,
                              const struct problem *problem);
void store_live(struct store *store, struct text application, uint64_t ended_ms, store_live_fn then,
                void *context);

/* All applications that have tasks (order: by bytes), with the version of each one's tasks. */
struct store_applications {
    const struct text *names;
    const uint64_t *versions;
    size_t count;
};
typedef void (*store_applications_fn)(void *context, const struct store_applications *all,
                                      const struct problem *problem);
void store_applications(struct store *store, store_applications_fn then, void *context);

/* What other schedulers on the same Redis changed, as soon as they did: the task as it is now,
 * with the version that the change made, and the sample if one came or was replaced. on_gap: that
 * may not be all; at the start, and, with has_missed, when news were trimmed that we had not read
 * or Redis is an older one: who keeps something in memory loads it anew. One listener. */
typedef void (*store_news_fn)(void *context, const struct task *task, uint64_t version,
                              const struct sample_summary *sample);
typedef void (*store_gap_fn)(void *context, bool has_missed);
void store_on_news(struct store *store, store_news_fn on_news, store_gap_fn on_gap, void *context);
/* False: nobody tells us of changes; who wants to know must ask. */
bool store_reads_news(const struct store *store);

/* Takes or renews a lease: of all schedulers on this Redis, is it this one that does it? For
 * `lasts_ms` from the call on. Who stood still may go on for a moment when another one has taken
 * over; so what is done under a lease must be right when two do it. */
typedef void (*store_lease_fn)(void *context, bool is_held, const struct problem *problem);
void store_lease(struct store *store, const char *what, uint32_t lasts_ms, store_lease_fn then,
                 void *context);

/* Samples ----------------------------------------------------------------------------------- */

struct store_commit {
    enum report_outcome outcome;
    const struct task *task; /* as it stands now; NULL with REPORT_NO_TASK if there is none */
    uint64_t version;
};
typedef void (*store_commit_fn)(void *context, const struct store_commit *commit,
                                const struct problem *problem);
/* Compresses and stages the bytes, then takes the sample if there is room (DESIGN section 3). */
void store_report(struct store *store, const struct sample_summary *summary, struct text bytes,
                  store_commit_fn then, void *context);

/* Ledgers and logs -------------------------------------------------------------------------- */

typedef void (*store_done_fn)(void *context, const struct problem *problem);

void store_ledger_put(struct store *store, struct text application,
                      const struct task_ledger *ledger, store_done_fn then, void *context);
/* All of one task. Those whose (incarnation, sequence) is not new are left out. */
void store_events_put(struct store *store, struct text application,
                      const struct task_log_event *events, size_t count, store_done_fn then,
                      void *context);
/* Into ledger and log, once per incarnation. */
void store_delivered(struct store *store, struct text application, const struct task_id *task,
                     const struct task_ledger *who, store_done_fn then, void *context);
/* An instance that is gone, unless another scheduler hears it; one that said goodbye is lost only
 * if it left calls behind. */
struct store_departure {
    uint64_t incarnation;
    bool said_goodbye;
};
void store_gone(struct store *store, struct text application, const struct task_id *task,
                struct store_departure who, store_done_fn then, void *context);

/* Instances that this scheduler hears, so that no other one believes them gone: at most
 * STORE_HEARD_MAX, every now and then. And those that nobody hears: told of once. */
enum { STORE_HEARD_MAX = 500 };
struct store_heard {
    uint64_t incarnation, silent_ms; /* since when */
};
void store_heard(struct store *store, struct text application, const struct store_heard *heard,
                 size_t count);
typedef void (*store_silent_fn)(void *context, const uint64_t *incarnations, size_t count,
                                const struct problem *problem);
void store_silent(struct store *store, struct text application, uint64_t silent_ms,
                  store_silent_fn then, void *context);

/* Look-ups ---------------------------------------------------------------------------------- */

/* Where a task is. PROBLEM_NO_SUCH_TASK. */
typedef void (*store_task_fn)(void *context, const struct task *task,
                              const struct problem *problem);
void store_task_find(struct store *store, const struct task_id *id, store_task_fn then,
                     void *context);

/* Ids of an application's tasks, newest first, within first <= id < before (empty: open). */
struct store_ids {
    const struct task_id *ids;
    size_t count;
    bool is_behind; /* they are from an index that lacks some: say nothing of them */
};
typedef void (*store_ids_fn)(void *context, const struct store_ids *ids,
                             const struct problem *problem);
struct store_range {
    struct text first, before; /* prefixes of task ids, compared as text */
    uint32_t max;
};
void store_task_ids(struct store *store, struct text application, const struct store_range *range,
                    store_ids_fn then, void *context);

/* The same of one interface (empty: of any) and one state. */
struct store_kind {
    struct text interface;
    enum task_state state;
};
void store_index_ids(struct store *store, struct text application, const struct store_kind *kind,
                     const struct store_range *range, store_ids_fn then, void *context);

/* The tasks of these ids, of any applications, in one round; those that are gone have an empty
 * id in their place. */
struct store_ref {
    struct text application;
    struct task_id id;
};
typedef void (*store_tasks_fn)(void *context, const struct task *tasks, size_t count,
                               const struct problem *problem);
void store_tasks_get(struct store *store, const struct store_ref *refs, size_t count,
                     store_tasks_fn then, void *context);

/* A task's samples, in the order in which they came; `order` rises strictly. */
struct store_samples {
    const struct sample_summary *summaries;
    const uint64_t *orders;
    size_t count;
};
typedef void (*store_samples_fn)(void *context, const struct store_samples *samples,
                                 const struct problem *problem);
void store_samples(struct store *store, struct text application, const struct task_id *task,
                   store_samples_fn then, void *context);

/* One sample's summary; the ids of a trace's samples; a sample's bytes as they were reported. */
typedef void (*store_sample_fn)(void *context, const struct sample_summary *summary,
                                const struct problem *problem);
void store_sample_find(struct store *store, const struct sample_id *id, store_sample_fn then,
                       void *context);
typedef void (*store_trace_fn)(void *context, const struct sample_id *ids, size_t count,
                               const struct problem *problem);
void store_trace_find(struct store *store, const struct trace_id *trace, store_trace_fn then,
                      void *context);
typedef void (*store_bytes_fn)(void *context, struct text bytes, const struct problem *problem);
void store_sample_bytes(struct store *store, const struct sample_summary *summary,
                        store_bytes_fn then, void *context);

/* A task's log from the `from`-th event on (0 is the first). `cut` counts what was left out
 * because the log was full. */
struct store_log {
    const struct task_log_event *events;
    size_t count;
    uint64_t cut, total;
};
typedef void (*store_log_fn)(void *context, const struct store_log *log,
                             const struct problem *problem);
void store_log(struct store *store, struct text application, const struct task_id *task,
               uint64_t from, uint32_t max, store_log_fn then, void *context);

/* A task's ledgers; if some were folded, their sum is the last row (its incarnation is 0). */
struct store_ledgers {
    const struct task_ledger *rows;
    size_t count;
    uint32_t folded;
};
typedef void (*store_ledgers_fn)(void *context, const struct store_ledgers *ledgers,
                                 const struct problem *problem);
void store_ledgers(struct store *store, struct text application, const struct task_id *task,
                   store_ledgers_fn then, void *context);

/* Backup ------------------------------------------------------------------------------------ */

/* Has the private Redis write all that it holds, as it is at one moment, into a file, which is the
 * caller's to take away. A Redis of one's own is refused. */
typedef void (*store_saved_fn)(void *context, const char *path, const struct problem *problem);
void store_save(struct store *store, store_saved_fn then, void *context);

/* Retention --------------------------------------------------------------------------------- */

/* One bounded step: forgets the application's oldest tasks that ended `keep_ms` ago or earlier;
 * then, while its samples take more than `bytes_max` (0: no budget), drops those of the oldest
 * ended tasks. */
struct store_trimmed {
    uint32_t tasks, samples; /* how many this step removed */
    bool more;               /* call again soon */
};
typedef void (*store_trimmed_fn)(void *context, const struct store_trimmed *trimmed,
                                 const struct problem *problem);
void store_trim(struct store *store, struct text application, uint64_t keep_ms, uint64_t bytes_max,
                store_trimmed_fn then, void *context);

/* One bounded step of bringing the index of an application's tasks up to date, which is behind when
 * its Redis was used by a release that had none. `walk` is all zero to begin with, then what the
 * step before gave, until that has no more. */
struct store_index_walk {
    bool has_begun, more;
    char before[TASK_ID_SIZE + 1];
};
typedef void (*store_index_fn)(void *context, const struct store_index_walk *walk,
                               const struct problem *problem);
void store_index(struct store *store, struct text application, const struct store_index_walk *walk,
                 store_index_fn then, void *context);

/* Settings of applications ------------------------------------------------------------------ */

enum { SETTINGS_MAX = 10000 }; /* applications that have some */

/* Puts them, as of now by Redis' clock. */
void store_settings_put(struct store *store, const struct application_settings *settings,
                        store_done_fn then, void *context);

/* From memory: refreshed as tokens are. NULL: nobody ever set any. */
const struct application_settings *store_settings_find(const struct store *store,
                                                       struct text application);

/* Called for each application whose settings are others than before, also by a change made
 * elsewhere. One listener. */
typedef void (*store_settings_fn)(void *context, const struct application_settings *settings);
void store_on_settings(struct store *store, store_settings_fn on_change, void *context);

/* Tokens ------------------------------------------------------------------------------------ */

enum { TOKEN_HASH_SIZE = 64, TOKEN_NAME_SIZE_MAX = AUTHOR_SIZE_MAX, TOKENS_MAX = 1000 };

/* A token as it is kept: never itself, always its SHA-256. `role` and its meaning are access's. */
struct store_token {
    char hash[TOKEN_HASH_SIZE + 1]; /* lower-case hex */
    char name[TOKEN_NAME_SIZE_MAX + 1];
    char role[17];
    struct scope *scope; /* NULL: all applications; a loan, but to those who read a record */
    uint64_t created_wall_ms;
    uint64_t revoked_wall_ms; /* 0: it was not */
    uint64_t expires_wall_ms; /* 0: never */
    bool is_replaced;         /* another has its name; this one is good until it expires */
    uint64_t used_wall_ms;    /* about; 0: not that we know */
};

/* Is it good now: neither revoked nor expired? */
bool store_token_is_good(const struct store *store, const struct store_token *token);

/* Creates it. A name that a good token has is PROBLEM_BAD_FIELD, as is the one past TOKENS_MAX if
 * all of those are good; otherwise the oldest that is not is forgotten. created_wall_ms is set
 * here, by Redis' clock. */
void store_token_put(struct store *store, const struct store_token *token, store_done_fn then,
                     void *context);
/* Gives the good token of this name another hash. What had it before stays good for `grace_ms`. */
struct store_rotation {
    const char *name, *hash;
    uint64_t grace_ms;
};
void store_token_rotate(struct store *store, const struct store_rotation *rotation,
                        store_done_fn then, void *context);
/* By name: the good one, and those that it replaced. PROBLEM_BAD_FIELD if there is none. */
void store_token_revoke(struct store *store, struct text name, store_done_fn then, void *context);

/* From memory: refreshed at every connection, after every change made here or told of by another
 * scheduler, and every 2 s. While they are not known (never loaded), nobody can be let in. */
bool store_tokens_are_known(const struct store *store);
/* All, also those that are not good any more, in the order of their creation. */
size_t store_token_list(const struct store *store, const struct store_token **ret);
/* The good token of this hash; NULL: none. Lives until the loop's next turn. */
const struct store_token *store_token_find(const struct store *store, struct text hash);

/* The token, as it was just found, was used: kept in memory, and in Redis to the minute. Reading
 * has used_wall_ms of all filled with what every scheduler noted there; `then` may look at the
 * list. */
void store_token_note_use(struct store *store, const struct store_token *token);
void store_token_read_uses(struct store *store, store_done_fn then, void *context);

/* Sessions ---------------------------------------------------------------------------------- */

/* Beyond either the one that was used longest ago goes; of one token, so that its holder ends no
 * sessions but his own. */
enum { SESSIONS_MAX = 1000, SESSIONS_OF_TOKEN_MAX = 32 };
#define SESSION_IDLE_MS_MAX ((uint64_t)12 * 3600 * 1000)     /* without a request */
#define SESSION_MS_MAX      ((uint64_t)7 * 24 * 3600 * 1000) /* since the login */

/* What a browser has in place of a token, which it stands for; kept as its SHA-256 alone. */
struct store_session {
    char hash[TOKEN_HASH_SIZE + 1], token_hash[TOKEN_HASH_SIZE + 1]; /* lower-case hex */
    uint64_t created_wall_ms, seen_wall_ms;
};

void store_session_put(struct store *store, const struct store_session *session, store_done_fn then,
                       void *context); /* from now on */
void store_session_end(struct store *store, struct text hash, store_done_fn then, void *context);

/* From memory, as tokens. Good: of a good token, neither idle nor old. NULL: there is none. */
const struct store_session *store_session_find(const struct store *store, struct text hash);
bool store_session_is_good(const struct store *store, const struct store_session *session);
void store_session_note_use(struct store *store, const struct store_session *session);

/* The audit log ----------------------------------------------------------------------------- */

/* Who did what, to what. Texts are printable; empty ones do not apply. */
struct store_audit {
    uint64_t at_wall_ms; /* this and the id are Redis' own, of what was read */
    char id[42];
    char who[AUTHOR_SIZE_MAX + 1], from[HOST_IP_SIZE_MAX + 1]; /* a token's name; its address */
    char what[24];                                             /* "task-created", ... */
    char application[APPLICATION_SIZE_MAX + 1];
    char subject[TOKEN_HASH_SIZE + 1 + 16]; /* an id, a build-id, a token's name */
    char detail[PROBLEM_DETAIL_SIZE];
};
void store_audit_put(struct store *store, const struct store_audit *entry, store_done_fn then,
                     void *context);
/* Forgets what is older, some of it at a time. */
void store_audit_trim(struct store *store, uint64_t keep_ms);

/* Newest first, within from <= at < to (0: open), before the entry of an id (size 0: from the
 * end). Such a cursor must be one that was given. */
struct store_audit_query {
    uint64_t from_wall_ms, to_wall_ms;
    struct text before;
    uint32_t limit;
};
struct store_audit_page {
    const struct store_audit *entries;
    size_t count;
    bool has_more; /* perhaps */
};
typedef void (*store_audit_fn)(void *context, const struct store_audit_page *page,
                               const struct problem *problem);
void store_audit_read(struct store *store, const struct store_audit_query *query,
                      store_audit_fn then, void *context);

#endif
