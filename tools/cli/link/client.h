/* SPDX-License-Identifier: Apache-2.0 */
/* client.h: asking the scheduler, over HTTP. libcurl's one door.
 *
 *     struct client *client = client_new("http://127.0.0.1:7411", token, NULL);
 *     struct answer answer = ANSWER_INIT;
 *     rc = client_ask(client, &(struct request){ .path = "/api/v1/tasks" }, &answer, error);
 *     ... answer.status, answer.body, answer.document ...
 *     answer_done(&answer);
 *
 * One connection, kept for the next request. Bounded: 5 s to connect, REQUEST_S_MAX for the whole,
 * ANSWER_SIZE_MAX bytes. Redirects are not followed: a token goes to the server it was meant for.
 * Threads: one. */
#ifndef STAKEOUT_TOOLS_CLI_LINK_CLIENT_H
#define STAKEOUT_TOOLS_CLI_LINK_CLIENT_H

#include "common/base/buf.h"
#include "common/base/own.h"

#include <jansson.h>

enum {
    ANSWER_SIZE_MAX = 256 * 1024 * 1024, /* the analysis of a task with 100 large samples */
    CONNECT_S_MAX = 5,
    REQUEST_S_MAX = 120,
    UPLOAD_S_MAX = 30 * 60, /* as long as the scheduler waits for one */
    UPLOAD_PART_SIZE = 512 * 1024,
    CLIENT_ERROR_SIZE = 512,
};

struct client;

struct request {
    const char *method; /* NULL: GET */
    const char *path;   /* from the slash on, with its query */
    struct text body;   /* JSON; size 0: none */
    int file; /* its bytes are the body, from its offset on; 0: none. Posted as they are */
    uint64_t file_size;
    void (*on_sent)(void *context, uint64_t sent_size); /* of the file, now and then; or NULL */
    void *context;
    unsigned timeout_s; /* 0: REQUEST_S_MAX */
    bool is_raw;        /* only the bytes matter: the document is not read, but of a refusal */
};

struct answer {
    int status;
    struct buf body;         /* exactly as it came */
    json_t *document;        /* the body, if it is JSON and was read; else NULL */
    uint64_t server_wall_ms; /* the server's clock by its Date header, to the second; 0: unknown */
    uint64_t elapsed_ms;
    char content_type[128];
};

#define ANSWER_INIT ((struct answer){ .body = BUF_INIT(ANSWER_SIZE_MAX) })

void answer_done(struct answer *answer);

/* token: empty or NULL for none; ca: a file in PEM form, likewise. They are copied. */
struct client *client_new(const char *server, const char *token, const char *ca);
struct client *client_free(struct client *client);
OWN_TYPE(client)

/* Returns 0 for any answer, also one that refuses; or -1 without one, and a sentence that names
 * the server and says why. An answer is reset first. */
int client_ask(struct client *client, const struct request *request, struct answer *ret,
               char error[CLIENT_ERROR_SIZE]);

/* Appends "?name=value" or "&name=value", encoded. */
void query_add(struct buf *path, const char *name, const char *value);

#endif
