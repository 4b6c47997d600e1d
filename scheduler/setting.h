/* SPDX-License-Identifier: Apache-2.0 */
/* setting.h: the settings of config.def, one by one: what each is called, what it accepts, and how
 * a text becomes its member of struct config.
 *
 *     setting = setting_find(name);
 *     if (setting) rc = setting_apply(setting, value, "--listen", &config, &problem);
 *
 * config.c knows where values come from; this, what they mean. */
#ifndef STAKEOUT_SCHEDULER_SETTING_H
#define STAKEOUT_SCHEDULER_SETTING_H

#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/model/problem.h"

#include <stddef.h>

struct config;
struct place; /* where a value goes; setting.c's own */

enum {
    SETTING_NAME_SIZE = 64, /* room for the name of any setting, also as the environment has it */
    SETTING_COUNT = 0       /* as many as config.def has rows */
#define SETTING(name, kind, member, argument, fallback, accepts, says) +1
#include "scheduler/config.def"
#undef SETTING
};

struct setting {
    const char *name;
    int (*read)(const struct place *place, struct text value);
    size_t offset;                                    /* of its member of struct config */
    const char *argument, *fallback, *accepts, *says; /* as config.def has them */
};

extern const struct setting settings[SETTING_COUNT];

const struct setting *setting_find(struct text name); /* NULL: there is none */

/* Reads the value into its member: 0, or -1 with *problem. `where` is how the user wrote it:
 * "--listen", "STAKEOUT_LISTEN", "FILE:3: listen". */
int setting_apply(const struct setting *setting, struct text value, const char *where,
                  struct config *config, struct problem *problem);

/* Is a password in this value, which the setting accepts? */
bool setting_holds_secret(const struct setting *setting, struct text value);

/* Appends the value without the passwords that a URL may have in it, for a person to read. */
void setting_mask(const char *value, struct buf *ret);

#endif
