/* SPDX-License-Identifier: Apache-2.0 */
/* config.c: see config.h. The file is opened once and judged by its descriptor, so that what was
 * judged is what is read. */
#include "tools/cli/line/config.h"

#include "common/base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where the file is; empty if neither variable is set. */
static void file_path(char *ret, size_t size)
{
    const char *config_home = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int written = 0;

    ret[0] = '\0';
    if (config_home && config_home[0] == '/') {
        written = snprintf(ret, size, "%s/stakeout/config", config_home);
    } else if (home && home[0] == '/') {
        written = snprintf(ret, size, "%s/.config/stakeout/config", home);
    }
    if (written < 0 || (size_t)written >= size) ret[0] = '\0';
}

static int read_file(int fd, struct buf *to)
{
    for (;;) {
        char *room = buf_reserve(to, 4096);
        ssize_t size;

        if (!room) return -EFBIG;
        size = read(fd, room, 4096);
        if (size < 0) return -errno;
        if (size == 0) return 0;
        buf_commit(to, (size_t)size);
    }
}

static struct text trim(struct text text)
{
    while (text.size > 0 && strchr(" \t\r", text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && strchr(" \t\r", text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

struct file {
    char path[4096];
    struct buf content;
    bool is_private; /* nobody else can read it */
    struct text server, token, ca;
};

static struct text *place_of(struct file *file, struct text key)
{
    if (text_is_equal(key, TEXT("server"))) return &file->server;
    if (text_is_equal(key, TEXT("token"))) return &file->token;
    return text_is_equal(key, TEXT("ca")) ? &file->ca : NULL;
}

static int read_line(struct file *file, struct text line, unsigned number, struct problem *problem)
{
    const char *equals;
    struct text key, *place;

    line = trim(line);
    if (line.size == 0 || line.data[0] == '#') return 0;
    equals = memchr(line.data, '=', line.size);
    key = trim((struct text){ line.data, equals ? (size_t)(equals - line.data) : line.size });
    place = place_of(file, key);
    if (!equals || !place) {
        return problem_set(problem, PROBLEM_BAD_FIELD,
                           "%s, line %u: write 'server = URL', 'token = TOKEN' or 'ca = FILE'",
                           file->path, number);
    }
    *place = trim((struct text){ equals + 1, (size_t)(line.data + line.size - equals) - 1 });
    return 0;
}

static int read_lines(struct file *file, struct problem *problem)
{
    struct text rest = buf_peek(&file->content);

    for (unsigned number = 1; rest.size > 0; number++) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t size = end ? (size_t)(end - rest.data) : rest.size;
        size_t skip = end ? size + 1 : size;

        if (read_line(file, (struct text){ rest.data, size }, number, problem) < 0) return -1;
        rest = (struct text){ rest.data + skip, rest.size - skip };
    }
    return 0;
}

/* No file is fine: then nothing is known from it. */
static int load_file(struct file *file, struct problem *problem)
{
    OWN(fd_closep) int fd = -1;
    struct stat status;
    int rc;

    file_path(file->path, sizeof file->path);
    if (!file->path[0]) return 0;
    fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0;
    if (fd < 0 || fstat(fd, &status) != 0) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "%s cannot be read: %s", file->path,
                           strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "%s is no file", file->path);
    }
    file->is_private = (status.st_mode & 077) == 0;
    rc = read_file(fd, &file->content);
    if (rc < 0) {
        return problem_set(problem, PROBLEM_BAD_FIELD, "%s cannot be read: %s", file->path,
                           strerror(-rc));
    }
    return read_lines(file, problem);
}

static int set_server(struct config *config, struct text server, const char *from,
                      struct problem *problem)
{
    size_t scheme_size = text_starts_with(server, TEXT("https://"))  ? sizeof "https://" - 1
                         : text_starts_with(server, TEXT("http://")) ? sizeof "http://" - 1
                                                                     : 0;

    while (server.size > 0 && server.data[server.size - 1] == '/') {
        server.size--;
    }
    if (scheme_size == 0 || server.size <= scheme_size || server.size > SERVER_SIZE_MAX ||
        !text_is_printable(server) || memchr(server.data, '@', server.size) ||
        memchr(server.data, ' ', server.size)) {
        return problem_set(problem, PROBLEM_BAD_FIELD,
                           "%s: '%.*s' is no server; write it as " SERVER_DEFAULT, from,
                           (int)(server.size > 200 ? 200 : server.size), server.data);
    }
    memcpy(config->server, server.data, server.size);
    config->server[server.size] = '\0';
    config->server_from = from;
    return 0;
}

static int set_token(struct config *config, struct text token, const char *from,
                     struct problem *problem)
{
    bool has_others = token.size == 0 || token.size > TOKEN_SIZE_MAX;

    for (size_t i = 0; i < token.size && !has_others; i++) {
        has_others = token.data[i] <= ' ' || token.data[i] > '~';
    }
    if (has_others) {
        return problem_set(problem, PROBLEM_BAD_FIELD,
                           "%s is no token: 1 to %d printable ASCII characters without blanks",
                           from, (int)TOKEN_SIZE_MAX);
    }
    memcpy(config->token, token.data, token.size);
    config->token[token.size] = '\0';
    config->token_from = from;
    return 0;
}

/* An empty variable is as good as none. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static int choose_server(const struct line *line, const struct file *file, struct config *config,
                         struct problem *problem)
{
    const char *option = line_value(line, OPTION_SERVER);
    const char *environment = variable("STAKEOUT_SERVER");

    if (option) return set_server(config, text_of(option), "--server", problem);
    if (environment) {
        return set_server(config, text_of(environment), "STAKEOUT_SERVER", problem);
    }
    if (file->server.data) return set_server(config, file->server, "the file's server", problem);
    return set_server(config, TEXT(SERVER_DEFAULT), "the default", problem);
}

static int choose_token(const struct line *line, const struct file *file, struct config *config,
                        struct buf *warning, struct problem *problem)
{
    const char *option = line_value(line, OPTION_TOKEN);
    const char *environment = variable("STAKEOUT_TOKEN");

    if (option) return set_token(config, text_of(option), "--token", problem);
    if (environment) return set_token(config, text_of(environment), "STAKEOUT_TOKEN", problem);
    if (!file->token.data) return 0;
    if (!file->is_private) {
        return buf_printf(warning,
                          "%s can be read by others, so its token is not used; chmod 600 makes "
                          "it private, and a new token is wiser",
                          file->path);
    }
    return set_token(config, file->token, "the file's token", problem);
}

static int choose_ca(const struct line *line, const struct file *file, struct config *config,
                     struct problem *problem)
{
    const char *option = line_value(line, OPTION_CA), *environment = variable("STAKEOUT_CA");
    struct text ca = option ? text_of(option) : environment ? text_of(environment) : file->ca;

    if (ca.size > CA_SIZE_MAX)
        return problem_set(problem, PROBLEM_BAD_FIELD, "the path of the authority is too long");
    snprintf(config->ca, sizeof config->ca, "%.*s", TEXT_ARGS(ca));
    if (ca.size == 0 || access(config->ca, R_OK) == 0) return 0;
    return problem_set(problem, PROBLEM_BAD_FIELD, "the authority '%s' cannot be read: %s",
                       config->ca, strerror(errno));
}

int config_load(const struct line *line, struct config *ret, struct buf *warning,
                struct problem *problem)
{
    struct file file = { .content = BUF_INIT(CONFIG_SIZE_MAX) };
    struct config config = { 0 };
    int rc = load_file(&file, problem);

    if (rc == 0) rc = choose_server(line, &file, &config, problem);
    if (rc == 0) rc = choose_token(line, &file, &config, warning, problem);
    if (rc == 0) rc = choose_ca(line, &file, &config, problem);
    buf_done(&file.content);
    if (rc < 0) return -1;
    *ret = config;
    return 0;
}
