/* SPDX-License-Identifier: Apache-2.0 */
/* private.h: an analysis from the inside, for this folder and its tests. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_PRIVATE_H
#define STAKEOUT_SCHEDULER_ANALYSIS_PRIVATE_H

#include "scheduler/analysis/tree.h"

/* One call: a sample without its stacks. */
struct call {
    char trace_id[TRACE_ID_SIZE + 1];
    char thread_name[THREAD_NAME_SIZE_MAX + 1];
    uint32_t thread_id;
    bool running;
    uint64_t began_wall_ns, elapsed_ns, listened_ns, frequency_ns, interval_ns;
    size_t first_moment;
    uint32_t moment_count;
};

/* One snapshot with its weight. */
struct moment {
    uint32_t path;
    int32_t syscall;
    enum wait_kind wait;
    uint32_t waiting_for; /* text */
    uint32_t holder;      /* of the lock: 1 + index into holders; 0: not known */
    uint32_t lock;        /* 1 + index into locks; 0: it did not wait for one */
    uint64_t offset_ns;
    struct cost cost;
};

/* Who held a lock for which a call waited, at a moment. */
struct holder {
    uint32_t thread_name; /* text */
    uint32_t thread_id;
    uint32_t path; /* into holder_paths; 0: its stack is not known */
};

/* The waiting for one lock while its owner was in one function. */
struct lock {
    uint32_t row;          /* in order of first use */
    uint32_t waiting_for;  /* text */
    uint32_t holder;       /* 1 + the one that was waited for the longest; 0: not known */
    uint32_t own, called;  /* frames, as in a guilt, of that one's stack */
    uint32_t thread_count; /* different names of owners */
    uint64_t ns, count;    /* count: snapshots */
};

struct lock_list {
    struct lock *rows; /* the longest first */
    uint32_t count;
};

/* A part of the calls' time at one of the application's functions: what findings speak of. */
struct group {
    enum cost_part part;
    uint32_t symbol, frame;  /* FRAME_NONE: of no function (queueing) */
    uint32_t callee;         /* symbol in which most of it was, if not the function itself */
    uint32_t waiting_for;    /* text of most of it */
    uint32_t waiting_others; /* other texts */
    uint32_t lock;           /* 1 + the lock whose owner is known and that took most; 0: none */
    uint64_t lock_ns;        /* of ns */
    bool is_at_least;        /* was going on at the first snapshot: there may be more */
    uint64_t ns;
};

struct group_list {
    struct group *rows; /* the longest first */
    uint32_t count;
};

struct finding {
    char *sentence; /* owned */
    enum cost_part part;
    uint32_t frame; /* FRAME_NONE: none */
    uint64_t ns;    /* per call; of a comparison the difference, without its sign */
    bool is_less;   /* of a comparison */
};

/* One side of a comparison: means per call. */
struct side {
    uint64_t elapsed_ns, listened_ns, frequency_ns;
    uint64_t snapshot_count;
    uint32_t call_count;
};

struct analysis {
    struct frame_table frames;
    struct path_table paths;
    struct cost *path_costs; /* by path: its own */
    struct tree tree;
    struct hot_list hot, hot_lines;
    struct call *calls;
    uint32_t call_count;
    struct moment *moments;
    size_t moment_count;
    uint64_t elapsed_ns, listened_ns;   /* sums over the calls */
    uint64_t frequency_ns, interval_ns; /* the largest */
    struct holder *holders;
    uint32_t holder_count, holder_capacity;
    struct path_table holder_paths; /* apart from the calls' own: they have no cost */
    struct lock_list locks;
    struct group_list groups;
    uint64_t unanswered_count; /* frames that the symbol worker gave no answer for */
    struct finding *findings;
    uint32_t finding_count;

    /* Of a comparison, where everything above is `other`'s, a mean per call, without calls,
     * moments and paths: */
    bool is_diff;
    struct cost *base_self, *base_total; /* by node */
    struct side base, other;
    uint64_t noise_ns;
};

/* Whose a stack is: groups.c says by which rule. FRAME_NONE: there is none. */
struct guilt {
    bool is_known;
    uint32_t own;    /* frame to name: the application's own, where there is one */
    uint32_t where;  /* frame in which the time went by */
    uint32_t called; /* frame of the function that `own` called there: fsync; of itself none */
};

struct guilt guilt_find(const struct frame_table *table, const struct path_table *paths,
                        uint32_t path);

/* locks.c: the list numbers the moments' `lock`. holder_add() returns 1 + the index. */
uint32_t holder_add(struct analysis *analysis, struct holder holder);
struct lock_list lock_list_make(struct analysis *analysis);

/* groups.c */
struct group_list group_list_make(const struct analysis *analysis);

/* findings.c: fills analysis->findings. */
void findings_make(struct analysis *analysis);
void findings_make_diff(struct analysis *diff, const struct analysis *base,
                        const struct analysis *other);

/* names.c: a function's name for people, in at most `characters`: without return type and
 * arguments; then with templates as <>; the last two parts; the last; its head. */
void name_shorten(struct text name, size_t characters, struct buf *to);

/* A duration with three digits, never finer than a millisecond: "184 ms", "1.84 s". */
void duration_text(uint64_t ns, char ret[32]);

/* Nanoseconds as decimal milliseconds, exactly: 1500000 is "1.5". */
void ms_exact(struct buf *to, uint64_t ns);

/* The name of a system call of x86-64, or NULL. */
const char *syscall_name(int32_t number);

/* exports */
void export_json(const struct analysis *analysis, struct text title, struct buf *to);
void export_folded(const struct analysis *analysis, struct text title, struct buf *to);
void export_speedscope(const struct analysis *analysis, struct text title, struct buf *to);
void export_pprof(const struct analysis *analysis, struct text title, struct buf *to);
void export_svg(const struct analysis *analysis, struct text title, struct buf *to);

#endif
