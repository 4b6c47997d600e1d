/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h: what the probe was told: options first, then the environment, then defaults.
 *
 *     struct settings settings;
 *     rc = settings_read(options, &settings, why, sizeof why);     -EINVAL with a sentence
 *
 *     STAKEOUT=off            nothing is started
 *     STAKEOUT_APPLICATION    default: the program's name
 *     STAKEOUT_SERVER         default: http://127.0.0.1:7411
 *     STAKEOUT_TOKEN          default: none
 *     STAKEOUT_CA             for https, who may sign the server's certificate (a file, PEM);
 *                             default: who the system trusts
 *     STAKEOUT_CERT           a certificate to show, where the server asks for one; default: none
 *     STAKEOUT_KEY            its key; default: in the same file
 *     STAKEOUT_INSTANCE       default: host name ":" pid
 *     STAKEOUT_SIGNAL         a name or a number; default: SIGURG
 *     STAKEOUT_ENGINE         how stacks of running threads are had: "signal", the default; "perf":
 *                             by perf_event_open, where that is allowed and works; "auto": the
 *                             same, where it also sees the kernel
 *     STAKEOUT_STATISTICS     "off": only calls of watched interfaces are kept
 *     STAKEOUT_COMPLETE_WRITES "off": a write that our signal cut short stays short
 *     STAKEOUT_BUDGET_CORE    in percent of a core; 0 or "off": no bound; default: 1
 *     STAKEOUT_BUDGET_THREAD  in percent of any one thread's time, likewise; default: 0.5
 *     STAKEOUT_LOG            "stderr" or a file: where it connects, and why not
 *
 * A value, not a reference: nothing in it points to the host's memory. Set-user-id programs do
 * not listen to the environment. Threads: the one that calls stakeout_start(). */
#ifndef STAKEOUT_PROBE_AGENT_LINK_SETTINGS_H
#define STAKEOUT_PROBE_AGENT_LINK_SETTINGS_H

#include "common/model/limits.h"
#include "probe/agent/engine/sampler.h"
#include "probe/agent/link/http_client.h"

#include <limits.h>

struct stakeout_options;

enum { SETTINGS_PATH_SIZE = 1024 };

struct settings {
    bool is_off;
    bool is_statistics_off;
    bool leaves_short_writes; /* STAKEOUT_COMPLETE_WRITES=off; on without it */
    bool is_instance_default; /* a forked child makes its own */
    int signal_number;
    enum sampler_engine engine;
    uint32_t budget_core_ppm, budget_thread_ppm; /* 0: the default; UINT32_MAX: no bound */
    char application[APPLICATION_SIZE_MAX + 1];
    char instance[INSTANCE_SIZE_MAX + 1];
    char token[HTTP_TOKEN_SIZE_MAX + 1];  /* "": none */
    char log[PATH_MAX];                   /* "": silent */
    char ca[SETTINGS_PATH_SIZE];          /* for https, PEM; "": who the system trusts */
    char certificate[SETTINGS_PATH_SIZE]; /* "": none is shown */
    char key[SETTINGS_PATH_SIZE];         /* "": in the same file */
    char server[HOST_NAME_SIZE_MAX + 32]; /* as given, for the log */
    struct http_target target;
};

/* STAKEOUT and STAKEOUT_LOG alone, without a system call: is_off and log. Returns as the next. */
int settings_read_switch(struct settings *ret, char *ret_why, size_t why_size);

/* The switches may also be 0, no or false, in any case; and on, 1, yes or true.
 *
 * Returns 0; or -EINVAL and one sentence that names the setting. `ret->log` is filled in any
 * case, so that the sentence can be written there. `options` may be NULL. */
int settings_read(const struct stakeout_options *options, struct settings *ret, char *ret_why,
                  size_t why_size);

/* In a forked child: the default instance names the pid. */
void settings_renew(struct settings *settings);

/* "SIGUSR2", "USR2" or "12", if it is a signal that a handler of ours may take: one whose default
 * action does not follow from a fault. Returns 0 or -EINVAL. */
int signal_parse(struct text text, int *ret);

#endif
