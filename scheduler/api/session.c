/* SPDX-License-Identifier: Apache-2.0 */
/* session.c: /api/v1/session: who one is here; logging in and out.
 *
 * A browser gives its token once, and gets a cookie that no script can read and no other site can
 * send. Where the page is encrypted, and so says its Origin, the cookie is Secure and has the name
 * that binds it to this host. */
#include "common/base/own.h"
#include "scheduler/access/access.h"
#include "scheduler/access/scope.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/scoping.h"
#include "scheduler/task/tasks.h"

#include <stdio.h>
#include <string.h>

static json_t *applications_value(const struct scope *scope)
{
    json_t *array;

    if (scope_is_all(scope)) return json_null();
    array = json_array();
    for (size_t i = 0; scope_at(scope, i).size > 0; i++) {
        value_append(array, value_text_of(scope_at(scope, i)));
    }
    return array;
}

static json_t *session_value(struct api *api, const struct http_identity *identity, bool is_session)
{
    json_t *object = json_object();

    value_set(object, "name", value_text(identity->name));
    value_set(object, "role", value_text(role_name(identity->role)));
    value_set(object, "applications", applications_value(identity->scope));
    value_set(object, "session", json_boolean(is_session));
    value_set(object, "version", value_text(STAKEOUT_VERSION));
    value_set(object, "time", value_time(tasks_now_wall_ms(api->rooms.tasks)));
    value_set(object, "retention_days", value_count(api->rooms.retention_days));
    value_set(object, "trace_url", value_text_or_null(text_of(api->rooms.trace_url)));
    return object;
}

void on_session(struct api *api, struct http_request *request)
{
    const struct http_identity *identity = http_identity_of(request);

    answer_json(request, 200,
                session_value(api, identity, identity->credential.kind == HTTP_SESSION));
}

/* ------------------------------------------------------------------ the cookie */

/* Is the page that asks encrypted, here or by a proxy in front? */
static bool is_encrypted(struct api *api, struct http_request *request)
{
    return http_is_tls(api->rooms.http) ||
           text_starts_with(http_header(request, "Origin"), TEXT("https://"));
}

/* `age_s` 0 removes it. */
static void set_cookie(struct pending *pending, const char *secret, unsigned age_s)
{
    bool is_secure = is_encrypted(pending->api, pending->request);
    char cookie[256];

    snprintf(cookie, sizeof cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%u%s",
             is_secure ? HTTP_COOKIE_SECURE : HTTP_COOKIE, secret, age_s,
             is_secure ? "; Secure" : "");
    http_answer_header(pending->request, "Set-Cookie", cookie);
    memset(cookie, 0, sizeof cookie);
}

/* ------------------------------------------------------------------ in and out */

enum { COOKIE_AGE_S = 7 * 24 * 3600 }; /* the scheduler ends it earlier, if nobody uses it */

static void json_freep(json_t **it)
{
    json_decref(*it);
}

/* Who comes with a wrong token is slowed, as everywhere. */
static void refuse_login(struct pending *pending, const struct problem *problem)
{
    struct problem slowed = { 0 };
    uint32_t wait_s = 0;

    if (pending->request && problem->code == PROBLEM_UNAUTHORIZED)
        wait_s = http_note_stranger(pending->request);
    /* Of those that are slowed, and of many, only the log tells how many they are. */
    if (wait_s == 0 && access_may_audit_refusal(pending->api->rooms.access))
        pending_audit(pending,
                      &(struct deed){ .what = "login-refused", .detail = problem->detail });
    if (wait_s > 0) {
        char seconds[16];

        problem_set(&slowed, PROBLEM_TOO_OFTEN,
                    "Your address came too often with what is not known here; try again in %u s.",
                    wait_s);
        snprintf(seconds, sizeof seconds, "%u", wait_s);
        http_answer_header(pending->request, "Retry-After", seconds);
        problem = &slowed;
    }
    pending_problem(pending, problem);
}

static void on_logged_in(void *context, const struct access_login *login,
                         const struct problem *problem)
{
    struct pending *pending = context;

    if (problem) {
        refuse_login(pending, problem);
        return;
    }
    snprintf(pending->who, sizeof pending->who, "%s", login->identity.name);
    pending_audit(pending, &(struct deed){ .what = "logged-in" });
    if (pending->request) set_cookie(pending, login->secret, COOKIE_AGE_S);
    pending_json(pending, 201, session_value(pending->api, &login->identity, true));
}

static int read_token(struct text body, json_t **ret_object, struct text *ret,
                      struct problem *problem)
{
    const json_t *token;

    *ret_object = json_loadb(body.data ? body.data : "", body.size, JSON_REJECT_DUPLICATES, NULL);
    token = json_object_get(*ret_object, "token");
    if (!json_is_object(*ret_object))
        return problem_set(problem, PROBLEM_BAD_BODY,
                           "The body must be a JSON object with a 'token'.");
    if (!json_is_string(token) || json_object_size(*ret_object) != 1)
        return problem_set_field(problem, "token",
                                 "The body must have a 'token', and nothing else.");
    *ret = (struct text){ json_string_value(token), json_string_length(token) };
    return 0;
}

void on_log_in(struct api *api, struct http_request *request)
{
    OWN(json_freep) json_t *object = NULL;
    struct problem problem = { 0 };
    struct text token;

    if (read_token(http_body(request), &object, &token, &problem) < 0)
        answer_problem(request, &problem);
    else
        access_log_in(api->rooms.access, token, on_logged_in,
                      pending_new(api, request, sizeof(struct pending)));
}

static void on_logged_out(void *context, const struct problem *problem)
{
    struct pending *pending = context;

    if (problem) {
        pending_problem(pending, problem);
        return;
    }
    pending_audit(pending, &(struct deed){ .what = "logged-out" });
    if (pending->request) set_cookie(pending, "", 0);
    pending_json(pending, 200, json_object());
}

void on_log_out(struct api *api, struct http_request *request)
{
    access_log_out(api->rooms.access, &http_identity_of(request)->credential, on_logged_out,
                   pending_new(api, request, sizeof(struct pending)));
}
