/* SPDX-License-Identifier: Apache-2.0 */
/* certificate.c: certificates are renewed in place: the same files, with something else in them. */
#include "scheduler/certificate.h"

#include "common/base/log.h"
#include "scheduler/http/http.h"

enum { WHY_SIZE = 256, DAY_S = 24 * 3600, WARN_DAYS = 14 };

void certificate_look(const struct http *http)
{
    time_t left_s = http_tls_expires(http) - time(NULL);

    if (!http_is_tls(http)) return;
    if (left_s <= 0)
        log_event(LOG_ERROR, "the certificate has expired: probes will not connect");
    else if (left_s < WARN_DAYS * DAY_S)
        log_event(LOG_WARN, "the certificate ends soon",
                  LOG_NUMBER("hours_left", (uint64_t)left_s / 3600));
}

bool certificate_reload(struct http *http)
{
    char why[WHY_SIZE] = "";

    if (!http_is_tls(http)) return true;
    if (http_reload_tls(http, why, sizeof why) < 0) {
        log_event(LOG_ERROR, "the certificate cannot be read again; the one of before stays",
                  LOG_STRING("why", why));
        return false;
    }
    log_event(LOG_INFO, "the certificate is read again");
    certificate_look(http);
    return true;
}
