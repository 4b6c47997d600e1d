/* SPDX-License-Identifier: Apache-2.0 */
/* export.c: an analysis into a file, whole or not at all.
 *
 * It is written beside the file under another name, synced, and renamed over it, so that a reader
 * never sees a half. What is no regular file (/dev/stdout, a pipe) is written straight. */
#include "tools/cli/view/analysis.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *slug;
    bool is_binary;
} formats[] = {
    { "json", false }, { "folded", false }, { "speedscope", false },
    { "pprof", true }, { "svg", false },
};

/* The mode that a new file gets, as open(2) would give it. */
static mode_t new_file_mode(void)
{
    mode_t mask = umask(022);

    (void)umask(mask);
    return 0666 & ~mask;
}

static int write_beside(const char *path, mode_t mode, struct text text)
{
    OWN(buf_done) struct buf name = BUF_INIT(8192);
    OWN(fd_closep) int fd = -1;
    int rc;

    if (buf_printf(&name, "%s.XXXXXX", path) < 0) return -ENAMETOOLONG;
    fd = mkostemp(name.data, O_CLOEXEC);
    if (fd < 0) return -errno;
    rc = cli_write(fd, text);
    if (rc == 0 && fchmod(fd, mode) != 0) rc = -errno;
    if (rc == 0 && fsync(fd) != 0) rc = -errno;
    if (rc == 0 && rename(name.data, path) != 0) rc = -errno;
    if (rc < 0) (void)unlink(name.data);
    return rc;
}

static int write_straight(const char *path, struct text text)
{
    OWN(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 ? -errno : cli_write(fd, text);
}

static int write_file(const char *path, struct text text)
{
    OWN(mem_freep) char *real = NULL; /* a symbolic link stays one: its file is replaced */
    struct stat status;

    if (stat(path, &status) != 0) return write_beside(path, new_file_mode(), text);
    if (S_ISDIR(status.st_mode)) return -EISDIR;
    if (!S_ISREG(status.st_mode)) return write_straight(path, text);
    real = realpath(path, NULL);
    if (!real) return -errno;
    return write_beside(real, status.st_mode & 07777, text);
}

static int find_format(const char *slug)
{
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        if (strcmp(formats[i].slug, slug) == 0) return (int)i;
    }
    return -1;
}

/* What can be known to fail before anything is asked. */
static int check_output(struct cli *cli, const char *file, int format)
{
    struct stat status;

    if (!file && formats[format].is_binary && cli->screen.is_terminal) {
        cli_say("--output: %s is binary and this is a terminal; name a file, or '-' for a pipe",
                formats[format].slug);
        return CLI_MISUSED;
    }
    if (file && stat(file, &status) == 0 && S_ISDIR(status.st_mode)) {
        cli_say("--output: '%s' is a directory; name a file in it", file);
        return CLI_MISUSED;
    }
    return CLI_DONE;
}

int analysis_export(struct cli *cli, subject_fn subject_of)
{
    OWN(buf_done) struct buf query = BUF_INIT(4096);
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const char *slug = line_value(cli->line, OPTION_FORMAT);
    const char *file = line_value(cli->line, OPTION_OUTPUT);
    int format = find_format(slug);
    struct subject subject;
    int rc = subject_of(cli, 0, &subject);

    if (rc != CLI_DONE) return rc;
    if (format < 0) {
        cli_say("--format: '%s' is no format; it must be json, folded, speedscope, pprof or svg",
                slug);
        return CLI_MISUSED;
    }
    if (file && strcmp(file, "-") == 0) file = NULL;
    rc = check_output(cli, file, format);
    if (rc != CLI_DONE) return rc;
    (void)buf_printf(&query, "%s/analysis", subject.path);
    query_add(&query, "format", slug);
    rc = cli_get_raw(cli, query.data, &answer);
    if (rc != CLI_DONE) return rc;
    if (!file) return cli_print_answer(cli, &answer);
    rc = write_file(file, buf_peek(&answer.body));
    if (rc == 0) return CLI_DONE;
    cli_say("'%s' cannot be written: %s", file, strerror(-rc));
    return CLI_FAILED;
}
