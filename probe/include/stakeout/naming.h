/* SPDX-License-Identifier: Apache-2.0 */
/* naming.h: which interface an HTTP request is a call of, by rules; for servers that have no routes
 * of their own to name it. The integrations and the wrappers beside this header use it.
 *
 *     static const char *const rules[] = {
 *         "GET /item/{id}",                     its own name, one segment for {id}
 *         "POST /cart/{cart}/total cart.Total", under a name of its own
 *         "ANY /files/{path...}",               any method, any number of segments
 *         "GET /health -",                      is no call
 *         NULL,
 *     };
 *     static struct stakeout_names names = { .rules = rules };
 *
 *     id = stakeout_names_find(&names, "GET", "/item/7?all=1");        "GET /item/{id}"
 *     id = stakeout_names_find(&names, "GET", "/user/4711/orders");    "GET /user/{id}/orders"
 *
 * A rule is METHOD PATH [NAME], with one blank between. The first rule that matches counts. A
 * segment of PATH is text, or text around one {word}, which stands for one character or more; the
 * last may be {word...}, which stands for whatever comes. Paths are compared as they were sent,
 * escapes and all, up to the query.
 *
 * Where no rule matches, the name is made of the method and the first three segments, with {id}
 * for what looks like one (stakeout_name_default). A process makes 256 such names at most; then it
 * is "GET (other)": a stranger who tries paths cannot fill the list of interfaces.
 *
 * Everything here is inline, allocates nothing, and reads its strings to their zero at most. What
 * runs by request goes through its strings by hand: between two requests the kernel has run, and
 * each page of libc's that it touches (a formatter's, a set of characters') has to be found anew.
 * Threads: any. */
#ifndef STAKEOUT_NAMING_H
#define STAKEOUT_NAMING_H

#include <stakeout/stakeout.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    STAKEOUT_NAME_SIZE = 160,      /* of a default name with its zero: 3 x 32, and what is around */
    STAKEOUT_RULE_SIZE_MAX = 512,  /* as an interface's name */
    STAKEOUT_SEGMENTS_MAX = 3,     /* in a default name */
    STAKEOUT_SEGMENT_SIZE_MAX = 32 /* a longer one is an id */
};

#define STAKEOUT_DEFAULT_NAMES_MAX 256u

/* Zero it, set `rules`, keep it as long as the process. */
struct stakeout_names {
    const char *const *rules; /* ends with NULL; NULL: none. Each passed stakeout_rule_fault() */
    uint32_t seen_count;
    uint64_t seen[2 * STAKEOUT_DEFAULT_NAMES_MAX]; /* hashes of the default names; 0: free */
    stakeout_interface_id ids[2 * STAKEOUT_DEFAULT_NAMES_MAX]; /* theirs; 0: not known yet */
};

/* How many bytes stand before the first of these, or the end. */
static inline size_t stakeout_naming_until(const char *text, const char *ends)
{
    size_t size = 0;

    for (; text[size]; size++) {
        for (const char *end = ends; *end; end++) {
            if (text[size] == *end) return size;
        }
    }
    return size;
}

/* The path within a request's target: from its first '/' to its query. An absolute target
 * ("http://host/path") loses its host. Size 0: there is none, as in "OPTIONS *". */
static inline const char *stakeout_naming_path(const char *target, size_t *ret_size)
{
    const char *scheme = target[0] == '/' ? NULL : strstr(target, "://");

    if (scheme) target = scheme + 3 + stakeout_naming_until(scheme + 3, "/?#");
    *ret_size = target[0] == '/' ? stakeout_naming_until(target, "?#") : 0;
    return target;
}

static inline int stakeout_naming_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

/* How long the segment is that begins here. */
static inline size_t stakeout_naming_segment(const char *text, const char *end)
{
    const char *slash = (const char *)memchr(text, '/', (size_t)(end - text));

    return (size_t)((slash ? slash : end) - text);
}

/* Rules ------------------------------------------------------------------------------------- */

/* What is wrong with a segment of a rule's path; NULL: nothing. */
static inline const char *stakeout_naming_segment_fault(const char *text, size_t size, int is_last)
{
    const char *open = (const char *)memchr(text, '{', size);
    const char *close = (const char *)memchr(text, '}', size);
    size_t word_size;

    if (!open && !close) return NULL;
    if (!open || !close || close < open) return "a brace has no partner within its segment";
    if (memchr(close + 1, '{', size - (size_t)(close + 1 - text)) ||
        memchr(close + 1, '}', size - (size_t)(close + 1 - text)) ||
        memchr(open + 1, '{', (size_t)(close - open - 1)))
        return "a segment has more than one {word}";
    word_size = (size_t)(close - open - 1);
    if (word_size > 3 && memcmp(close - 3, "...", 3) == 0) {
        if (!is_last || open != text || close + 1 != text + size)
            return "{word...} must be the whole last segment";
        word_size -= 3;
    }
    if (word_size == 0) return "the braces name nothing; write {id}";
    for (size_t i = 1; i <= word_size; i++) {
        if (!stakeout_naming_is_word(open[i]) || open[i] == '.')
            return "within braces are letters, digits, '-' and '_' only";
    }
    return NULL;
}

static inline const char *stakeout_naming_path_fault(const char *path, const char *end)
{
    if (path == end || *path != '/') return "the path must begin with '/'";
    for (const char *at = path; at < end; at++) {
        if (*at <= ' ' || *at > '~' || *at == '*' || *at == '?' || *at == '#')
            return "the path must be of visible ASCII without '*', '?' and '#'; "
                   "what varies is written {id}";
    }
    while (path < end) {
        size_t size = stakeout_naming_segment(++path, end);
        const char *fault = stakeout_naming_segment_fault(path, size, path + size == end);

        if (fault) return fault;
        path += size;
    }
    return NULL;
}

/* What is wrong with a rule, as half a sentence; NULL: nothing. */
static inline const char *stakeout_rule_fault(const char *rule)
{
    size_t method = strspn(rule, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-"), path, whole = strlen(rule);
    const char *fault;

    if (whole > STAKEOUT_RULE_SIZE_MAX) return "it is longer than 512 bytes";
    if (method == 0 || rule[method] != ' ')
        return "it must begin with a method in upper case, or ANY, and one blank";
    path = method + 1 + strcspn(rule + method + 1, " ");
    fault = stakeout_naming_path_fault(rule + method + 1, rule + path);
    if (fault || rule[path] == '\0') return fault;
    if (rule[path + 1] == '\0' || rule[path + 1] == ' ') return "the name behind the path is empty";
    for (size_t i = path + 1; i < whole; i++) {
        if (rule[i] < ' ' || rule[i] > '~' || rule[i] == '*')
            return "the name must be of printable ASCII without '*'";
    }
    return NULL;
}

static inline int stakeout_naming_segment_matches(const char *rule, size_t rule_size,
                                                  const char *text, size_t size)
{
    const char *open = (const char *)memchr(rule, '{', rule_size);
    const char *close =
        open ? (const char *)memchr(open, '}', rule_size - (size_t)(open - rule)) : NULL;
    size_t before, behind;

    if (!close) return rule_size == size && memcmp(rule, text, size) == 0;
    before = (size_t)(open - rule);
    behind = (size_t)(rule + rule_size - (close + 1));
    return size > before + behind && memcmp(rule, text, before) == 0 &&
           memcmp(close + 1, text + size - behind, behind) == 0;
}

static inline int stakeout_naming_path_matches(const char *rule, const char *rule_end,
                                               const char *path, const char *end)
{
    while (rule < rule_end && path < end) {
        size_t rule_size = stakeout_naming_segment(++rule, rule_end);
        size_t size = stakeout_naming_segment(++path, end);

        if (rule_size > 5 && rule[0] == '{' && memcmp(rule + rule_size - 4, "...}", 4) == 0)
            return 1;
        if (!stakeout_naming_segment_matches(rule, rule_size, path, size)) return 0;
        rule += rule_size;
        path += size;
    }
    return rule == rule_end && path == end;
}

/* The path of a rule without fault, if the rule is about such a method; else NULL. */
static inline const char *stakeout_naming_rule_path(const char *rule, const char *method)
{
    size_t size = stakeout_naming_until(rule, " "), at = 0;

    if (size == 3 && rule[0] == 'A' && rule[1] == 'N' && rule[2] == 'Y') return rule + size + 1;
    while (at < size && method[at] == rule[at]) {
        at++;
    }
    return at == size && method[at] == '\0' ? rule + size + 1 : NULL;
}

/* Whether a request, whose path was found, is what the rule, which has no fault, is about. */
static inline int stakeout_rule_matches_path(const char *rule, const char *method, const char *path,
                                             size_t size)
{
    const char *own = stakeout_naming_rule_path(rule, method);

    return own && stakeout_naming_path_matches(own, own + stakeout_naming_until(own, " "), path,
                                               path + size);
}

static inline int stakeout_rule_matches(const char *rule, const char *method, const char *target)
{
    size_t size;
    const char *path = stakeout_naming_path(target, &size);

    return stakeout_rule_matches_path(rule, method, path, size);
}

/* The interface's name of a rule without fault: its NAME, else the rule itself. "-": no call. */
static inline const char *stakeout_rule_name(const char *rule)
{
    const char *path = rule + strcspn(rule, " ") + 1;
    const char *blank = strchr(path, ' ');

    return blank ? blank + 1 : rule;
}

/* Default names ----------------------------------------------------------------------------- */

/* Whether a segment looks as if there were many like it: numbers, UUIDs, hashes, and what is long
 * or no plain word. */
static inline int stakeout_naming_is_id(const char *text, size_t size)
{
    size_t digits = 0, run = 0, run_max = 0, hex = 0;

    if (size > STAKEOUT_SEGMENT_SIZE_MAX) return 1;
    for (size_t i = 0; i < size; i++) {
        int is_digit = text[i] >= '0' && text[i] <= '9';

        if (!stakeout_naming_is_word(text[i])) return 1;
        digits += (size_t)is_digit;
        run = is_digit ? run + 1 : 0;
        if (run > run_max) run_max = run;
        hex += (size_t)(is_digit || text[i] == '-' || (text[i] >= 'a' && text[i] <= 'f') ||
                        (text[i] >= 'A' && text[i] <= 'F'));
    }
    return run_max >= 4 || (digits > 0 && (digits == size || (hex == size && size >= 8)));
}

/* Behind the last dot: up to five letters or digits, as in 4711.json. 0: there is no such thing. */
static inline size_t stakeout_naming_extension(const char *text, size_t size)
{
    for (size_t i = 1; i < 6 && i + 1 < size; i++) {
        char c = text[size - i];

        if (text[size - i - 1] == '.' && stakeout_naming_is_word(c) && c != '.') return i + 1;
        if (!stakeout_naming_is_word(c) || c == '.') return 0;
    }
    return 0;
}

/* The method, if it is a usual one: strangers may send any word. */
static inline const char *stakeout_naming_method(const char *method)
{
    static const char *const usual[] = { "GET",   "HEAD",    "POST",     "PUT",       "DELETE",
                                         "PATCH", "OPTIONS", "PROPFIND", "PROPPATCH", "MKCOL",
                                         "COPY",  "MOVE",    "LOCK",     "UNLOCK",    "REPORT" };

    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (strcmp(usual[i], method) == 0) return usual[i];
    }
    return "OTHER";
}

/* Appends what fits; a default name always does. */
static inline size_t stakeout_naming_put(char ret[STAKEOUT_NAME_SIZE], size_t at, const char *text,
                                         size_t size)
{
    if (size > STAKEOUT_NAME_SIZE - 1 - at) size = STAKEOUT_NAME_SIZE - 1 - at;
    memcpy(ret + at, text, size);
    ret[at + size] = '\0';
    return at + size;
}

/* "GET /user/{id}/orders", "GET /api/v2/users/..." where more segments follow, "GET /img/{id}.png",
 * "OPTIONS (other)" without a path. Empty segments are passed over. */
static inline void stakeout_name_default(const char *method, const char *target,
                                         char ret[STAKEOUT_NAME_SIZE])
{
    size_t size, count = 0;
    const char *path = stakeout_naming_path(target, &size), *end = path + size;
    const char *usual = stakeout_naming_method(method);
    size_t at = stakeout_naming_put(ret, 0, usual, strlen(usual));

    at = stakeout_naming_put(ret, at, " (other)", size > 0 ? 1 : 8);
    while (path < end) {
        size_t segment = stakeout_naming_segment(++path, end), extension, stem;

        if (segment > 0) {
            at = stakeout_naming_put(ret, at, "/", 1);
            if (count++ == STAKEOUT_SEGMENTS_MAX) {
                stakeout_naming_put(ret, at, "...", 3);
                return;
            }
            extension = stakeout_naming_extension(path, segment);
            stem = segment - extension;
            if (stakeout_naming_is_id(path, stem)) {
                at = stakeout_naming_put(ret, at, "{id}", 4);
                at = stakeout_naming_put(ret, at, path + stem, extension);
            } else {
                at = stakeout_naming_put(ret, at, path, segment);
            }
        }
        path += segment;
    }
    if (size > 0 && count == 0) stakeout_naming_put(ret, at, "/", 1);
}

static inline uint64_t stakeout_naming_hash(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (const char *at = name; *at; at++) {
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    }
    return hash ? hash : 1;
}

/* The place of one of the first 256 default names; -1: it is none of them, and there is no room.
 * Names of the same hash share a place: who looks for such a pair has both counted as one. */
static inline int stakeout_naming_place(struct stakeout_names *names, uint64_t hash)
{
    const uint32_t places = sizeof names->seen / sizeof *names->seen;

    for (uint32_t i = 0; i < places; i++) {
        uint32_t at = (uint32_t)((hash + i) % places);
        uint64_t *place = &names->seen[at];
        uint64_t found = __atomic_load_n(place, __ATOMIC_RELAXED);

        if (found == hash) return (int)at;
        if (found != 0) continue;
        if (__atomic_fetch_add(&names->seen_count, 1, __ATOMIC_RELAXED) >=
            STAKEOUT_DEFAULT_NAMES_MAX) {
            __atomic_fetch_sub(&names->seen_count, 1, __ATOMIC_RELAXED);
            return -1;
        }
        if (__atomic_compare_exchange_n(place, &found, hash, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return (int)at;
        __atomic_fetch_sub(&names->seen_count, 1, __ATOMIC_RELAXED);
        if (found == hash) return (int)at;
    }
    return -1;
}

/* The default name's interface, of the first 256; else "METHOD (other)". */
static inline stakeout_interface_id stakeout_names_default(struct stakeout_names *names,
                                                           const char *method, const char *target)
{
    char name[STAKEOUT_NAME_SIZE];
    stakeout_interface_id id;
    int place;

    stakeout_name_default(method, target, name);
    place = stakeout_naming_place(names, stakeout_naming_hash(name));
    if (place < 0) {
        stakeout_name_default(method, "", name);
        return stakeout_interface(name);
    }
    id = __atomic_load_n(&names->ids[place], __ATOMIC_RELAXED);
    if (id == 0) {
        id = stakeout_interface(name);
        __atomic_store_n(&names->ids[place], id, __ATOMIC_RELAXED);
    }
    return id;
}

/* The interface of a request; 0: a rule says that it is no call. */
static inline stakeout_interface_id stakeout_names_find(struct stakeout_names *names,
                                                        const char *method, const char *target)
{
    size_t size;
    const char *path = stakeout_naming_path(target, &size);

    for (const char *const *rule = names->rules; rule && *rule; rule++) {
        if (!stakeout_rule_matches_path(*rule, method, path, size)) continue;
        if (strcmp(stakeout_rule_name(*rule), "-") == 0) return 0;
        return stakeout_interface(stakeout_rule_name(*rule));
    }
    return stakeout_names_default(names, method, target);
}

#ifdef __cplusplus
}
#endif

#endif
