/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/scheduler/room_line.h"

#include "tests/support/authority.h"
#include "tests/support/test.h"

#include "common/base/buf.h"
#include "common/base/check.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINES_MAX = 8192, WAITING_SIZE_MAX = 16 * 1024 * 1024 };

/* Of a descriptor. Tests close theirs by themselves, and the number leads elsewhere then. */
static struct line {
    SSL *ssl;
    ino_t identity;
    struct buf waiting;
} lines[LINES_MAX];

static int lines_end; /* behind the last that was ever used */

bool line_is_tls(void)
{
    return getenv("ROOM_OVER_TLS") != NULL;
}

static char directory[] = "/tmp/stakeout-room-XXXXXX";

static void remove_directory(void)
{
    char path[128];

    snprintf(path, sizeof path, "%s/ca.pem", directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/server.pem", directory);
    unlink(path);
    rmdir(directory);
}

const struct http_tls *line_server_files(void)
{
    static char certificate[128];
    static struct http_tls files;
    struct authority *authority;

    if (!line_is_tls()) return NULL;
    if (files.certificate) return &files;
    CHECK(mkdtemp(directory) && atexit(remove_directory) == 0);
    authority = authority_new(directory, "ca");
    authority_issue(authority, &(struct certificate_order){ "server", "DNS:localhost", 0, 0 });
    files.certificate = authority_path(authority, "server", certificate, sizeof certificate);
    authority_free(authority);
    return &files;
}

static ino_t identity_of(int fd)
{
    struct stat facts;

    return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

static struct line *line_of(int fd)
{
    CHECK(fd >= 0 && fd < LINES_MAX);
    return &lines[fd];
}

void line_begin(int fd)
{
    static SSL_CTX *context;
    struct line *line = line_of(fd);
    int on = 1;

    if (!line_is_tls()) return;
    /* The end of the handshake and what follows it are two segments: no wait between them. */
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
    }
    SSL_free(line->ssl);
    buf_done(&line->waiting);
    *line = (struct line){ SSL_new(context), identity_of(fd), BUF_INIT(WAITING_SIZE_MAX) };
    CHECK(line->ssl && SSL_set_fd(line->ssl, fd) == 1);
    SSL_set_connect_state(line->ssl);
    if (fd >= lines_end) lines_end = fd + 1;
}

/* As errno has it. */
static ssize_t failed(const struct line *line, int rc)
{
    int error = SSL_get_error(line->ssl, rc);

    ERR_clear_error();
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

static void pump(struct line *line)
{
    while (line->waiting.size > 0) {
        int sent = SSL_write(line->ssl, line->waiting.data, (int)line->waiting.size);

        if (sent > 0) {
            buf_consume(&line->waiting, (size_t)sent);
            continue;
        }
        if (failed(line, sent) == 0 || errno != EAGAIN) buf_reset(&line->waiting);
        return;
    }
}

void line_pump(void)
{
    for (int fd = 0; fd < lines_end; fd++) {
        if (lines[fd].waiting.size == 0) continue;
        if (identity_of(fd) == lines[fd].identity)
            pump(&lines[fd]);
        else
            buf_reset(&lines[fd].waiting);
    }
}

bool line_is_waiting(int fd)
{
    return line_of(fd)->waiting.size > 0;
}

ssize_t line_put(int fd, const void *data, size_t size)
{
    struct line *line = line_of(fd);

    if (!line_is_tls()) return send(fd, data, size, MSG_NOSIGNAL);
    if (line->waiting.size + size > WAITING_SIZE_MAX / 2) {
        errno = EAGAIN;
        return -1;
    }
    CHECK(buf_append(&line->waiting, data, size) == 0);
    pump(line);
    return (ssize_t)size;
}

ssize_t line_take(int fd, void *data, size_t size)
{
    struct line *line = line_of(fd);
    int got;

    if (!line_is_tls()) return recv(fd, data, size, MSG_DONTWAIT);
    got = SSL_read(line->ssl, data, (int)size);
    return got > 0 ? got : failed(line, got);
}
