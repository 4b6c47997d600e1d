/* SPDX-License-Identifier: Apache-2.0 */
/* A libmicrohttpd server that knows nothing of stakeout.
 *
 *     microhttpd_server threads      a thread per connection
 *     microhttpd_server loop         one thread for all
 *
 * /slow/N sleeps 300 ms in slow_lookup() and answers 203; /later/N is suspended, and resumed by
 * another thread after 300 ms, then answered with 202; /from/N is answered with 201 by that other
 * thread; POST /upload answers 200 once it has read the body; /exit ends the server with 7. */
#include <microhttpd.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_CODE = 7, LATE_MS = 300 };

static sem_t end;

/* What a request keeps between the runs of its handler. */
struct request {
    struct MHD_Connection *connection;
    int is_ready; /* the other thread has done its part */
    int is_answered_there;
    int is_last;
};

__attribute__((noinline)) void slow_lookup(void);

__attribute__((noinline)) void slow_lookup(void)
{
    struct timespec left = { .tv_nsec = LATE_MS * 1000000L };

    while (nanosleep(&left, &left) != 0) {
    }
    __asm__ volatile("" ::: "memory");
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(3, (void *)(uintptr_t) "ok\n", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, code, response);

    MHD_destroy_response(response);
    return result;
}

static void *run_other(void *argument)
{
    struct request *request = argument;

    slow_lookup();
    request->is_ready = 1;
    if (request->is_answered_there) answer(request->connection, 201);
    MHD_resume_connection(request->connection);
    return NULL;
}

static enum MHD_Result suspend(struct request *request)
{
    pthread_t thread;

    MHD_suspend_connection(request->connection);
    if (pthread_create(&thread, NULL, run_other, request) != 0) abort();
    pthread_detach(thread);
    return MHD_YES;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **state)
{
    struct request *request = *state;

    (void)context;
    (void)version;
    (void)upload;
    if (!request) {
        request = calloc(1, sizeof *request);
        if (!request) return MHD_NO;
        request->connection = connection;
        *state = request;
        if (strcmp(method, "POST") == 0) return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (strncmp(url, "/slow/", 6) == 0) {
        slow_lookup();
        return answer(connection, 203);
    }
    request->is_answered_there = strncmp(url, "/from/", 6) == 0;
    if ((request->is_answered_there || strncmp(url, "/later/", 7) == 0) && !request->is_ready)
        return suspend(request);
    if (request->is_ready) return answer(connection, 202);
    request->is_last = strcmp(url, "/exit") == 0;
    return answer(connection, 200);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct request *request = *state;

    (void)context;
    (void)connection;
    (void)why;
    if (request && request->is_last) sem_post(&end);
    free(request);
    *state = NULL;
}

int main(int argc, char **argv)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_Daemon *daemon;

    sem_init(&end, 0, 0);
    if (argc == 2 && strcmp(argv[1], "threads") == 0)
        flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION;
    daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_access, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                              on_completed, NULL, MHD_OPTION_END);
    if (!daemon) return 2;
    printf("%u\n", (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (sem_wait(&end) != 0) {
    }
    MHD_stop_daemon(daemon);
    return EXIT_CODE;
}
