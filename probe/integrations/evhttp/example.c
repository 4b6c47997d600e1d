/* SPDX-License-Identifier: Apache-2.0 */
/* example.c: an evhttp server whose requests are calls.
 *
 *     cc -o shop evhttp_server.c $(pkg-config --cflags --libs stakeout libevent)
 *     ./shop                                          without a port: any free one, which it says
 *     curl http://127.0.0.1:PORT/item/7               answered at once
 *     curl http://127.0.0.1:PORT/report/7             computed for 300 ms
 *     curl http://127.0.0.1:PORT/lookup/7             looked up for 300 ms, while all others wait
 *     curl http://127.0.0.1:PORT/order/7              answered by its upstream, which takes 300 ms
 *
 * The upstream is a timer, to keep the example short. It waits for one thing only, so a client that
 * leaves is noticed when the answer is sent. */
#include <stakeout/evhttp.h>

#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { WORK_MS = 300, NS_PER_MS = 1000000 };

struct order {
    struct evhttp_request *request;
    stakeout_call call;
};

static const char *const rules[] = { "GET /item/{id}",   "GET /report/{id} Report",
                                     "GET /lookup/{id}", "GET /order/{id}",
                                     "GET /health -",    NULL };
static struct stakeout_names names = { .rules = rules };
static struct event_base *base;

/* Takes its time, all of it on the processor. */
__attribute__((noinline)) static unsigned compute_report(void)
{
    struct timespec now;
    clock_t until = clock() + WORK_MS * CLOCKS_PER_SEC / 1000;
    unsigned sum = 0;

    while (clock() < until) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        sum += (unsigned)now.tv_nsec;
    }
    return sum;
}

/* Waits on the loop's thread, where it should not: what one looks for with stakeout. */
__attribute__((noinline)) static void look_up(void)
{
    struct timespec left = { .tv_nsec = WORK_MS * (long)NS_PER_MS };

    while (nanosleep(&left, &left) != 0) {
    }
}

static void on_upstream(evutil_socket_t fd, short what, void *context)
{
    struct order *order = context;

    (void)fd;
    (void)what;
    stakeout_call_attach(order->call); /* the loop came back to it */
    stakeout_evhttp_reply(order->call, order->request, 202, "Accepted", NULL);
    free(order);
}

static void ask_upstream(struct evhttp_request *request, stakeout_call call)
{
    struct timeval later = { .tv_usec = WORK_MS * 1000 };
    struct order *order = malloc(sizeof *order);

    if (!order) {
        stakeout_evhttp_error(call, request, 503, "No memory");
        return;
    }
    *order = (struct order){ request, call };
    event_base_once(base, -1, EV_TIMEOUT, on_upstream, order, &later);
    stakeout_call_detach(call, "upstream");
}

static void on_item(struct evhttp_request *request, stakeout_call call)
{
    struct evbuffer *body = evbuffer_new();

    if (body) evbuffer_add_printf(body, "an item\n");
    stakeout_evhttp_reply(call, request, 200, "OK", body);
    if (body) evbuffer_free(body);
}

__attribute__((noinline)) static void on_lookup(struct evhttp_request *request, stakeout_call call)
{
    look_up();
    stakeout_evhttp_reply(call, request, 200, "OK", NULL);
}

static void on_request(struct evhttp_request *request, void *context)
{
    const char *uri = evhttp_request_get_uri(request);
    stakeout_call call = stakeout_evhttp_begin(&names, request);

    (void)context;
    if (strncmp(uri, "/order/", 7) == 0) {
        ask_upstream(request, call);
    } else if (strncmp(uri, "/report/", 8) == 0) {
        stakeout_evhttp_reply(call, request, compute_report() != 1 ? 203 : 500, "Computed", NULL);
    } else if (strncmp(uri, "/lookup/", 8) == 0) {
        on_lookup(request, call);
    } else if (strncmp(uri, "/item/", 6) == 0) {
        on_item(request, call);
    } else {
        stakeout_evhttp_error(call, request, 404, "Not Found");
    }
}

static int say_port(struct evhttp_bound_socket *bound)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
    } address;
    socklen_t size = sizeof address;

    if (getsockname(evhttp_bound_socket_get_fd(bound), &address.any, &size) < 0) return -1;
    printf("listening on http://127.0.0.1:%u\n", (unsigned)ntohs(address.v4.sin_port));
    return fflush(stdout);
}

int main(int argc, char **argv)
{
    struct evhttp_bound_socket *bound;
    struct evhttp *http;

    stakeout_start(NULL);
    base = event_base_new();
    http = base ? evhttp_new(base) : NULL;
    if (!http) return 1;
    evhttp_set_gencb(http, on_request, NULL);
    bound = evhttp_bind_socket_with_handle(http, "127.0.0.1",
                                           argc > 1 ? (ev_uint16_t)strtoul(argv[1], NULL, 10) : 0);
    if (!bound || say_port(bound) < 0) return 1;
    return event_base_dispatch(base) < 0;
}
