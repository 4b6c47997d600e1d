/* SPDX-License-Identifier: Apache-2.0 */
/* shop.c: the demo's server: libmicrohttpd with a thread pool, its data in SQLite, gzip by zlib.
 *
 *     shop --folder DIR --carrier PORT [--port PORT] [--items COUNT]
 *
 * What stakeout asks of a server is in three places: stakeout_start() in main(), the table of
 * routes whose names are registered as interfaces, and the begin and end around a route's handler
 * in on_request(). It prints "shop: http://127.0.0.1:PORT" when it serves, and ends on SIGTERM. */
#include "tools/shop/shop.h"

#include <stakeout/stakeout.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_SIZE = 16, CONNECTIONS = 2 * POOL_SIZE, ITEMS_DEFAULT = 400000 };

struct answer {
    char *body; /* malloc()ed */
    size_t size;
    int status;
};

static long number(struct MHD_Connection *connection, const char *name, long otherwise)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);

    return text ? strtol(text, NULL, 10) : otherwise;
}

static struct answer text_answer(char *body, int status)
{
    return (struct answer){ body, body ? strlen(body) : 0, body ? status : 500 };
}

static struct answer get_item(struct MHD_Connection *connection, const char *rest)
{
    (void)connection;
    return text_answer(catalogue_item(strtol(rest, NULL, 10)), 200);
}

static struct answer get_search(struct MHD_Connection *connection, const char *rest)
{
    const char *category =
        MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "category");
    const char *words = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "words");

    (void)rest;
    if (category) return text_answer(catalogue_search_category(category), 200);
    return text_answer(catalogue_search_words(words ? words : ""), 200);
}

static struct answer post_checkout(struct MHD_Connection *connection, const char *rest)
{
    (void)rest;
    return text_answer(
        orders_checkout(number(connection, "item", 1), number(connection, "quantity", 1)), 201);
}

static struct answer get_report(struct MHD_Connection *connection, const char *rest)
{
    struct answer answer = { .status = 200 };

    (void)rest;
    answer.body = reports_sales(number(connection, "days", 1), &answer.size);
    if (!answer.body) answer.status = 500;
    return answer;
}

static struct answer get_shipping(struct MHD_Connection *connection, const char *rest)
{
    int status = 500;
    char *body = shipping_quote(strtol(rest, NULL, 10), &status);

    (void)connection;
    return text_answer(body, status);
}

static struct route {
    const char *method;
    const char *prefix;
    const char *interface; /* its name for stakeout */
    struct answer (*handler)(struct MHD_Connection *connection, const char *rest);
    stakeout_interface_id id;
} routes[] = {
    { "GET", "/item/", "GET /item/{id}", get_item, 0 },
    { "GET", "/search", "GET /search", get_search, 0 },
    { "POST", "/checkout", "POST /checkout", post_checkout, 0 },
    { "GET", "/report", "GET /report", get_report, 0 },
    { "GET", "/shipping/", "GET /shipping/{parcel}", get_shipping, 0 },
};
enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };

static struct route *find_route(const char *method, const char *path)
{
    for (int i = 0; i < ROUTE_COUNT; i++) {
        if (strcmp(method, routes[i].method) == 0 &&
            strncmp(path, routes[i].prefix, strlen(routes[i].prefix)) == 0)
            return &routes[i];
    }
    return NULL;
}

static enum MHD_Result reply(struct MHD_Connection *connection, struct answer answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer.size, answer.body, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result queued;

    if (!response) return MHD_NO;
    queued = MHD_queue_response(connection, (unsigned)answer.status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *upload, size_t *upload_size, void **state)
{
    static int seen;
    struct route *route = find_route(method, path);
    struct answer answer;
    stakeout_call call;

    (void)context, (void)version, (void)upload;
    if (!*state) { /* the headers alone: the body is still to come */
        *state = &seen;
        return MHD_YES;
    }
    *upload_size = 0;
    if (!route) return reply(connection, (struct answer){ .status = 404 });

    call = stakeout_call_begin_traced(
        route->id, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "traceparent"));
    answer = route->handler(connection, path + strlen(route->prefix));
    stakeout_call_end(call, answer.status);
    return reply(connection, answer);
}

struct options {
    const char *folder;
    int carrier_port;
    int port;
    long item_count;
};

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = { { "folder", required_argument, NULL, 'f' },
                                           { "carrier", required_argument, NULL, 'c' },
                                           { "port", required_argument, NULL, 'p' },
                                           { "items", required_argument, NULL, 'i' },
                                           { NULL, 0, NULL, 0 } };

    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'f':
            options->folder = optarg;
            break;
        case 'c':
            options->carrier_port = (int)strtol(optarg, NULL, 10);
            break;
        case 'p':
            options->port = (int)strtol(optarg, NULL, 10);
            break;
        case 'i':
            options->item_count = strtol(optarg, NULL, 10);
            break;
        default:
            return -1;
        }
    }
    return options->folder && options->carrier_port > 0 ? 0 : -1;
}

static struct MHD_Daemon *serve(const struct options *options)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((in_port_t)options->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    /* Two connections to a thread: else whichever is awake first takes all of them, and they wait
     * for each other in its queue, where no call of theirs has begun. */
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                            on_request, NULL, MHD_OPTION_SOCK_ADDR, &address,
                            MHD_OPTION_THREAD_POOL_SIZE, (unsigned)POOL_SIZE,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_END);
}

int main(int argc, char **argv)
{
    struct options options = { .item_count = ITEMS_DEFAULT };
    struct MHD_Daemon *daemon;
    sigset_t stops;
    int number_of_signal;

    if (parse(argc, argv, &options) < 0) {
        fprintf(stderr, "usage: shop --folder DIR --carrier PORT [--port PORT] [--items COUNT]\n");
        return 2;
    }
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops, NULL); /* threads inherit it; main waits for them */

    shipping_open(options.carrier_port);
    if (catalogue_open(options.folder, options.item_count) < 0 || orders_open(options.folder) < 0)
        return 1;

    stakeout_start(&(struct stakeout_options){ .size = sizeof(struct stakeout_options),
                                               .application = "shop" });
    for (int i = 0; i < ROUTE_COUNT; i++) {
        routes[i].id = stakeout_interface(routes[i].interface);
    }
    daemon = serve(&options);
    if (!daemon) {
        fprintf(stderr, "shop: cannot listen: %s\n", strerror(errno));
        return 1;
    }
    printf("shop: http://127.0.0.1:%u\n",
           (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    sigwait(&stops, &number_of_signal);
    MHD_stop_daemon(daemon);
    stakeout_stop();
    return 0;
}
