/* SPDX-License-Identifier: Apache-2.0 */
/* shipping.c: what a parcel will cost, asked of the carrier's server (carrier.c), which does not
 * always answer in time. */
#include "tools/shop/shop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_SIZE_MAX = 128, CARRIER_TIMEOUT_MS = 900 };

static int carrier_port;

void shipping_open(int port)
{
    carrier_port = port;
}

static int connect_carrier(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((in_port_t)carrier_port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns the answer's size, or 0 if none came in time. */
static size_t wait_for_carrier(int fd, char *answer)
{
    struct pollfd carrier = { .fd = fd, .events = POLLIN };
    long deadline_ms = now_ms() + CARRIER_TIMEOUT_MS;
    ssize_t size;
    int ready;

    do {
        long left_ms = deadline_ms - now_ms();

        ready = poll(&carrier, 1, left_ms > 0 ? (int)left_ms : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) return 0;
    size = read(fd, answer, ANSWER_SIZE_MAX - 1);
    if (size <= 0) return 0;
    answer[size] = '\0';
    return (size_t)size;
}

static int ask_carrier(long parcel, char *answer)
{
    char question[32];
    int size = snprintf(question, sizeof question, "%ld\n", parcel);
    int fd = connect_carrier(), status = 502;

    if (fd < 0) return status;
    if (write(fd, question, (size_t)size) == size)
        status = wait_for_carrier(fd, answer) > 0 ? 200 : 504;
    close(fd);
    return status;
}

char *shipping_quote(long parcel, int *ret_status)
{
    char *answer = malloc(ANSWER_SIZE_MAX);

    if (!answer) return NULL;
    *ret_status = ask_carrier(parcel, answer);
    if (*ret_status != 200) snprintf(answer, ANSWER_SIZE_MAX, "the carrier does not answer\n");
    return answer;
}
