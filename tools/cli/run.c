/* SPDX-License-Identifier: Apache-2.0 */
/* run.c: `stakeout run`: a program, with libstakeout-run.so preloaded.
 *
 * All is said in the environment, and then the program takes our place. What cannot be watched by
 * a preloaded library is found out before, from its ELF header and its file's mode: the dynamic
 * loader would pass over our library in silence, or, where it is another libc's, refuse to start.
 * Such a program is run without it, and that is said: a server that does not start is worse than
 * one that is not watched. */
#include "tools/cli/cli.h"

#include "common/base/own.h"

/* Of naming.h the rules alone: stakeout links no probe. */
#define STAKEOUT_OFF
#include <stakeout/naming.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { RULES_SIZE_MAX = 65535, EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127 };

#define LIBRARY "stakeout/libstakeout-run.so"

/* What the options say ---------------------------------------------------------------------- */

static int put_rules(const struct line *line, struct buf *to)
{
    const char *rule, *fault;

    for (unsigned i = 0; (rule = line_value_at(line, OPTION_RULE, i)) != NULL; i++) {
        fault = stakeout_rule_fault(rule);
        if (fault) {
            cli_say("--rule: '%s': %s", rule, fault);
            return CLI_MISUSED;
        }
        (void)buf_printf(to, "%s%s", i > 0 ? "\n" : "", rule);
    }
    if (!to->failed) return CLI_DONE;
    cli_say("--rule: all rules together are longer than %d bytes", RULES_SIZE_MAX);
    return CLI_MISUSED;
}

static int set(const char *name, const char *value)
{
    if (!value || setenv(name, value, 1) == 0) return CLI_DONE;
    cli_say("%s cannot be set: %s", name, strerror(errno));
    return CLI_FAILED;
}

/* The operator's token, of the configuration, is none of a probe's business. */
static int set_settings(struct cli *cli)
{
    OWN(buf_done) struct buf rules = BUF_INIT(RULES_SIZE_MAX);
    const char *token_file = line_value(cli->line, OPTION_TOKEN_FILE);
    bool is_default = strcmp(cli->config.server, SERVER_DEFAULT) == 0;
    char path[PATH_MAX];
    int rc = put_rules(cli->line, &rules);

    if (rc != CLI_DONE) return rc;
    if (token_file && (!realpath(token_file, path) || access(path, R_OK) < 0)) {
        cli_say("--token-file: '%s' cannot be read: %s", token_file, strerror(errno));
        return CLI_MISUSED;
    }
    if (rules.size > 0) rc = set("STAKEOUT_RUN_RULES", rules.data);
    if (rc == CLI_DONE) rc = set("STAKEOUT_RUN_TOKEN_FILE", token_file ? path : NULL);
    if (rc == CLI_DONE) rc = set("STAKEOUT_SERVER", is_default ? NULL : cli->config.server);
    if (rc == CLI_DONE) rc = set("STAKEOUT_CA", *cli->config.ca ? cli->config.ca : NULL);
    if (rc == CLI_DONE) rc = set("STAKEOUT_TOKEN", line_value(cli->line, OPTION_TOKEN));
    if (rc == CLI_DONE) rc = set("STAKEOUT_APPLICATION", line_value(cli->line, OPTION_APPLICATION));
    return rc;
}

/* The library ------------------------------------------------------------------------------- */

/* BIN/../LIBDIR/stakeout/libstakeout-run.so, where BIN is where we lie ourselves. */
static int find_library(char ret[PATH_MAX])
{
    char self[PATH_MAX], path[2 * PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    self[size > 0 ? size : 0] = '\0';
    slash = strrchr(self, '/');
    if (slash) *slash = '\0';
    snprintf(path, sizeof path, "%s/../" STAKEOUT_LIBDIR "/" LIBRARY, self);
    if (!realpath(path, ret)) {
        cli_say("'%s' is not there; the package libstakeout0 brings it", path);
        return CLI_FAILED;
    }
    if (!strpbrk(ret, " :")) return CLI_DONE;
    cli_say("'%s' cannot be preloaded: its path has a blank or a colon", ret);
    return CLI_FAILED;
}

static int preload(const char *library)
{
    OWN(buf_done) struct buf list = BUF_INIT(64 * 1024);
    const char *before = getenv("LD_PRELOAD");

    (void)buf_printf(&list, "%s%s%s", library, before && *before ? ":" : "", before ? before : "");
    if (!list.failed) return set("LD_PRELOAD", list.data);
    cli_say("LD_PRELOAD is too long");
    return CLI_FAILED;
}

/* The program ------------------------------------------------------------------------------- */

/* As execvp() will find it. */
static bool find_program(const char *name, char ret[PATH_MAX])
{
    const char *path = getenv("PATH"), *end;

    if (strchr(name, '/')) {
        snprintf(ret, PATH_MAX, "%s", name);
        return access(ret, F_OK) == 0;
    }
    for (path = path ? path : "/bin:/usr/bin"; path; path = *end ? end + 1 : NULL) {
        end = path + strcspn(path, ":");
        snprintf(ret, PATH_MAX, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", name);
        if (access(ret, X_OK) == 0) return true;
    }
    return false;
}

/* The dynamic loader that an ELF file names; "": none. */
static void read_loader(int fd, const Elf64_Ehdr *header, char *ret, size_t size)
{
    Elf64_Phdr segment;

    *ret = '\0';
    for (unsigned i = 0; i < header->e_phnum; i++) {
        off_t at = (off_t)(header->e_phoff + i * sizeof segment);

        if (pread(fd, &segment, sizeof segment, at) != (ssize_t)sizeof segment) return;
        if (segment.p_type != PT_INTERP || segment.p_filesz == 0 || segment.p_filesz > size)
            continue;
        if (pread(fd, ret, segment.p_filesz, (off_t)segment.p_offset) < 0) *ret = '\0';
        ret[segment.p_filesz - 1] = '\0';
        return;
    }
}

/* Why a library cannot be preloaded into this file; NULL: it can, or the file is a script, and what
 * runs that will be told by what it does. */
static const char *why_not_preloaded(int fd)
{
    Elf64_Ehdr header;
    struct stat status;
    char loader[PATH_MAX];

    if (fstat(fd, &status) == 0 &&
        (((status.st_mode & S_ISUID) && status.st_uid != geteuid()) ||
         ((status.st_mode & S_ISGID) && status.st_gid != getegid()) ||
         (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)))
        return "it runs with other privileges than its caller's";
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header) return NULL;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return NULL;
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
        return "it is no program for x86-64";
    read_loader(fd, &header, loader, sizeof loader);
    if (!*loader) return "it is statically linked";
    return strstr(loader, "/ld-linux-x86-64.so") ? NULL : "it is linked with another libc";
}

static const char *why_not_watched(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why;

    if (fd < 0) return NULL; /* one may execute what one cannot read */
    why = why_not_preloaded(fd);
    close(fd);
    return why;
}

int command_run(struct cli *cli)
{
    const char *name = cli->line->rest[0], *why;
    char library[PATH_MAX], path[PATH_MAX];
    int rc = find_library(library), error;

    if (rc == CLI_DONE) rc = set_settings(cli);
    if (rc != CLI_DONE) return rc;
    if (!find_program(name, path)) {
        cli_say("there is no program '%s'", name);
        return EXIT_NOT_FOUND;
    }
    why = why_not_watched(path);
    if (why) cli_say("'%s' runs without the probe: %s", name, why);
    if (!why && preload(library) != CLI_DONE) return CLI_FAILED;
    execvp(path, cli->line->rest); /* a script without #! is the shell's */
    error = errno;
    cli_say("'%s' cannot be executed: %s", name, strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}
