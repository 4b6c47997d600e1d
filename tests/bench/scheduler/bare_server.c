/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/scheduler/bare_server.h"

#include "common/base/check.h"
#include "tests/support/loopback.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PARKED_MAX = 20000, LISTENER = 3 };

static struct text said;
static struct evhttp_request *parked[PARKED_MAX];
static size_t parked_count;

static void answer(struct evhttp_request *request)
{
    struct evbuffer *body = evbuffer_new();

    evbuffer_add(body, said.data, said.size);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/msgpack");
    evhttp_send_reply(request, 200, "OK", body);
    evbuffer_free(body);
}

static void on_hello(struct evhttp_request *request, void *context)
{
    (void)context;
    answer(request);
}

static void on_park(struct evhttp_request *request, void *context)
{
    (void)context;
    CHECK(parked_count < PARKED_MAX);
    parked[parked_count++] = request;
}

static void on_wake(struct evhttp_request *request, void *context)
{
    (void)context;
    answer(request);
    for (size_t i = 0; i < parked_count; i++) {
        answer(parked[i]);
    }
    parked_count = 0;
}

static void serve(int fd)
{
    struct event_config *config = event_config_new();
    struct event_base *base;
    struct evhttp *http;

    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    http = evhttp_new(base);
    CHECK(evhttp_accept_socket(http, fd) == 0);
    evhttp_set_cb(http, "/hello", on_hello, NULL);
    evhttp_set_cb(http, "/park", on_park, NULL);
    evhttp_set_cb(http, "/wake", on_wake, NULL);
    event_base_dispatch(base);
}

pid_t bare_server_start(struct text body, uint16_t *ret_port)
{
    int fd = loopback_listen(0, ret_port), on = 1;
    pid_t pid;

    CHECK(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    CHECK(listen(fd, 4096) == 0 && evutil_make_socket_nonblocking(fd) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd = dup2(fd, LISTENER);
    close_range(LISTENER + 1, ~0U, 0); /* the parent's clients */
    said = body;
    serve(fd);
    _exit(1);
}
