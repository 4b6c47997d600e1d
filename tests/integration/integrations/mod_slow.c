/* SPDX-License-Identifier: Apache-2.0 */
/* mod_slow.c: a module of httpd that is slow in a function of its own, and one that makes
 * subrequests. It knows nothing of stakeout.
 *
 *     SetHandler slow         answers 203 after `ms` of the query, asleep in slow_lookup()
 *     SetHandler busy         the same, computing in busy_lookup()
 *     SetHandler nested       makes two subrequests of /index.html, and answers 200 */
#include <httpd.h>

#include <apr_strings.h>
#include <apr_time.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

enum { MS_MAX = 5000 };

__attribute__((noinline)) void slow_lookup(long ms);
__attribute__((noinline)) void busy_lookup(long ms);

/* Signals may end a sleep early, as they may in any module. */
__attribute__((noinline)) void slow_lookup(long ms)
{
    apr_time_t now = apr_time_now(), until = now + apr_time_from_msec(ms);

    for (; now < until; now = apr_time_now()) {
        apr_sleep(until - now);
    }
    __asm__ volatile("" ::: "memory"); /* no tail call: it stays on the stack */
}

__attribute__((noinline)) void busy_lookup(long ms)
{
    apr_time_t until = apr_time_now() + apr_time_from_msec(ms);

    while (apr_time_now() < until) {
    }
}

static int answer_slowly(request_rec *request, void (*lookup)(long ms))
{
    const char *ms = request->args ? ap_strstr_c(request->args, "ms=") : NULL;
    apr_int64_t value = ms ? apr_atoi64(ms + 3) : 0;

    lookup(value < 0 || value > MS_MAX ? MS_MAX : (long)value);
    request->status = 203;
    ap_rputs("slow\n", request);
    return OK;
}

static int answer_nested(request_rec *request)
{
    for (int i = 0; i < 2; i++) {
        request_rec *inner = ap_sub_req_lookup_uri("/index.html", request, NULL);

        if (inner->status == HTTP_OK) ap_run_sub_req(inner);
        ap_destroy_sub_req(inner);
    }
    return OK;
}

static int on_handle(request_rec *request)
{
    if (!request->handler) return DECLINED;
    if (strcmp(request->handler, "slow") == 0) return answer_slowly(request, slow_lookup);
    if (strcmp(request->handler, "busy") == 0) return answer_slowly(request, busy_lookup);
    if (strcmp(request->handler, "nested") == 0) return answer_nested(request);
    return DECLINED;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(on_handle, NULL, NULL, APR_HOOK_MIDDLE);
}

extern __attribute__((visibility("default"))) module AP_MODULE_DECLARE_DATA slow_module;
module AP_MODULE_DECLARE_DATA slow_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE,
};
