/* SPDX-License-Identifier: Apache-2.0 */
/* example.c: a libmicrohttpd server whose requests are calls; one thread serves all connections.
 *
 *     cc -o shop microhttpd_server.c $(pkg-config --cflags --libs stakeout libmicrohttpd) -pthread
 *     ./shop                                          without a port: any free one, which it says
 *     curl http://127.0.0.1:PORT/item/7               answered at once
 *     curl http://127.0.0.1:PORT/report/7             computed for 300 ms
 *     curl http://127.0.0.1:PORT/lookup/7             looked up for 300 ms, while all others wait
 *     curl http://127.0.0.1:PORT/order/7              suspended; answered 300 ms later, when
 *                                                     another thread has done its part
 *     curl -d @file http://127.0.0.1:PORT/upload      once its body is read */
#include <stakeout/microhttpd.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WORK_MS = 300, NS_PER_MS = 1000000 };

struct request {
    struct stakeout_mhd stakeout;
    struct MHD_Connection *connection;
    int is_ordered, is_done; /* the other thread was asked; has done its part */
};

static const char *const rules[] = { "GET /item/{id}", "GET /report/{id} Report",
                                     "GET /lookup/{id}", "GET /order/{id}", NULL };
static struct stakeout_names names = { .rules = rules };

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

/* Waits; on the daemon's thread all others do, too, which one looks for with stakeout. */
__attribute__((noinline)) static void look_up(void)
{
    struct timespec left = { .tv_nsec = WORK_MS * (long)NS_PER_MS };

    while (nanosleep(&left, &left) != 0) {
    }
}

static void *run_order(void *context)
{
    struct request *request = context;

    look_up();
    request->is_done = 1;
    MHD_resume_connection(request->connection);
    return NULL;
}

/* The handler runs again when the connection is resumed. */
static enum MHD_Result order(struct request *request)
{
    pthread_t thread;

    request->is_ordered = 1;
    stakeout_mhd_suspend(&request->stakeout, request->connection, "an order");
    if (pthread_create(&thread, NULL, run_order, request) != 0) return MHD_NO;
    pthread_detach(thread);
    return MHD_YES;
}

static enum MHD_Result answer(struct request *request, unsigned code)
{
    static char body[] = "done\n";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof body - 1, body, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result;

    if (!response) return MHD_NO;
    result = stakeout_mhd_queue(&request->stakeout, request->connection, code, response);
    MHD_destroy_response(response);
    return result;
}

__attribute__((noinline)) static enum MHD_Result on_lookup(struct request *request)
{
    look_up();
    return answer(request, MHD_HTTP_OK);
}

static enum MHD_Result handle(struct request *request, const char *url)
{
    if (strncmp(url, "/report/", 8) == 0) return answer(request, compute_report() != 1 ? 203 : 500);
    if (strncmp(url, "/lookup/", 8) == 0) return on_lookup(request);
    if (strncmp(url, "/order/", 7) == 0 && !request->is_ordered) return order(request);
    if (request->is_done) return answer(request, MHD_HTTP_ACCEPTED);
    return answer(request, MHD_HTTP_OK);
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **state)
{
    struct request *request = *state;
    enum MHD_Result result = MHD_YES;
    int is_first = !request;

    (void)context;
    (void)version;
    (void)upload;
    if (is_first) {
        *state = request = calloc(1, sizeof *request);
        if (!request) return MHD_NO;
        request->connection = connection;
        stakeout_mhd_begin(&request->stakeout, &names, connection, method, url);
    }
    stakeout_mhd_enter(&request->stakeout);
    if (*upload_size > 0) {
        *upload_size = 0; /* read, and not kept */
    } else if (!is_first || strcmp(method, "POST") != 0) {
        result = handle(request, url);
    }
    stakeout_mhd_leave(&request->stakeout);
    return result;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct request *request = *state;

    (void)context;
    (void)connection;
    (void)why;
    if (!request) return;
    stakeout_mhd_end(&request->stakeout);
    free(request);
    *state = NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0),
    };
    struct MHD_Daemon *daemon;

    stakeout_start(NULL);
    daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
                              NULL, on_access, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                              NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    if (!daemon) return 1;
    printf("listening on http://127.0.0.1:%u\n",
           (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (pause() < 0) {
    }
    return 0;
}
