/* SPDX-License-Identifier: Apache-2.0 */
/* server_config.c: see server_config.h.
 *
 * A call begins before httpd has looked for sections: <Location>s are merged only once the URI was
 * translated. So a directive within a <Location> is kept with the server, together with the
 * section's path, and we compare paths ourselves, as httpd does for plain paths. Sections that
 * httpd chooses by anything else (files, expressions) cannot know a call at its begin, and are
 * refused at configtest. */
#include "probe/integrations/apache/server_config.h"

#include <apr_fnmatch.h>
#include <apr_strings.h>

#include <ctype.h>

enum { APPLICATION_SIZE_MAX = 128, INSTANCE_SIZE_MAX = 255, TOKEN_SIZE_MAX = 512 };

static struct server_config *of_command(const cmd_parms *cmd)
{
    return server_config_get(cmd->server);
}

/* Where a directive may stand --------------------------------------------------------------- */

static const char *only_in_main_server(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, GLOBAL_ONLY);
}

/* NULL, with the path of the <Location> around it or "", or why it may not stand here. */
static const char *location_of(cmd_parms *cmd, const char **ret_location)
{
    const ap_directive_t *section = cmd->directive->parent;

    *ret_location = "";
    if (!cmd->path) return NULL;
    if (!section || strcasecmp(section->directive, "<Location") != 0 || cmd->path[0] != '/' ||
        ap_strstr_c(section->args, "~") == section->args)
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           " may stand in the server, in <VirtualHost> and in <Location /path>: a "
                           "call begins before other sections are looked for",
                           NULL);
    if (apr_fnmatch_test(cmd->path))
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           " takes no wildcards in the path of its "
                           "<Location>; name the rest in a rule: StakeoutInterface GET ",
                           "/item/{id}", NULL);
    *ret_location = cmd->path;
    return NULL;
}

/* The directives ---------------------------------------------------------------------------- */

static const char *check_text(cmd_parms *cmd, const char *value, size_t size_max)
{
    size_t size = strlen(value);

    if (size == 0 || size > size_max)
        return apr_psprintf(cmd->pool, "%s must be 1 to %d bytes long, not %d", cmd->cmd->name,
                            (int)size_max, (int)size);
    for (const char *at = value; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return apr_pstrcat(cmd->pool, cmd->cmd->name, " must be printable", NULL);
    }
    return NULL;
}

static const char *set_application(cmd_parms *cmd, void *unused, const char *value)
{
    const char *refusal = only_in_main_server(cmd);

    (void)unused;
    if (!refusal) refusal = check_text(cmd, value, APPLICATION_SIZE_MAX);
    if (!refusal) of_command(cmd)->application = value;
    return refusal;
}

static const char *set_instance(cmd_parms *cmd, void *unused, const char *value)
{
    const char *refusal = only_in_main_server(cmd);

    (void)unused;
    if (!refusal) refusal = check_text(cmd, value, INSTANCE_SIZE_MAX);
    if (!refusal) of_command(cmd)->instance = value;
    return refusal;
}

/* "http://HOST[:PORT][/]", or https */
static int is_server_url(apr_pool_t *pool, const char *value)
{
    apr_uri_t uri;

    if (apr_uri_parse(pool, value, &uri) != APR_SUCCESS) return 0;
    if (!uri.scheme || !uri.hostname || !*uri.hostname) return 0;
    if (strcmp(uri.scheme, "http") != 0 && strcmp(uri.scheme, "https") != 0) return 0;
    if (uri.port_str && (uri.port == 0 || strlen(uri.port_str) > 5)) return 0;
    return !uri.user && !uri.query && !uri.fragment && (!uri.path || strcmp(uri.path, "/") == 0);
}

static const char *set_server(cmd_parms *cmd, void *unused, const char *value)
{
    const char *refusal = only_in_main_server(cmd);

    (void)unused;
    if (refusal) return refusal;
    if (!is_server_url(cmd->temp_pool, value))
        return apr_psprintf(
            cmd->pool,
            "StakeoutServer is '%s'; it must be as http://HOST:PORT or https://HOST:PORT", value);
    of_command(cmd)->server = value;
    return NULL;
}

static const char *take_token(cmd_parms *cmd, const char *value)
{
    struct server_config *config = of_command(cmd);
    size_t size = strlen(value);

    if (config->token_from && strcmp(config->token_from, cmd->cmd->name) != 0)
        return "StakeoutToken and StakeoutTokenFile are both given; one token is needed";
    for (const char *at = value; *at; at++) {
        if (*at <= ' ' || *at > '~') size = 0;
    }
    if (size == 0 || size > TOKEN_SIZE_MAX)
        return apr_psprintf(cmd->pool, "%s: a token is 1 to %d visible ASCII characters",
                            cmd->cmd->name, TOKEN_SIZE_MAX);
    config->token = value;
    config->token_from = cmd->cmd->name;
    return NULL;
}

static const char *set_token(cmd_parms *cmd, void *unused, const char *value)
{
    const char *refusal = only_in_main_server(cmd);

    (void)unused;
    return refusal ? refusal : take_token(cmd, value);
}

/* Read while httpd still is who started it: the file may be root's alone. */
static const char *set_token_file(cmd_parms *cmd, void *unused, const char *value)
{
    const char *path = ap_server_root_relative(cmd->pool, value);
    const char *refusal = only_in_main_server(cmd);
    char text[TOKEN_SIZE_MAX + 3] = "";
    apr_size_t size = sizeof text - 1;
    apr_file_t *file;
    apr_status_t status;

    (void)unused;
    if (refusal) return refusal;
    if (!path) return apr_pstrcat(cmd->pool, "StakeoutTokenFile: '", value, "' is no path", NULL);
    status = apr_file_open(&file, path, APR_READ, APR_OS_DEFAULT, cmd->temp_pool);
    if (status == APR_SUCCESS) {
        status = apr_file_read_full(file, text, sizeof text - 1, &size);
        apr_file_close(file);
    }
    if (status != APR_SUCCESS && status != APR_EOF)
        return apr_psprintf(cmd->pool, "StakeoutTokenFile: '%s' cannot be read: %pm", path,
                            &status);
    text[size] = '\0';
    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        text[--size] = '\0';
    }
    return take_token(cmd, apr_pstrdup(cmd->pool, text));
}

/* A file of PEM for https: the children read it, and as the user that they are then. */
static const char *set_file(cmd_parms *cmd, const char *value, const char **ret)
{
    const char *refusal = only_in_main_server(cmd);
    const char *path = ap_server_root_relative(cmd->pool, value);
    apr_finfo_t facts;

    if (refusal) return refusal;
    if (!path || apr_stat(&facts, path, APR_FINFO_TYPE, cmd->temp_pool) != APR_SUCCESS ||
        facts.filetype != APR_REG)
        return apr_psprintf(cmd->pool, "%s: '%s' is no file", cmd->cmd->name, value);
    *ret = path;
    return NULL;
}

static const char *set_ca(cmd_parms *cmd, void *unused, const char *value)
{
    (void)unused;
    return set_file(cmd, value, &of_command(cmd)->ca);
}

static const char *set_certificate(cmd_parms *cmd, void *unused, const char *value)
{
    (void)unused;
    return set_file(cmd, value, &of_command(cmd)->certificate);
}

static const char *set_key(cmd_parms *cmd, void *unused, const char *value)
{
    (void)unused;
    return set_file(cmd, value, &of_command(cmd)->key);
}

static const char *set_dumpable(cmd_parms *cmd, void *unused, int is_dumpable)
{
    const char *refusal = only_in_main_server(cmd);

    (void)unused;
    if (!refusal) of_command(cmd)->is_dumpable = is_dumpable;
    return refusal;
}

static const char *set_switch(cmd_parms *cmd, void *unused, int is_on)
{
    const char *location, *refusal = location_of(cmd, &location);

    (void)unused;
    if (refusal) return refusal;
    *(struct location_switch *)apr_array_push(of_command(cmd)->switches) =
        (struct location_switch){ location, is_on };
    return NULL;
}

static const char *add_interface(cmd_parms *cmd, void *unused, const char *method, const char *path,
                                 const char *name)
{
    const char *location, *fault, *refusal = location_of(cmd, &location);
    char *rule = apr_pstrcat(cmd->pool, method, " ", path, name ? " " : NULL, name, NULL);

    (void)unused;
    if (refusal) return refusal;
    fault = strchr(method, ' ') || strchr(path, ' ') ? "method and path have no blanks"
                                                     : stakeout_rule_fault(rule);
    if (fault) return apr_psprintf(cmd->pool, "StakeoutInterface %s: %s", rule, fault);
    *(struct interface_rule *)apr_array_push(of_command(cmd)->rules) =
        (struct interface_rule){ .location = location, .rule = rule };
    return NULL;
}

/* httpd's macros do not say which member of a union they fill. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
const command_rec server_config_directives[] = {
    AP_INIT_TAKE1("StakeoutApplication", set_application, NULL, RSRC_CONF,
                  "the name under which this httpd reports; default: its program's name"),
    AP_INIT_TAKE1("StakeoutServer", set_server, NULL, RSRC_CONF,
                  "the scheduler, http://HOST:PORT or https; default: http://127.0.0.1:7411"),
    AP_INIT_TAKE1("StakeoutCA", set_ca, NULL, RSRC_CONF,
                  "for https, who may sign the scheduler's certificate; default: the system's"),
    AP_INIT_TAKE1("StakeoutCertificate", set_certificate, NULL, RSRC_CONF,
                  "for https, what is shown to a scheduler that asks"),
    AP_INIT_TAKE1("StakeoutKey", set_key, NULL, RSRC_CONF,
                  "the certificate's key; default: in the certificate's file"),
    AP_INIT_TAKE1("StakeoutToken", set_token, NULL, RSRC_CONF, "the probe's token"),
    AP_INIT_TAKE1("StakeoutTokenFile", set_token_file, NULL, RSRC_CONF,
                  "a file with the probe's token"),
    AP_INIT_TAKE1("StakeoutInstance", set_instance, NULL, RSRC_CONF,
                  "the name of each child; default: its host and pid"),
    AP_INIT_FLAG("StakeoutDumpable", set_dumpable, NULL, RSRC_CONF,
                 "whether processes of the children's user may trace them; default: off"),
    AP_INIT_FLAG("Stakeout", set_switch, NULL, RSRC_CONF | ACCESS_CONF,
                 "whether requests are calls; default: on"),
    AP_INIT_TAKE23("StakeoutInterface", add_interface, NULL, RSRC_CONF | ACCESS_CONF,
                   "METHOD PATH [NAME]: an interface, as in GET /item/{id}"),
    { .name = NULL },
};
#pragma GCC diagnostic pop

/* Per server -------------------------------------------------------------------------------- */

void *server_config_new(apr_pool_t *pool, server_rec *server)
{
    struct server_config *config = apr_pcalloc(pool, sizeof *config);

    (void)server;
    config->rules = apr_array_make(pool, 8, sizeof(struct interface_rule));
    config->switches = apr_array_make(pool, 2, sizeof(struct location_switch));
    return config;
}

void *server_config_merge(apr_pool_t *pool, void *main_server, void *virtual_host)
{
    const struct server_config *base = main_server, *own = virtual_host;
    struct server_config *config = apr_pmemdup(pool, base, sizeof *base);

    config->rules = apr_array_append(pool, own->rules, base->rules);
    config->switches = apr_array_append(pool, own->switches, base->switches);
    return config;
}

struct server_config *server_config_get(const server_rec *server)
{
    return ap_get_module_config(server->module_config, &stakeout_module);
}

void server_config_register(server_rec *main_server)
{
    for (server_rec *server = main_server; server; server = server->next) {
        struct server_config *config = server_config_get(server);

        for (int i = 0; i < config->rules->nelts; i++) {
            struct interface_rule *rule = &APR_ARRAY_IDX(config->rules, i, struct interface_rule);
            const char *name = stakeout_rule_name(rule->rule);

            rule->id = strcmp(name, "-") == 0 ? 0 : stakeout_interface(name);
        }
    }
}

/* Per request ------------------------------------------------------------------------------- */

/* As httpd compares a plain <Location>: whole segments. */
static int is_within(const char *location, size_t location_size, const char *path, size_t size)
{
    if (size < location_size || memcmp(location, path, location_size) != 0) return 0;
    return location_size == 0 || location[location_size - 1] == '/' || size == location_size ||
           path[location_size] == '/';
}

static int is_on(const struct server_config *config, const char *path, size_t size)
{
    size_t best_size = 0;
    int is_on = 1, is_said = 0;

    for (int i = 0; i < config->switches->nelts; i++) {
        const struct location_switch *it =
            &APR_ARRAY_IDX(config->switches, i, struct location_switch);
        size_t location_size = strlen(it->location);

        if (is_said && location_size <= best_size) continue;
        if (!is_within(it->location, location_size, path, size)) continue;
        best_size = location_size;
        is_on = it->is_on;
        is_said = 1;
    }
    return is_on;
}

static const struct interface_rule *find_rule(const struct server_config *config,
                                              const char *method, const char *path, size_t size)
{
    const struct interface_rule *best = NULL;
    size_t best_size = 0;

    for (int i = 0; i < config->rules->nelts; i++) {
        const struct interface_rule *it = &APR_ARRAY_IDX(config->rules, i, struct interface_rule);
        size_t location_size = strlen(it->location);

        if (best && location_size <= best_size) continue;
        if (!is_within(it->location, location_size, path, size)) continue;
        if (!stakeout_rule_matches_path(it->rule, method, path, size)) continue;
        best = it;
        best_size = location_size;
    }
    return best;
}

stakeout_interface_id server_config_find(const struct server_config *config,
                                         struct stakeout_names *names, const char *method,
                                         const char *target)
{
    size_t size;
    const char *path = stakeout_naming_path(target, &size);
    const struct interface_rule *rule;

    if (!is_on(config, path, size)) return 0;
    rule = find_rule(config, method, path, size);
    return rule ? rule->id : stakeout_names_default(names, method, target);
}
