/* SPDX-License-Identifier: Apache-2.0 */
/* A FastCGI server that knows nothing of stakeout.
 *
 *     fastcgi_server accept_r SOCKET      FCGX_Accept_r: the threaded interface
 *     fastcgi_server accept SOCKET        FCGX_Accept: the one with one request
 *     fastcgi_server stdio SOCKET         FCGI_Accept: the one that looks like CGI
 *
 * /slow/N sleeps 300 ms in slow_query() and answers 203; /big/N answers 206 with more than a
 * buffer; /moved/N answers with a Location; /exit ends the server with 7; all else answers without
 * a status. */
#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_CODE = 7, BACKLOG = 16, BIG_LINES = 2000, SLOW_MS = 300 };

extern int FCGI_Accept(void); /* of fcgi_stdio.h, which takes stdio's names */
extern int FCGI_printf(const char *format, ...);
extern void FCGI_Finish(void);

__attribute__((noinline)) void slow_query(void);

__attribute__((noinline)) void slow_query(void)
{
    struct timespec left = { .tv_nsec = SLOW_MS * 1000000L };

    while (nanosleep(&left, &left) != 0) {
    }
    __asm__ volatile("" ::: "memory");
}

static int begins_with(const char *text, const char *begin)
{
    return text && strncmp(text, begin, strlen(begin)) == 0;
}

static void answer(const char *uri, FCGX_Stream *output)
{
    if (begins_with(uri, "/slow/")) {
        slow_query();
        FCGX_FPrintF(output, "Content-Type: text/plain\r\nStatus: 203 As if\r\n\r\nslow\n");
    } else if (begins_with(uri, "/big/")) {
        FCGX_FPrintF(output, "Status: 206 Part\r\nContent-Type: text/plain\r\n\r\n");
        for (int i = 0; i < BIG_LINES; i++) {
            FCGX_FPrintF(output, "line %d\n", i);
        }
    } else if (begins_with(uri, "/moved/")) {
        FCGX_FPrintF(output, "Location: http://localhost/\r\n\r\n");
    } else {
        FCGX_FPrintF(output, "Content-Type: text/plain\r\n\r\nStatus: 500 in the body\n");
    }
}

static int serve_accept_r(int socket)
{
    FCGX_Request request;

    if (FCGX_InitRequest(&request, socket, 0) != 0) return 1;
    while (FCGX_Accept_r(&request) == 0) {
        const char *uri = FCGX_GetParam("REQUEST_URI", request.envp);

        answer(uri, request.out);
        if (!begins_with(uri, "/exit")) continue; /* the next accept finishes this one */
        FCGX_Finish_r(&request);
        return EXIT_CODE;
    }
    return 1;
}

static int serve_accept(void)
{
    FCGX_Stream *input, *output, *errors;
    FCGX_ParamArray environment;

    while (FCGX_Accept(&input, &output, &errors, &environment) == 0) {
        const char *uri = FCGX_GetParam("REQUEST_URI", environment);
        int is_exit = begins_with(uri, "/exit");

        answer(uri, output);
        FCGX_Finish();
        if (is_exit) return EXIT_CODE;
    }
    return 1;
}

static int serve_stdio(void)
{
    while (FCGI_Accept() == 0) {
        const char *uri = getenv("REQUEST_URI");
        int is_exit = begins_with(uri, "/exit");

        if (begins_with(uri, "/slow/")) slow_query();
        FCGI_printf("Status: %d\r\n\r\nstdio\n", begins_with(uri, "/slow/") ? 203 : 200);
        FCGI_Finish();
        if (is_exit) return EXIT_CODE;
    }
    return 1;
}

int main(int argc, char **argv)
{
    int socket;

    if (argc != 3 || FCGX_Init() != 0) return 2;
    socket = FCGX_OpenSocket(argv[2], BACKLOG);
    if (socket < 0) return 2;
    printf("%s\n", argv[2]);
    fflush(stdout);
    if (strcmp(argv[1], "accept_r") == 0) return serve_accept_r(socket);
    if (dup2(socket, 0) < 0) return 2; /* where the other two listen */
    return strcmp(argv[1], "stdio") == 0 ? serve_stdio() : serve_accept();
}
