/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a rule, and any as a request's method and target, apart by line feeds: names are
 * whole and printable, and a rule without fault matches the path that it is itself. */
#include <stakeout/naming.h>

#include "tests/fuzz/fuzz.h"

#include <stdio.h>

enum { TEXT_SIZE_MAX = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_SIZE_MAX + 1], name[STAKEOUT_NAME_SIZE], itself[TEXT_SIZE_MAX + 1];
    char *method, *target;

    if (size > TEXT_SIZE_MAX) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    method = text + strcspn(text, "\n");
    if (*method) *method++ = '\0';
    target = method + strcspn(method, "\n");
    if (*target) *target++ = '\0';

    stakeout_name_default(method, target, name);
    CHECK(strlen(name) >= sizeof "GET /" - 1 && !strchr(name, '*'));
    for (const char *at = name; *at; at++) {
        CHECK(*at >= ' ' && *at <= '~');
    }
    if (stakeout_rule_fault(text)) return 0;
    (void)stakeout_rule_matches(text, method, target);
    CHECK(*stakeout_rule_name(text));
    snprintf(itself, sizeof itself, "%s", text + strcspn(text, " ") + 1);
    itself[strcspn(itself, " ")] = '\0';
    text[strcspn(text, " ")] = '\0';
    snprintf(name, sizeof name, "%.*s", (int)sizeof name - 1, text);
    text[strlen(text)] = ' ';
    if (strlen(text) < STAKEOUT_NAME_SIZE) CHECK(stakeout_rule_matches(text, name, itself));
    return 0;
}
