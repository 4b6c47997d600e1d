/* SPDX-License-Identifier: Apache-2.0 */
/* orders.c: a journal on disk, one line per order, behind one lock.
 *
 * Every so many orders the journal is compacted: rewritten and synced, while stock_lock is held.
 * Whoever checks out meanwhile waits in reserve_stock(). */
#include "tools/shop/shop.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE_MAX = 4096, STOCK_ITEMS = 1000, ORDERS_PER_COMPACTION = 500 };
enum { BLOCK_SIZE = 64 * 1024, BLOCKS = 1024, BLOCKS_PER_SYNC = 2 };

pthread_mutex_t stock_lock = PTHREAD_MUTEX_INITIALIZER;

static long stock[STOCK_ITEMS]; /* stock_lock, like all below */
static long order_count;
static int journal = -1;
static char journal_path[PATH_SIZE_MAX];

int orders_open(const char *folder)
{
    snprintf(journal_path, sizeof journal_path, "%s/orders.journal", folder);
    journal = open(journal_path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) {
        perror(journal_path);
        return -1;
    }
    return 0;
}

static int append(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);

        if (written < 0) return -1;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Writes the whole stock as blocks, syncing as it goes: a copy that a crash cannot tear. */
static int write_checkpoint(int fd)
{
    char *block = calloc(1, BLOCK_SIZE);
    int rc = block ? 0 : -1;

    for (int i = 0; i < BLOCKS && rc == 0; i++) {
        memcpy(block, stock, sizeof stock);
        rc = append(fd, block, BLOCK_SIZE);
        if (rc == 0 && i % BLOCKS_PER_SYNC == 0) rc = fsync(fd);
    }
    free(block);
    return rc;
}

static int compact_journal(void)
{
    char path[PATH_SIZE_MAX + 8];
    int fd, rc;

    snprintf(path, sizeof path, "%s.new", journal_path);
    fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    rc = write_checkpoint(fd);
    close(fd);
    if (rc == 0) rc = ftruncate(journal, 0);
    return rc;
}

static void reserve_stock(long item, long quantity)
{
    pthread_mutex_lock(&stock_lock);
    stock[item % STOCK_ITEMS] -= quantity;
}

static int save_order(long item, long quantity, long *ret_order)
{
    char line[128];
    int size = snprintf(line, sizeof line, "%ld %ld %ld\n", ++order_count, item, quantity);

    *ret_order = order_count;
    if (append(journal, line, (size_t)size) < 0) return -1;
    return order_count % ORDERS_PER_COMPACTION == 0 ? compact_journal() : 0;
}

char *orders_checkout(long item, long quantity)
{
    char *answer = malloc(64);
    long order = 0;
    int rc;

    if (!answer) return NULL;
    reserve_stock(item, quantity);
    rc = save_order(item, quantity, &order);
    pthread_mutex_unlock(&stock_lock);
    if (rc < 0) {
        free(answer);
        return NULL;
    }
    snprintf(answer, 64, "{\"order\": %ld}\n", order);
    return answer;
}
