/* SPDX-License-Identifier: Apache-2.0 */
/* server_config.h: what the configuration of httpd says to mod_stakeout, and the directives that
 * say it.
 *
 *     in the main server     StakeoutApplication, StakeoutServer, StakeoutToken, StakeoutTokenFile,
 *                            StakeoutCA, StakeoutCertificate, StakeoutKey, StakeoutInstance,
 *                            StakeoutDumpable on|off
 *     there, in a            Stakeout on|off, StakeoutInterface METHOD PATH [NAME]
 *     <VirtualHost> and a
 *     <Location>
 *
 * Values live in the pool of the configuration: until the next restart, in a child until it ends.
 * Threads: written before the children are, but for the ids; then only read. */
#ifndef STAKEOUT_PROBE_INTEGRATIONS_APACHE_SERVER_CONFIG_H
#define STAKEOUT_PROBE_INTEGRATIONS_APACHE_SERVER_CONFIG_H

#include <stakeout/naming.h>

#include <httpd.h>

#include <http_config.h>

/* httpd finds it by its name. */
extern __attribute__((visibility("default"))) module AP_MODULE_DECLARE_DATA stakeout_module;

/* Each is about the paths of a <Location>; "": about all of the server. */
struct interface_rule {
    const char *location;
    const char *rule;         /* for naming.h */
    stakeout_interface_id id; /* 0: none yet, or no call */
};

struct location_switch {
    const char *location;
    int is_on;
};

struct server_config {
    const char *application, *server, *token, *instance; /* NULL: not said; main server only */
    const char *ca, *certificate, *key; /* files of PEM, with their whole path; likewise */
    const char *token_from;             /* the directive that brought the token; NULL: none */
    int is_dumpable;                    /* main server only */
    apr_array_header_t *rules; /* struct interface_rule; a virtual host's own before the main's */
    apr_array_header_t *switches; /* struct location_switch, likewise */
};

extern const command_rec server_config_directives[];

void *server_config_new(apr_pool_t *pool, server_rec *server);
void *server_config_merge(apr_pool_t *pool, void *main_server, void *virtual_host);
struct server_config *server_config_get(const server_rec *server);

/* Gives the rules of all servers their interfaces' ids. In each child, once. */
void server_config_register(server_rec *main_server);

/* The interface of a request that just arrived, 0 if it is no call. Of the rules that match, that
 * of the longest <Location> counts, and of several the first. Where none does, `names` does. */
stakeout_interface_id server_config_find(const struct server_config *config,
                                         struct stakeout_names *names, const char *method,
                                         const char *target);

#endif
