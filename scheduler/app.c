/* SPDX-License-Identifier: Apache-2.0 */
/* app.c: builds the house and runs it.
 *
 * ONE THREAD. Everything in scheduler/ runs on the one event loop that is made here: handlers,
 * Redis' answers, timers. So nothing is locked, nothing is shared between threads, and nothing
 * may block or take long: work that could (reading debug information) has a process of its own
 * (scheduler/symbols), and long lists are worked off in turns. The event base is told so (NOLOCK).
 * Who adds a thread to this program changes its first rule.
 *
 * The rooms are built from the ground up (store, tasks and history, live and census, http, intake
 * and api), and know each other only by what they are given here: tasks tell `on_change`, which
 * wakes parked polls (live) and tells consoles (api).
 *
 * SIGHUP reads the settings again (reload.c). To a service manager we say when we are ready, are
 * reloading or stopping, and that the loop turns (notify.c); it may hand over the socket.
 *
 * THE END. SIGTERM and SIGINT close the door: who stands at it is let in, nobody after them; parked
 * polls are answered at once, streams end; when all are gone, or after DRAIN_MS_MAX, the rooms are
 * taken down, Redis last. What was acknowledged is on disk already; a second signal skips the
 * waiting. */
#include "scheduler/app.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "scheduler/access/access.h"
#include "scheduler/api/api.h"
#include "scheduler/certificate.h"
#include "scheduler/config.h"
#include "scheduler/console/console.h"
#include "scheduler/gauges.h"
#include "scheduler/history/history.h"
#include "scheduler/http/http.h"
#include "scheduler/intake/intake.h"
#include "scheduler/live/census.h"
#include "scheduler/live/live.h"
#include "scheduler/metrics/metrics.h"
#include "scheduler/notify.h"
#include "scheduler/readiness.h"
#include "scheduler/reload.h"
#include "scheduler/store/store.h"
#include "scheduler/symbols/symbols.h"
#include "scheduler/task/tasks.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,
    DRAIN_MS_MAX = 1500,
    DRAIN_LOOK_MS = 20,
    LOG_END_MS_MAX = 500,
    WHY_SIZE = 256
};

struct app {
    const struct config *config;
    struct event_base *base;
    struct store *store;
    struct access *access;
    struct tasks *tasks;
    struct history *history;
    struct live *live;
    struct census *census;
    struct symbols *symbols;
    struct metrics *metrics;
    struct loop_lag *loop_lag;
    struct http *http;
    struct intake *intake;
    struct api *api;
    struct gauges gauges;
    struct readiness readiness;
    struct reload reload;
    uint64_t watchdog_ns; /* how often the service manager wants to hear of us; 0: never */
    bool is_ready;
    struct event *on_term, *on_int, *on_hup, *watchdog_timer, *tasks_timer, *tick_timer,
        *drain_timer;
    uint64_t drain_end_ns; /* 0: not draining */
    int exit_code;
};

/* ------------------------------------------------------------------ what the rooms tell us */

static void on_change(void *context, const struct task *task, const struct sample_summary *sample)
{
    struct app *app = context;

    /* Another sample of an active task is no news to those who take them. */
    if (!sample || task->state != TASK_ACTIVE)
        intake_task_changed(app->intake, text_of(task->spec.application));
    api_task_changed(app->api, task, sample);
}

/* Told to parked polls at once. Also what another scheduler was told. */
static void on_settings(void *context, const struct application_settings *now)
{
    struct app *app = context;

    if (app->intake) intake_task_changed(app->intake, text_of(now->application));
}

/* One sentence for `systemctl status`. While tasks are not loaded it also asks for patience: Redis
 * may have much to read, or be somebody else's to bring up. */
static void tell_status(const struct app *app)
{
    const struct store_health *health = &app->readiness.health;

    if (!app->is_ready) {
        notify("EXTEND_TIMEOUT_USEC=30000000");
        notify_status("Waits for Redis. %s", health->says);
        return;
    }
    notify_status("%zu instances, %zu active tasks. %s", census_instance_count(app->census),
                  tasks_count(app->tasks, TASK_ACTIVE),
                  *health->says ? health->says : "All is well.");
}

static bool is_guarded(const struct app *app)
{
    return http_is_loopback(app->http) || !access_knows_tokens(app->access) ||
           access_has_tokens(app->access);
}

static void on_ready(void *context)
{
    struct app *app = context;

    readiness_look(&app->readiness);
    if (!is_guarded(app)) {
        log_event(LOG_ERROR, "to listen beyond loopback there must be tokens",
                  LOG_STRING("hint", "stakeoutd token create operator NAME"));
        app->exit_code = 1;
        event_base_loopbreak(app->base);
        return;
    }
    log_event(LOG_INFO, "ready");
    app->is_ready = true;
    notify("READY=1");
    tell_status(app);
}

static void on_given_up(void *context, const struct problem *problem)
{
    struct app *app = context;

    log_event(LOG_ERROR, "without Redis nothing can be done", LOG_STRING("why", problem->detail));
    app->exit_code = 1;
    event_base_loopbreak(app->base);
}

static void on_answer(void *context, const struct http_route *route, int status,
                      uint64_t elapsed_ns)
{
    struct app *app = context;
    const char *path = route ? route->path : "none";

    metrics_http(app->metrics, path, status, elapsed_ns);
    log_event(LOG_DEBUG, "request", LOG_STRING("route", path),
              LOG_NUMBER("status", (uint64_t)status), LOG_NUMBER("us", elapsed_ns / NS_PER_US));
}

/* ------------------------------------------------------------------ time */

static void timer_set(struct event *timer, uint32_t ms)
{
    event_add(timer,
              &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 });
}

static void on_tasks_timer(evutil_socket_t fd, short what, void *context)
{
    struct app *app = context;

    (void)fd;
    (void)what;
    timer_set(app->tasks_timer, tasks_tick(app->tasks));
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct app *app = context;
    uint64_t now_ns = clock_monotonic_ns();

    (void)fd;
    (void)what;
    timer_set(app->tick_timer, TICK_MS);
    readiness_look(&app->readiness);
    if (app->readiness.health.is_up)
        metrics_observe_ns(app->metrics, METRIC_REDIS_LATENCY, NULL,
                           app->readiness.health.latency_ns);
    intake_tick(app->intake, now_ns);
    api_tick(app->api, now_ns);
    tell_status(app);
    access_tick(app->access);
    log_flush(0);
}

/* From a timer of the loop: one that hangs is found out by its silence. */
static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
    struct app *app = context;

    (void)fd;
    (void)what;
    notify("WATCHDOG=1");
    timer_set(app->watchdog_timer, (uint32_t)ns_to_ms(app->watchdog_ns));
}

static void on_hangup(evutil_socket_t number, short what, void *context)
{
    struct app *app = context;
    bool is_done;

    (void)number;
    (void)what;
    notify_reloading();
    is_done = reload_settings(&app->reload);
    is_done = certificate_reload(app->http) && is_done;
    metrics_set(app->metrics, METRIC_RELOAD_DONE, NULL, NULL, is_done ? 1 : 0);
    if (app->is_ready) notify("READY=1");
}

/* ------------------------------------------------------------------ the end */

static void on_drain(evutil_socket_t fd, short what, void *context)
{
    struct app *app = context;

    (void)fd;
    (void)what;
    if (http_connection_count(app->http) == 0 || clock_monotonic_ns() > app->drain_end_ns)
        event_base_loopbreak(app->base);
    else
        timer_set(app->drain_timer, DRAIN_LOOK_MS);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    struct app *app = context;

    (void)what;
    if (app->drain_end_ns != 0) {
        event_base_loopbreak(app->base);
        return;
    }
    log_event(LOG_INFO, "stopping", LOG_STRING("signal", strsignal((int)number)));
    notify("STOPPING=1");
    app->drain_end_ns = clock_monotonic_ns() + ms_to_ns(DRAIN_MS_MAX);
    http_drain(app->http);
    live_wake_all(app->live);
    api_end_streams(app->api);
    timer_set(app->drain_timer, DRAIN_LOOK_MS);
}

/* ------------------------------------------------------------------ building */

/* Every event of this loop is added and deleted by us, no descriptor is watched twice by copies:
 * so changes may be gathered until the next wait, which saves a system call each. */
static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    CHECK(config);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    event_config_free(config);
    CHECK(base);
    return base;
}

static int build_store(struct app *app, struct problem *problem)
{
    struct store_options options = config_store(app->config);

    options.base = app->base;
    options.on_given_up = on_given_up;
    options.context = app;
    app->store = store_new(&options, problem);
    if (!app->store) return -1;
    app->access =
        access_new(&(struct access_options){ .store = app->store,
                                             .metrics = app->metrics,
                                             .rate = app->config->rate_limit,
                                             .audit_days = app->config->audit_days,
                                             .probe_rate = app->config->probe_rate_limit });
    return 0;
}

static int build_http(struct app *app, struct problem *problem)
{
    const struct config *config = app->config;
    const struct http_tls tls = { config->tls_cert, config->tls_key, config->tls_client_ca };
    int socket = notify_take_socket();
    struct http_options options = { .address = config->address,
                                    .socket = socket,
                                    .port = config->port,
                                    .tls = *config->tls_cert ? &tls : NULL,
                                    .is_plain_anywhere = config->insecure,
                                    .identify = access_identify,
                                    .has_tokens = access_has_tokens,
                                    .tokens_are_known = access_knows_tokens,
                                    .on_stranger = access_on_stranger,
                                    .pace = access_pace,
                                    .access = app->access,
                                    .public_hosts = app->config->public_host,
                                    .on_answer = on_answer,
                                    .context = app };
    char why[WHY_SIZE] = "";

    if (socket < 0)
        return problem_set(problem, PROBLEM_INTERNAL,
                           "The service manager hands over sockets "
                           "that are not one: a unit needs one ListenStream=.");
    if (http_start(app->base, &options, &app->http, why, sizeof why) == 0) return 0;
    return problem_set(problem, PROBLEM_INTERNAL, "%s", why);
}

/* Splits the setting in place of a copy; the symbols copy what they are given. */
static size_t split_urls(char *text, const char **ret)
{
    size_t count = 0;
    char *rest = NULL;

    for (char *url = strtok_r(text, " ", &rest); url && count < CONFIG_URLS_MAX;
         url = strtok_r(NULL, " ", &rest))
        ret[count++] = url;
    return count;
}

static int build_symbols(struct app *app, struct problem *problem)
{
    const struct config *config = app->config;
    char folder[CONFIG_TEXT_SIZE_MAX + sizeof "/symbols"], urls[CONFIG_TEXT_SIZE_MAX + 1];
    const char *servers[CONFIG_URLS_MAX];
    struct symbols_options options = { .program = "/proc/self/exe",
                                       .read_module_paths = config->read_module_paths,
                                       .debug_root = config->debug_dir,
                                       .store_folder = folder,
                                       .store_size_max = config->symbols_bytes,
                                       .upload_size_max = config->symbols_upload_bytes,
                                       .servers = servers };

    snprintf(folder, sizeof folder, "%s/symbols", config->state_dir);
    snprintf(urls, sizeof urls, "%s", config->debuginfod);
    options.server_count = split_urls(urls, servers);
    app->symbols = symbols_new(app->base, &options, problem);
    return app->symbols ? 0 : -1;
}

static void build_rooms(struct app *app)
{
    const struct config *config = app->config;
    struct tasks_options tasks = { .retention_days = config->retention_days,
                                   .retention_bytes = config->retention_bytes,
                                   .on_change = on_change,
                                   .on_settings = on_settings,
                                   .context = app };

    app->live = live_new(app->base);
    app->census = census_new();
    readiness_init(&app->readiness, app->store, app->access, app->loop_lag);
    app->tasks = tasks_new(app->store, &tasks, on_ready);
    app->history = history_new(app->store);
}

static void open_doors(struct app *app)
{
    struct api_options api = { .base = app->base,
                               .http = app->http,
                               .tasks = app->tasks,
                               .history = app->history,
                               .live = app->live,
                               .census = app->census,
                               .symbols = app->symbols,
                               .access = app->access,
                               .metrics = app->metrics,
                               .retention_days = app->config->retention_days,
                               .trace_url = app->config->trace_url,
                               .health = readiness_tell,
                               .context = &app->readiness };

    app->intake = intake_new(app->http, app->tasks, app->live, app->census, app->metrics);
    app->api = api_new(&api);
    console_open(app->http);
    app->gauges = (struct gauges){ .census = app->census,
                                   .http = app->http,
                                   .live = app->live,
                                   .store = app->store,
                                   .symbols = app->symbols,
                                   .tasks = app->tasks };
    metrics_collect(app->metrics, gauges_collect, &app->gauges);
}

static void build_events(struct app *app)
{
    app->on_term = evsignal_new(app->base, SIGTERM, on_signal, app);
    app->on_int = evsignal_new(app->base, SIGINT, on_signal, app);
    app->on_hup = evsignal_new(app->base, SIGHUP, on_hangup, app);
    app->watchdog_timer = evtimer_new(app->base, on_watchdog, app);
    app->tasks_timer = evtimer_new(app->base, on_tasks_timer, app);
    app->tick_timer = evtimer_new(app->base, on_tick, app);
    app->drain_timer = evtimer_new(app->base, on_drain, app);
    CHECK(app->on_hup && app->watchdog_timer);
    CHECK(app->on_term && app->on_int && app->tasks_timer && app->tick_timer && app->drain_timer);
    event_add(app->on_term, NULL);
    event_add(app->on_int, NULL);
    event_add(app->on_hup, NULL);
    app->watchdog_ns = notify_watchdog_ns();
    if (app->watchdog_ns > 0) timer_set(app->watchdog_timer, 0);
    timer_set(app->tick_timer, TICK_MS);
    timer_set(app->tasks_timer, 1);
}

static void announce(const struct app *app)
{
    const struct config *config = app->config;
    const char *address = http_address(app->http);
    const char *format = strchr(address, ':') ? "%s://[%s]:%u" : "%s://%s:%u";
    const char *scheme = http_is_tls(app->http) ? "https" : "http";
    OWN(mem_freep) char *state_dir = realpath(config->state_dir, NULL);
    char url[96];

    snprintf(url, sizeof url, format, scheme, address, http_port(app->http));
    log_event(LOG_INFO, "stakeoutd listens", LOG_STRING("url", url),
              LOG_STRING("version", STAKEOUT_VERSION),
              LOG_STRING("state", state_dir ? state_dir : config->state_dir),
              LOG_STRING("redis", *config->redis ? "given" : "private"),
              LOG_NUMBER("pid", (uint64_t)getpid()));
    certificate_look(app->http);
}

/* Every parked poll is a descriptor; the usual soft limit of 1024 is for programs that select(). */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_event(LOG_WARN, "the limit of descriptors stays as it is",
                  LOG_STRING("error", strerror(errno)));
}

static int build(struct app *app, struct problem *problem)
{
    app->base = make_base();
    app->metrics = metrics_new();
    metrics_set(app->metrics, METRIC_RELOAD_DONE, NULL, NULL, 1);
    app->loop_lag = loop_lag_start(app->base, app->metrics);
    if (build_store(app, problem) < 0) return -1;
    if (build_http(app, problem) < 0) return -1;
    if (build_symbols(app, problem) < 0) return -1;
    build_rooms(app);
    open_doors(app);
    build_events(app);
    return 0;
}

static void event_drop(struct event *event)
{
    if (event) event_free(event);
}

/* Whoever answers goes first; store and symbols answer what is under way as they go, so their
 * callers are still there then. */
static void take_down(struct app *app)
{
    event_drop(app->on_term);
    event_drop(app->on_int);
    event_drop(app->on_hup);
    event_drop(app->watchdog_timer);
    event_drop(app->tasks_timer);
    event_drop(app->tick_timer);
    event_drop(app->drain_timer);
    http_stop(app->http);
    store_free(app->store);
    access_free(app->access);
    symbols_free(app->symbols);
    api_free(app->api);
    history_free(app->history);
    tasks_free(app->tasks);
    intake_free(app->intake);
    census_free(app->census);
    live_free(app->live);
    loop_lag_stop(app->loop_lag);
    metrics_free(app->metrics);
    if (app->base) event_base_free(app->base);
}

int app_run(const struct config *config, struct config_origins *origins)
{
    struct app app = { .config = config };
    struct problem problem = { 0 };

    log_start(STDERR_FILENO, config->log_level);
    log_set_format(config->log_format);
    log_queue();
    reload_init(&app.reload, config, origins);
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    raise_descriptor_limit();
    if (config_make_state_dir(config, &problem) < 0 || build(&app, &problem) < 0) {
        log_event(LOG_ERROR, "cannot start", LOG_STRING("why", problem.detail));
        app.exit_code = 1;
    } else {
        announce(&app);
        event_base_dispatch(app.base);
    }
    take_down(&app);
    if (app.exit_code == 0) log_event(LOG_INFO, "stopped");
    log_flush(LOG_END_MS_MAX);
    return app.exit_code;
}
