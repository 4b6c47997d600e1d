/* SPDX-License-Identifier: Apache-2.0 */
/* reload.c: what changed is found by the texts of the values, which are the same for all kinds. */
#include "scheduler/reload.h"

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/own.h"
#include "scheduler/config.h"

#include <string.h>

/* Those that may change while it runs. */
static const char *const live_settings[] = { "log-level", "log-format" };

void reload_init(struct reload *reload, const struct config *config, struct config_origins *origins)
{
    *reload = (struct reload){ .config = config, .origins = origins };
}

static bool is_live(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(live_settings); i++) {
        if (strcmp(live_settings[i], name) == 0) return true;
    }
    return false;
}

static bool is_changed(const char *before, const char *now)
{
    return strcmp(before ? before : "", now ? now : "") != 0;
}

static void swap(char **left, char **right)
{
    char *held = *left;

    *left = *right;
    *right = held;
}

/* Neither value is said: it may be a secret. */
static void take_changes(struct config_origins *origins, struct config_origins *now)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (!is_changed(origins->values[i], now->values[i])) continue;
        if (!is_live(settings[i].name)) {
            log_event(LOG_WARN, "a setting changed that is used from the next start on",
                      LOG_STRING("setting", settings[i].name));
            continue;
        }
        swap(&origins->values[i], &now->values[i]);
        swap(&origins->places[i], &now->places[i]);
        log_event(LOG_INFO, "a setting changed", LOG_STRING("setting", settings[i].name));
    }
}

bool reload_settings(struct reload *reload)
{
    const struct config *config = reload->config;
    OWN(config_origins_done) struct config_origins origins = { 0 };
    struct problem problem = { 0 };
    struct config now;

    reload->is_refused =
        config_read(config->word_count, config->words, &now, &origins, &problem) != CONFIG_RUN;
    if (reload->is_refused) {
        log_event(LOG_ERROR, "the settings cannot be read again; all stays as it was",
                  LOG_STRING("why", problem.detail));
        return false;
    }
    log_set_level(now.log_level);
    log_set_format(now.log_format);
    take_changes(reload->origins, &origins);
    log_event(LOG_INFO, "the settings are read again");
    return true;
}
