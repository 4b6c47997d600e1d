/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c: one function per setting, tried in order; the first that refuses says why. */
#include "probe/agent/link/settings.h"

#include "common/model/problem.h"
#include "common/model/task_spec.h"
#include "probe/include/stakeout/stakeout.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { PPM_PER_PERCENT = 10000 };

#define SERVER_DEFAULT "http://127.0.0.1:7411"

struct reading {
    struct stakeout_options options; /* as much as the caller knew of it */
    struct settings *settings;
    char *why;
    size_t why_size;
};

static int refuse(const struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(const struct reading *reading, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reading->why, reading->why_size, format, args);
    va_end(args);
    return -EINVAL;
}

/* The option, else the variable, else "". */
static const char *setting_or(const char *option, const char *variable)
{
    const char *value = option && *option ? option : secure_getenv(variable);

    return value ? value : "";
}

static int read_application(struct reading *reading)
{
    const char *value = setting_or(reading->options.application, "STAKEOUT_APPLICATION");
    struct problem problem;

    if (!*value) value = program_invocation_short_name;
    if (application_check(text_of(value), &problem) < 0)
        return refuse(reading, "%s", problem.detail);
    snprintf(reading->settings->application, sizeof reading->settings->application, "%s", value);
    return 0;
}

void settings_renew(struct settings *settings)
{
    char host[HOST_NAME_SIZE_MAX / 2 + 1];

    if (!settings->is_instance_default) return;
    if (gethostname(host, sizeof host) < 0) snprintf(host, sizeof host, "unknown");
    host[sizeof host - 1] = '\0';
    snprintf(settings->instance, sizeof settings->instance, "%s:%d", host, (int)getpid());
}

static int read_instance(struct reading *reading)
{
    const char *value = setting_or(reading->options.instance, "STAKEOUT_INSTANCE");
    struct settings *settings = reading->settings;
    struct problem problem;

    settings->is_instance_default = !*value;
    settings_renew(settings);
    if (!*value) return 0;
    if (instance_name_check(text_of(value), &problem) < 0)
        return refuse(reading, "%s", problem.detail);
    snprintf(settings->instance, sizeof settings->instance, "%s", value);
    return 0;
}

static int read_server(struct reading *reading)
{
    const char *value = setting_or(reading->options.server, "STAKEOUT_SERVER");
    struct settings *settings = reading->settings;

    if (!*value) value = SERVER_DEFAULT;
    snprintf(settings->server, sizeof settings->server, "%s", value);
    return http_target_parse(text_of(value), &settings->target, reading->why, reading->why_size);
}

static int read_token(struct reading *reading)
{
    const char *value = setting_or(reading->options.token, "STAKEOUT_TOKEN");
    struct settings *settings = reading->settings;

    if (!*value) return 0;
    if (!http_token_is_valid(text_of(value)))
        return refuse(reading, "the token must be 1 to %d visible ASCII characters",
                      HTTP_TOKEN_SIZE_MAX);
    snprintf(settings->token, sizeof settings->token, "%s", value);
    return 0;
}

static int read_path(struct reading *reading, const char *option, const char *variable,
                     char ret[SETTINGS_PATH_SIZE])
{
    const char *value = setting_or(option, variable);

    if (strlen(value) >= SETTINGS_PATH_SIZE)
        return refuse(reading, "%s is longer than %d bytes", variable, SETTINGS_PATH_SIZE - 1);
    snprintf(ret, SETTINGS_PATH_SIZE, "%s", value);
    return 0;
}

static int read_identity(struct reading *reading)
{
    const struct stakeout_options *options = &reading->options;
    struct settings *settings = reading->settings;
    int rc = read_path(reading, options->ca, "STAKEOUT_CA", settings->ca);

    if (rc == 0)
        rc = read_path(reading, options->certificate, "STAKEOUT_CERT", settings->certificate);
    if (rc == 0) rc = read_path(reading, options->key, "STAKEOUT_KEY", settings->key);
    if (rc == 0 && *settings->key && !*settings->certificate)
        return refuse(reading, "STAKEOUT_KEY says nothing without STAKEOUT_CERT");
    return rc;
}

static bool may_be_taken(int number)
{
    static const int standard[] = { SIGURG,  SIGUSR1,   SIGUSR2,  SIGPROF,
                                    SIGALRM, SIGVTALRM, SIGWINCH, SIGIO };

    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
        if (number == standard[i]) return true;
    }
    return number >= SIGRTMIN && number <= SIGRTMAX;
}

static int signal_by_name(struct text name)
{
    if (text_starts_with(name, TEXT("SIG"))) name = (struct text){ name.data + 3, name.size - 3 };
    for (int number = 1; number < NSIG; number++) {
        if (text_is_equal(name, text_of(sigabbrev_np(number)))) return number;
    }
    return 0;
}

int signal_parse(struct text text, int *ret)
{
    uint64_t number = 0;

    if (text_to_u64(text, &number) < 0) number = (uint64_t)signal_by_name(text);
    if (number >= NSIG || !may_be_taken((int)number)) return -EINVAL;
    *ret = (int)number;
    return 0;
}

static int read_signal(struct reading *reading)
{
    char number[16] = "";
    const char *value;

    if (reading->options.signal_number != 0)
        snprintf(number, sizeof number, "%d", reading->options.signal_number);
    value = setting_or(number, "STAKEOUT_SIGNAL");
    reading->settings->signal_number = SIGURG;
    if (!*value) return 0;
    if (signal_parse(text_of(value), &reading->settings->signal_number) == 0) return 0;
    return refuse(reading,
                  "signal '%s' cannot be taken: URG, USR1, USR2, PROF, ALRM, VTALRM, "
                  "WINCH, IO and the real-time signals can",
                  value);
}

/* A switch, in any of the ways in which people write one; nothing at all leaves it on. */
static int read_switch(const struct reading *reading, const char *variable, bool *ret_is_off)
{
    static const char *const words[][2] = {
        { "on", "off" }, { "1", "0" }, { "yes", "no" }, { "true", "false" }
    };
    const char *value = setting_or(NULL, variable);

    *ret_is_off = false;
    if (!*value) return 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        *ret_is_off = strcasecmp(value, words[i][1]) == 0;
        if (*ret_is_off || strcasecmp(value, words[i][0]) == 0) return 0;
    }
    return refuse(reading, "%s is '%.80s'; it must be on, 1, yes or true, or off, 0, no or false",
                  variable, value);
}

static int read_statistics(struct reading *reading)
{
    bool *is_off = &reading->settings->is_statistics_off;
    int rc = read_switch(reading, "STAKEOUT_STATISTICS", is_off);

    *is_off = *is_off || reading->options.statistics_off != 0;
    return rc;
}

static int read_complete_writes(struct reading *reading)
{
    static const char variable[] = "STAKEOUT_COMPLETE_WRITES";

    return read_switch(reading, variable, &reading->settings->leaves_short_writes);
}

static int read_engine(struct reading *reading)
{
    static const char *const names[] = { [SAMPLER_ENGINE_SIGNAL] = "signal",
                                         [SAMPLER_ENGINE_PERF] = "perf",
                                         [SAMPLER_ENGINE_AUTO] = "auto" };
    const char *value = setting_or(NULL, "STAKEOUT_ENGINE");

    reading->settings->engine = SAMPLER_ENGINE_SIGNAL;
    if (!*value) return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        reading->settings->engine = (enum sampler_engine)i;
        if (strcasecmp(value, names[i]) == 0) return 0;
    }
    return refuse(reading, "STAKEOUT_ENGINE is '%.80s'; it must be signal, perf or auto", value);
}

/* "0.5", in millionths. Digits and one point: strtod() would ask the host's locale. */
static int percent_parse(const char *value, uint32_t *ret_ppm)
{
    uint64_t ppm = 0;
    uint32_t behind = 0, digits = 0;
    bool has_point = false;

    for (; *value; value++) {
        if (*value == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (*value < '0' || *value > '9' || behind == 4 || ppm > 100 * PPM_PER_PERCENT)
            return -EINVAL;
        ppm = 10 * ppm + (uint64_t)(*value - '0');
        behind += has_point;
        digits++;
    }
    for (; behind < 4; behind++) {
        ppm *= 10;
    }
    if (digits == 0 || ppm > 100 * PPM_PER_PERCENT) return -EINVAL;
    *ret_ppm = (uint32_t)ppm;
    return 0;
}

static int read_budget(const struct reading *reading, double option, const char *variable,
                       uint32_t *ret_ppm)
{
    const char *value = setting_or(NULL, variable);
    uint32_t ppm = 0;

    *ret_ppm = 0;
    if (option < 0) {
        *ret_ppm = UINT32_MAX;
    } else if (option > 0) {
        if (option > 100 || option * PPM_PER_PERCENT < BUDGET_PPM_MIN)
            return refuse(reading, "a budget is 0.1 to 100 percent, not %g", option);
        *ret_ppm = (uint32_t)(option * PPM_PER_PERCENT);
    } else if (*value) {
        if (strcasecmp(value, "off") != 0 &&
            (percent_parse(value, &ppm) < 0 || (ppm > 0 && ppm < BUDGET_PPM_MIN)))
            return refuse(reading, "%s is '%.80s'; it must be 0.1 to 100 percent, or 0 or off",
                          variable, value);
        *ret_ppm = ppm > 0 ? ppm : UINT32_MAX;
    }
    return 0;
}

static int read_budgets(struct reading *reading)
{
    struct settings *settings = reading->settings;
    int rc = read_budget(reading, reading->options.budget_core_percent, "STAKEOUT_BUDGET_CORE",
                         &settings->budget_core_ppm);

    if (rc < 0) return rc;
    return read_budget(reading, reading->options.budget_thread_percent, "STAKEOUT_BUDGET_THREAD",
                       &settings->budget_thread_ppm);
}

static int (*const readers[])(struct reading *) = {
    read_application, read_instance,   read_server,  read_token,           read_signal,
    read_engine,      read_statistics, read_budgets, read_complete_writes, read_identity,
};

int settings_read_switch(struct settings *ret, char *ret_why, size_t why_size)
{
    struct reading reading = { .settings = ret, .why = ret_why, .why_size = why_size };

    *ret = (struct settings){ .is_off = false };
    snprintf(ret->log, sizeof ret->log, "%s", setting_or(NULL, "STAKEOUT_LOG"));
    return read_switch(&reading, "STAKEOUT", &ret->is_off);
}

int settings_read(const struct stakeout_options *options, struct settings *ret, char *ret_why,
                  size_t why_size)
{
    struct reading reading = { .settings = ret, .why = ret_why, .why_size = why_size };
    int rc;

    rc = settings_read_switch(ret, ret_why, why_size);
    if (rc == 0 && options) {
        size_t known =
            options->size < sizeof reading.options ? options->size : sizeof reading.options;

        if (options->size < offsetof(struct stakeout_options, application))
            return refuse(&reading, "the options' size must be sizeof(struct stakeout_options)");
        memcpy(&reading.options, options, known);
    }
    for (size_t i = 0; i < sizeof readers / sizeof *readers && rc == 0; i++) {
        rc = readers[i](&reading);
    }
    return rc;
}
