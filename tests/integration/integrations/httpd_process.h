/* SPDX-License-Identifier: Apache-2.0 */
/* httpd_process.h: a private apache2, in a directory and on a port of its own.
 *
 *     struct httpd_process httpd = { .mpm = "event", .with_stakeout = true, .lines = "..." };
 *     httpd_process_start(&httpd);            answers on httpd.port
 *     httpd_process_signal(&httpd, SIGUSR1);  graceful restart
 *     httpd_process_stop(&httpd);             nothing is left, neither process nor file
 *
 * It serves htdocs/index.html ("index\n"), htdocs/big.bin (16 MB), /cgi-bin/hello ("hello\n"), and
 * with mod_slow /slow/..., /busy/... and /nested. Started by root, its children are www-data's. It
 * ends when the test does. */
#ifndef STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_HTTPD_PROCESS_H
#define STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_HTTPD_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HTTPD_BIG_SIZE = 16 * 1024 * 1024, HTTPD_CHILDREN_MAX = 64 };

struct httpd_process {
    const char *mpm;
    bool with_stakeout;
    const char *lines; /* more of its configuration; may be NULL */
    pid_t pid;
    uint16_t port;
    char directory[64];
};

void httpd_process_start(struct httpd_process *httpd);
void httpd_process_signal(const struct httpd_process *httpd, int signal_number);
void httpd_process_stop(struct httpd_process *httpd);

/* `apache2 -t` of such a configuration: its exit code, and what it said. Nothing is started. */
int httpd_process_test(struct httpd_process *httpd, char *ret_said, size_t size);

/* The parent's children that serve (not mod_cgid's daemon, if there is one). Returns how many. */
size_t httpd_process_children(const struct httpd_process *httpd, pid_t ret[HTTPD_CHILDREN_MAX]);

/* Whether the error log has these words. */
bool httpd_process_has_logged(const struct httpd_process *httpd, const char *words);

#endif
