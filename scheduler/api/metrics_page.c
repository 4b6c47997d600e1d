/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_page.c: /metrics, for Prometheus. */
#include "common/base/check.h"
#include "scheduler/api/answer.h"
#include "scheduler/metrics/metrics.h"

void on_metrics(struct api *api, struct http_request *request)
{
    struct buf text = BUF_INIT(METRICS_SIZE_MAX);
    size_t size;
    char *body;

    CHECK(metrics_write(api->rooms.metrics, &text) == 0);
    body = buf_take(&text, &size);
    http_reply_take(request, 200, METRICS_CONTENT_TYPE, body, size);
}
