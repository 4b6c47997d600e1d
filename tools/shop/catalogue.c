/* SPDX-License-Identifier: Apache-2.0 */
/* catalogue.c: the items, in SQLite. Each thread has a connection of its own.
 *
 * The table has an index on its category, and none on its description: a search for words reads
 * every row. */
#include "tools/shop/shop.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE_MAX = 4096, ANSWER_SIZE_MAX = 4096, RESULTS_MAX = 20 };

static char database[PATH_SIZE_MAX];

static sqlite3 *connection(void)
{
    static _Thread_local sqlite3 *mine;

    if (!mine && sqlite3_open_v2(database, &mine, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                                 NULL) != SQLITE_OK) {
        sqlite3_close(mine);
        mine = NULL;
    }
    return mine;
}

static int run(sqlite3 *db, const char *sql)
{
    char *why = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK) return 0;
    fprintf(stderr, "shop: %s: %s\n", sql, why ? why : "?");
    sqlite3_free(why);
    return -1;
}

static int fill(sqlite3 *db, long item_count)
{
    char sql[512];

    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %ld) "
             "INSERT INTO item SELECT i, 'Item ' || i, 'category-' || (i %% 500), "
             "100 + i %% 9000, 'A fine thing of make ' || hex(i * 2654435761 %% 4294967296) || "
             "', good for house and garden, number ' || i FROM n",
             item_count);
    if (run(db, "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, category TEXT, "
                "price INTEGER, description TEXT)") < 0 ||
        run(db, sql) < 0)
        return -1;
    return run(db, "CREATE INDEX item_category ON item(category)");
}

int catalogue_open(const char *folder, long item_count)
{
    sqlite3 *db;
    int rc;

    snprintf(database, sizeof database, "%s/catalogue.db", folder);
    remove(database);
    if (sqlite3_open(database, &db) != SQLITE_OK) {
        fprintf(stderr, "shop: %s: %s\n", database, sqlite3_errmsg(db));
        sqlite3_close(db);
        return -1;
    }
    rc = run(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
    if (rc == 0) rc = fill(db, item_count);
    if (rc == 0) rc = run(db, "COMMIT");
    sqlite3_close(db);
    return rc;
}

/* One line of JSON per row: id, name, price. */
static char *rows(sqlite3_stmt *query)
{
    char *answer = malloc(ANSWER_SIZE_MAX);
    size_t size = 0;

    if (!answer) return NULL;
    answer[0] = '\0';
    while (sqlite3_step(query) == SQLITE_ROW && size < ANSWER_SIZE_MAX - 256) {
        size += (size_t)snprintf(
            answer + size, ANSWER_SIZE_MAX - size,
            "{\"id\": %d, \"name\": \"%.99s\", \"price\": %d}\n", sqlite3_column_int(query, 0),
            (const char *)sqlite3_column_text(query, 1), sqlite3_column_int(query, 2));
    }
    return answer;
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3 *db = connection();
    sqlite3_stmt *query = NULL;

    if (!db || sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) return NULL;
    return query;
}

char *catalogue_item(long id)
{
    sqlite3_stmt *query = prepare("SELECT id, name, price FROM item WHERE id = ?1");
    char *answer = NULL;

    if (!query) return NULL;
    sqlite3_bind_int64(query, 1, id);
    answer = rows(query);
    sqlite3_finalize(query);
    return answer;
}

/* Asks for rows by one text. Returns -1 if the query cannot be made. */
static int search(const char *sql, const char *text, char **ret)
{
    sqlite3_stmt *query = prepare(sql);

    if (!query) return -1;
    sqlite3_bind_text(query, 1, text, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(query, 2, RESULTS_MAX);
    *ret = rows(query);
    sqlite3_finalize(query);
    return *ret ? 0 : -1;
}

char *catalogue_search_category(const char *category)
{
    char *answer = NULL;

    if (search("SELECT id, name, price FROM item WHERE category = ?1 LIMIT ?2", category, &answer) <
        0)
        return NULL;
    return answer;
}

char *catalogue_search_words(const char *words)
{
    char *answer = NULL;

    if (search("SELECT id, name, price FROM item WHERE description LIKE '%' || ?1 || '%' "
               "ORDER BY price LIMIT ?2",
               words, &answer) < 0)
        return NULL;
    return answer;
}
