/* SPDX-License-Identifier: Apache-2.0 */
/* carrier.c: the shop's upstream: a server that quotes prices for parcels, one per connection.
 *
 * It answers within a millisecond, but for parcels whose number ends in 7 it looks something up
 * that takes longer than the shop will wait. Prints its port, and ends with its parent. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_UP_S = 2 };

static void *serve(void *context)
{
    int fd = (int)(intptr_t)context;
    char question[32] = { 0 }, answer[64];
    long parcel;
    int size;

    if (read(fd, question, sizeof question - 1) > 0) {
        parcel = strtol(question, NULL, 10);
        if (parcel % 10 == 7) nanosleep(&(struct timespec){ .tv_sec = LOOK_UP_S }, NULL);
        size = snprintf(answer, sizeof answer, "{\"price\": %ld}\n", 400 + parcel % 100);
        if (send(fd, answer, (size_t)size, MSG_NOSIGNAL) < 0) perror("carrier: send");
    }
    close(fd);
    return NULL;
}

static int listen_somewhere(int *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 256) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return -1;
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int main(void)
{
    int port = 0, fd;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    fd = listen_somewhere(&port);
    if (fd < 0) {
        perror("carrier");
        return 1;
    }
    printf("%d\n", port);
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int client = accept(fd, NULL, NULL);

        if (client < 0) continue;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)client) != 0) {
            close(client);
            continue;
        }
        pthread_detach(thread);
    }
}
