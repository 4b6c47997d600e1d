/* SPDX-License-Identifier: Apache-2.0 */
/* shop.h: the parts of the shop of tools/demo. It is a small, ordinary server: what makes some of
 * its calls slow is what makes real ones slow, and stands in code that does something.
 *
 *     catalogue.c   items in SQLite; one kind of search has no index and scans the table
 *     orders.c      a journal on disk; one lock is held while it is compacted and synced
 *     reports.c     megabytes of CSV, compressed
 *     shipping.c    asks another server, which sometimes does not answer in time
 *
 * Each answers with a text that it allocates; the caller frees it. NULL: it failed. Threads: all
 * functions but the *_open ones may be called by any. */
#ifndef STAKEOUT_TOOLS_SHOP_SHOP_H
#define STAKEOUT_TOOLS_SHOP_SHOP_H

#include <stddef.h>

/* Creates the shop's database below `folder`, if it is not there. Returns 0, or -1 with a line on
 * stderr. */
int catalogue_open(const char *folder, long item_count);
char *catalogue_item(long id);
char *catalogue_search_category(const char *category);
char *catalogue_search_words(const char *words);

/* Opens the journal below `folder`. Returns 0, or -1 with a line on stderr. */
int orders_open(const char *folder);
char *orders_checkout(long item, long quantity);

/* A gzip file: `days` of sales. */
char *reports_sales(long days, size_t *ret_size);

/* The carrier's port on 127.0.0.1. */
void shipping_open(int carrier_port);
char *shipping_quote(long parcel, int *ret_status);

#endif
