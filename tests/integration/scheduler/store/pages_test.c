/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of tasks against a naive list of the same: every filter, every page size, every bound. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

enum { APPLICATIONS = 5, TASKS = 3000, WAVE = 50 };

struct row {
    struct task_id id;
    uint64_t created_ms;
    char application[16], interface[16], author[16];
    enum task_state state;
};

struct world {
    struct fixture *fixture;
    struct row rows[TASKS];
    size_t count, open, wave; /* wave: the first row of the wave that is being made */
    bool is_behind;           /* the index; then pages may be short */
};

/* Making the world: waves of tasks, half of them cancelled at once, half expired ------------- */

static bool is_closed(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct world *)context)->open == 0;
}

static void on_created(void *context, const struct task *task, const struct problem *problem)
{
    struct world *world = context;
    struct row *row = &world->rows[world->count++];

    if (problem) fail_msg("%s", problem->detail);
    row->id = task->id;
    row->created_ms = task->created_wall_ms;
    snprintf(row->application, sizeof(row->application), "%.15s", task->spec.application);
    snprintf(row->interface, sizeof(row->interface), "%.15s", task->spec.interface);
    snprintf(row->author, sizeof(row->author), "%.15s", task->spec.author);
    row->state = TASK_CANCELLED;
    world->open--;
}

static void on_cancelled(void *context, const struct task *task, const struct problem *problem)
{
    struct world *world = context;

    (void)task;
    if (problem) fail_msg("%s", problem->detail);
    world->open--;
}

static void make_wave(struct world *world, unsigned wave)
{
    for (unsigned i = 0; i < WAVE; i++) {
        char application[16], interface[16];
        struct task_spec spec;
        snprintf(application, sizeof(application), "app-%u", (i * 7 + wave) % APPLICATIONS);
        snprintf(interface, sizeof(interface), "GET /%u", i % 10 == 9 ? 1000 + i : i);
        spec = spec_of(application, interface);
        snprintf(spec.author, sizeof(spec.author), "%s", wave % 3 ? "ann" : "bob");
        world->open++;
        tasks_create(world->fixture->tasks, &spec, on_created, world);
    }
    fixture_wait(world->fixture, is_closed, world);
    for (size_t i = world->wave; i < world->count; i++) {
        if (wave == TASKS / WAVE - 1) {
            world->rows[i].state = TASK_ACTIVE; /* the last wave goes on */
            continue;
        }
        world->open++;
        tasks_cancel(world->fixture->tasks, &world->rows[i].id, "eve", on_cancelled, world);
    }
    fixture_wait(world->fixture, is_closed, world);
    world->wave = world->count;
}

static int newest_first(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    return strcmp(b->id.text, a->id.text);
}

static int make_world(void **state)
{
    struct world *world = mem_zalloc(1, sizeof(*world));

    world->fixture = fixture_new("");
    for (unsigned wave = 0; wave < TASKS / WAVE; wave++) {
        make_wave(world, wave);
    }
    assert_int_equal(world->count, TASKS);
    qsort(world->rows, world->count, sizeof(world->rows[0]), newest_first);
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;

    fixture_free(world->fixture);
    free(world);
    return 0;
}

/* Reading it -------------------------------------------------------------------------------- */

struct reading {
    bool done;
    enum problem_code code;
    struct task_id ids[PAGE_LIMIT_MAX];
    size_t count;
    char next[CURSOR_SIZE_MAX + 1];
};

static void on_page(void *context, const struct history_tasks *page, const struct problem *problem)
{
    struct reading *reading = context;

    if (reading->done) fail_msg("a callback came twice");
    reading->done = true;
    reading->code = problem ? problem->code : PROBLEM_NONE;
    if (problem) return;
    reading->count = page->count;
    for (size_t i = 0; i < page->count; i++) {
        reading->ids[i] = page->tasks[i].id;
    }
    memcpy(reading->next, page->next, sizeof(reading->next));
}

static bool is_read(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct reading *)context)->done;
}

static void read_page(struct world *world, const struct history_query *query,
                      struct reading *reading)
{
    reading->done = false;
    history_tasks(world->fixture->history, query, on_page, reading);
    assert_false(reading->done);
    fixture_wait(world->fixture, is_read, reading);
}

static bool matches(const struct history_query *query, const struct row *row)
{
    struct text application = text_of(row->application), interface = text_of(row->interface);

    if (query->application.size && !text_is_equal(query->application, application)) return false;
    if (query->interface.size && !text_is_equal(query->interface, interface)) return false;
    if (query->author.size && !text_is_equal(query->author, text_of(row->author))) return false;
    if (query->state >= 0 && row->state != (enum task_state)query->state) return false;
    if (query->from_wall_ms && row->created_ms < query->from_wall_ms) return false;
    return !query->to_wall_ms || row->created_ms < query->to_wall_ms;
}

/* All pages of the query, one behind the other, are the naive list; all but the last are full,
 * where there is an index. */
static void assert_pages(struct world *world, const char *says, struct history_query query)
{
    struct reading *reading = mem_zalloc(1, sizeof(*reading));
    char cursor[CURSOR_SIZE_MAX + 1] = "";
    size_t at = 0, pages = 0;

    do {
        query.cursor = text_of(cursor);
        read_page(world, &query, reading);
        assert_int_equal(reading->code, PROBLEM_NONE);
        assert_true(reading->count <= query.limit);
        if (reading->next[0] && query.author.size == 0 && !world->is_behind)
            assert_int_equal(reading->count, query.limit);
        for (size_t i = 0; i < reading->count; i++, at++) {
            while (at < world->count && !matches(&query, &world->rows[at])) {
                at++;
            }
            if (at == world->count || strcmp(world->rows[at].id.text, reading->ids[i].text) != 0) {
                fail_msg("%s: page %zu, row %zu is another one", says, pages, i);
            }
        }
        memcpy(cursor, reading->next, sizeof(cursor));
        pages++;
        assert_true(pages <= TASKS + 1);
    } while (cursor[0]);
    for (; at < world->count; at++) {
        if (matches(&query, &world->rows[at])) fail_msg("%s: pages end too early", says);
    }
    free(reading);
}

static void read_everything(struct world *world)
{
    uint64_t early_ms = world->rows[TASKS * 3 / 4].created_ms;
    uint64_t late_ms = world->rows[TASKS / 4].created_ms;
    const struct {
        const char *says;
        struct history_query query;
    } cases[] = {
        { "all, small pages", { .state = -1, .limit = 7 } },
        { "all, large pages", { .state = -1, .limit = 1000 } },
        { "all, pages that divide them", { .state = -1, .limit = 100 } },
        { "one application", { .application = TEXT("app-3"), .state = -1, .limit = 33 } },
        { "no such application", { .application = TEXT("none"), .state = -1, .limit = 33 } },
        { "one interface", { .interface = TEXT("GET /7"), .state = -1, .limit = 20 } },
        { "a rare interface", { .interface = TEXT("GET /1049"), .state = -1, .limit = 20 } },
        { "no such interface", { .interface = TEXT("GET /none"), .state = -1, .limit = 20 } },
        { "one author", { .author = TEXT("bob"), .state = -1, .limit = 300 } },
        { "one interface in one state",
          { .interface = TEXT("GET /7"), .state = TASK_CANCELLED, .limit = 20 } },
        { "one interface of one application",
          { .application = TEXT("app-2"), .interface = TEXT("GET /7"), .state = -1, .limit = 20 } },
        { "what is in no state", { .state = TASK_FILLED, .limit = 20 } },
        { "what is active", { .state = TASK_ACTIVE, .limit = 9 } },
        { "what is cancelled", { .state = TASK_CANCELLED, .limit = 500 } },
        { "from", { .from_wall_ms = late_ms, .state = -1, .limit = 50 } },
        { "to", { .to_wall_ms = early_ms, .state = -1, .limit = 50 } },
        { "from and to",
          { .from_wall_ms = early_ms, .to_wall_ms = late_ms, .state = -1, .limit = 50 } },
        { "an empty range",
          { .from_wall_ms = late_ms, .to_wall_ms = early_ms, .state = -1, .limit = 5 } },
        { "everything at once",
          { .application = TEXT("app-1"),
            .author = TEXT("ann"),
            .from_wall_ms = early_ms,
            .to_wall_ms = late_ms,
            .state = TASK_CANCELLED,
            .limit = 3 } },
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_pages(world, cases[i].says, cases[i].query);
    }
}

static void pages_are_the_whole_list_in_order(void **state)
{
    read_everything(*state);
}

/* The index --------------------------------------------------------------------------------- */

struct walking {
    bool done;
    struct store_index_walk walk;
};

static void on_walked(void *context, const struct store_index_walk *walk,
                      const struct problem *problem)
{
    struct walking *walking = context;

    if (problem) fail_msg("%s", problem->detail);
    walking->done = true;
    walking->walk = *walk;
}

static bool is_walked(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct walking *)context)->done;
}

static void walk_on(struct world *world, const char *application, struct walking *walking)
{
    walking->done = false;
    store_index(world->fixture->store, text_of(application), &walking->walk, on_walked, walking);
    fixture_wait(world->fixture, is_walked, walking);
}

static unsigned long long ask_of(struct world *world, const char *verb, const char *application,
                                 const char *rest)
{
    char command[128];

    snprintf(command, sizeof(command), "%s 'stakeout:{%s}:%s", verb, application, rest);
    return strtoull(redis_process_ask(&world->fixture->redis, command), NULL, 10);
}

/* As a scheduler leaves it that knows no index. */
static void spoil_index(struct world *world, const char *application)
{
    ask_of(world, "DEL", application, "index'");
    ask_of(world, "DEL", application, "indexed'");
}

static void assert_indexed(struct world *world, const char *application)
{
    unsigned long long tasks = ask_of(world, "ZCARD", application, "tasks'");

    assert_int_equal(ask_of(world, "ZCARD", application, "index'"), 2 * tasks);
    assert_int_equal(ask_of(world, "GET", application, "indexed'"),
                     ask_of(world, "GET", application, "version'"));
}

static void an_index_that_is_behind_is_not_believed_and_is_made_again(void **state)
{
    struct world *world = *state;
    char name[16];

    for (unsigned i = 0; i < APPLICATIONS; i++) {
        snprintf(name, sizeof(name), "app-%u", i);
        assert_indexed(world, name);
        spoil_index(world, name);
    }
    world->is_behind = true;
    read_everything(world);
    for (unsigned i = 0; i < APPLICATIONS; i++) {
        struct walking walking = { .done = false };
        snprintf(name, sizeof(name), "app-%u", i);
        do {
            walk_on(world, name, &walking);
        } while (walking.walk.more);
        assert_indexed(world, name);
    }
    world->is_behind = false;
    read_everything(world);
}

static struct row *find_active(struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        if (world->rows[i].state == TASK_ACTIVE) return &world->rows[i];
    }
    fail_msg("no task is active");
    return NULL;
}

/* What this release changes meanwhile is in it; what an older one changes makes it begin again. */
static void an_index_is_made_while_tasks_change(void **state)
{
    struct world *world = *state;
    struct row *row = find_active(world);
    struct walking walking = { .done = false };
    unsigned steps = 0, again;

    spoil_index(world, row->application);
    walk_on(world, row->application, &walking);
    assert_int_equal(cancel(world->fixture, &row->id).code, PROBLEM_NONE);
    row->state = TASK_CANCELLED;
    for (; walking.walk.more; steps++) {
        walk_on(world, row->application, &walking);
    }
    assert_indexed(world, row->application);
    read_everything(world);

    ask_of(world, "INCR", row->application, "version'");
    walk_on(world, row->application, &walking);
    ask_of(world, "INCR", row->application, "version'");
    for (again = 0; walking.walk.more; again++) {
        walk_on(world, row->application, &walking);
    }
    assert_int_equal(again, 2 * steps + 1);
    assert_indexed(world, row->application);
}

static void what_is_not_a_cursor_or_a_limit_is_refused(void **state)
{
    struct world *world = *state;
    struct reading *reading = mem_zalloc(1, sizeof(*reading));
    static const char *const cursors[] = { "x", "../../etc", "0123456789abcdef012", "*",
                                           "0123456789ABCDEF0123" };

    for (size_t i = 0; i < ARRAY_COUNT(cursors); i++) {
        struct history_query query = { .state = -1, .limit = 5, .cursor = text_of(cursors[i]) };
        read_page(world, &query, reading);
        assert_int_equal(reading->code, PROBLEM_BAD_FIELD);
    }
    read_page(world, &(struct history_query){ .state = -1, .limit = 0 }, reading);
    assert_int_equal(reading->code, PROBLEM_BAD_FIELD);
    read_page(world, &(struct history_query){ .state = -1, .limit = PAGE_LIMIT_MAX + 1 }, reading);
    assert_int_equal(reading->code, PROBLEM_BAD_FIELD);
    free(reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_the_whole_list_in_order),
        cmocka_unit_test(an_index_that_is_behind_is_not_believed_and_is_made_again),
        cmocka_unit_test(an_index_is_made_while_tasks_change),
        cmocka_unit_test(what_is_not_a_cursor_or_a_limit_is_refused),
    };

    return cmocka_run_group_tests(tests, make_world, end_world);
}
