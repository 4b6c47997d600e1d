/* SPDX-License-Identifier: Apache-2.0 */
/* An evhttp server that knows nothing of stakeout.
 *
 * /slow/N sleeps 300 ms in slow_lookup() and answers 203; /later/N is answered with 202 by a timer
 * after 300 ms; /pieces/N with 206 in three pieces, 100 ms apart; /drop/N not at all, its
 * connection is freed; /error with 500; /exit ends the
 * server with 7. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_CODE = 7, LATE_MS = 300, PIECES = 3 };

static struct event_base *base;

__attribute__((noinline)) void slow_lookup(void);

__attribute__((noinline)) void slow_lookup(void)
{
    struct timespec left = { .tv_nsec = LATE_MS * 1000000L };

    while (nanosleep(&left, &left) != 0) {
    }
    __asm__ volatile("" ::: "memory");
}

static const struct timeval late = { .tv_usec = LATE_MS * 1000 };
static const struct timeval soon = { .tv_usec = LATE_MS * 1000 / PIECES };

static void on_late(int fd, short what, void *request)
{
    (void)fd;
    (void)what;
    evhttp_send_reply(request, 202, "Late", NULL);
}

static void on_drop(int fd, short what, void *request)
{
    (void)fd;
    (void)what;
    evhttp_connection_free(evhttp_request_get_connection(request));
}

struct pieces {
    struct evhttp_request *request;
    int left;
};

static void on_piece(int fd, short what, void *argument)
{
    struct pieces *pieces = argument;
    struct evbuffer *text = evbuffer_new();

    (void)fd;
    (void)what;
    evbuffer_add_printf(text, "piece %d\n", pieces->left);
    evhttp_send_reply_chunk(pieces->request, text);
    evbuffer_free(text);
    if (--pieces->left > 0) {
        event_base_once(base, -1, EV_TIMEOUT, on_piece, pieces, &soon);
        return;
    }
    evhttp_send_reply_end(pieces->request);
    free(pieces);
}

static void answer_in_pieces(struct evhttp_request *request)
{
    struct pieces *pieces = calloc(1, sizeof *pieces);

    if (!pieces) abort();
    *pieces = (struct pieces){ request, PIECES };
    evhttp_send_reply_start(request, 206, "Pieces");
    event_base_once(base, -1, EV_TIMEOUT, on_piece, pieces, &soon);
}

static void on_request(struct evhttp_request *request, void *context)
{
    const char *uri = evhttp_request_get_uri(request);

    (void)context;
    if (strncmp(uri, "/slow/", 6) == 0) {
        slow_lookup();
        evhttp_send_reply(request, 203, "Slow", NULL);
    } else if (strncmp(uri, "/later/", 7) == 0) {
        event_base_once(base, -1, EV_TIMEOUT, on_late, request, &late);
    } else if (strncmp(uri, "/pieces/", 8) == 0) {
        answer_in_pieces(request);
    } else if (strncmp(uri, "/drop/", 6) == 0) {
        event_base_once(base, -1, EV_TIMEOUT, on_drop, request, &soon);
    } else if (strcmp(uri, "/error") == 0) {
        evhttp_send_error(request, 500, "Error");
    } else {
        evhttp_send_reply(request, 200, "OK", NULL);
    }
}

static void on_exit_asked(struct evhttp_request *request, void *context)
{
    static const struct timeval moment = { .tv_usec = 50000 };

    (void)context;
    evhttp_send_reply(request, 200, "OK", NULL);
    event_base_loopexit(base, &moment);
}

int main(void)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    struct evhttp_bound_socket *bound;
    struct evhttp *http;

    base = event_base_new();
    http = evhttp_new(base);
    evhttp_set_gencb(http, on_request, NULL);
    evhttp_set_cb(http, "/exit", on_exit_asked, NULL);
    bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    if (!bound || getsockname(evhttp_bound_socket_get_fd(bound),
                              (struct sockaddr *)(void *)&address, &size) != 0)
        return 2;
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(base);
    evhttp_free(http);
    event_base_free(base);
    return EXIT_CODE;
}
