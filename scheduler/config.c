/* SPDX-License-Identifier: Apache-2.0 */
/* config.c: the settings are read four times: defaults, file, environment, flags; the later wins.
 *
 * What a value means is setting.c's; here is where it may stand. */
#include "scheduler/config.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "common/base/text.h"
#include "scheduler/setting.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_FLAG "--check-config"

enum { LINE_SIZE = CONFIG_TEXT_SIZE_MAX + 100 };

/* What is being filled. */
struct reading {
    struct config *config;
    struct config_origins *origins; /* or NULL */
    struct problem *problem;
};

static char *copy_text(struct text text)
{
    char *copy = mem_alloc(text.size + 1);

    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

static void note_origin(struct config_origins *origins, size_t index, struct text value,
                        const char *place)
{
    if (!origins) return;
    free(origins->values[index]);
    free(origins->places[index]);
    origins->values[index] = copy_text(value);
    origins->places[index] = copy_text(text_of(place));
}

void config_origins_done(struct config_origins *origins)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        free(origins->values[i]);
        free(origins->places[i]);
    }
    *origins = (struct config_origins){ 0 };
}

/* `where` is how a sentence says it, `place` how a list does. */
static int apply(const struct reading *reading, const struct setting *setting, struct text value,
                 const char *where, const char *place)
{
    if (setting_apply(setting, value, where, reading->config, reading->problem) < 0) return -1;
    note_origin(reading->origins, (size_t)(setting - settings), value, place);
    return 0;
}

/* ------------------------------------------------------------------ the four readings */

static void apply_defaults(const struct reading *reading)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (*settings[i].fallback)
            CHECK(apply(reading, &settings[i], text_of(settings[i].fallback), "the default",
                        "default") == 0);
    }
}

static struct text trim(struct text text)
{
    while (text.size > 0 && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && isspace((unsigned char)text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

/* A file that is being read. */
struct file_reading {
    const struct reading *reading;
    struct problem *problem;
    char where[CONFIG_TEXT_SIZE_MAX + 16]; /* "FILE:LINE" */
    int line;
    int given_on[SETTING_COUNT]; /* the line that gave this setting; 0: none yet */
};

/* Of two lines that give one setting, one was not meant: nobody can know which. */
static int note_line(struct file_reading *reading, const struct setting *setting)
{
    int *given_on = &reading->given_on[setting - settings];

    if (*given_on != 0)
        return problem_set_field(reading->problem, setting->name,
                                 "%s: %s is given twice; line %d gave it already.", reading->where,
                                 setting->name, *given_on);
    *given_on = reading->line;
    return 0;
}

/* "name = value"; empty lines and lines that begin with '#' say nothing. */
static int apply_line(struct file_reading *reading, struct text line)
{
    char place[sizeof reading->where + SETTING_NAME_SIZE];
    const struct setting *setting;
    const char *equals;
    struct text name, value;

    line = trim(line);
    if (line.size == 0 || line.data[0] == '#') return 0;
    equals = memchr(line.data, '=', line.size);
    if (!equals)
        return problem_set(reading->problem, PROBLEM_BAD_FIELD,
                           "%s: a line must be 'name = value'.", reading->where);
    name = trim((struct text){ line.data, (size_t)(equals - line.data) });
    value = trim((struct text){ equals + 1, (size_t)(line.data + line.size - equals - 1) });
    setting = setting_find(name);
    if (!setting)
        return problem_set(reading->problem, PROBLEM_BAD_FIELD,
                           "%s: this is not a setting; 'stakeoutd --help' lists them.",
                           reading->where);
    if (note_line(reading, setting) < 0) return -1;
    snprintf(place, sizeof place, "%s: %s", reading->where, setting->name);
    return apply(reading->reading, setting, value, place, reading->where);
}

static void file_closep(FILE **file)
{
    if (*file) fclose(*file);
}

static int refuse_file(const char *path, struct problem *problem)
{
    return problem_set_field(problem, "config", "The file '%s' cannot be read: %s.", path,
                             strerror(errno));
}

static int apply_file(const char *path, const struct reading *whole)
{
    OWN(file_closep) FILE *file = fopen(path, "re");
    struct problem *problem = whole->problem;
    struct file_reading reading = { .reading = whole, .problem = problem };
    char line[LINE_SIZE];

    if (!file) return refuse_file(path, problem);
    while (fgets(line, sizeof line, file)) {
        snprintf(reading.where, sizeof reading.where, "%.*s:%d", CONFIG_TEXT_SIZE_MAX, path,
                 ++reading.line);
        if (!strchr(line, '\n') && !feof(file))
            return problem_set(problem, PROBLEM_BAD_FIELD, "%s: the line is too long.",
                               reading.where);
        if (apply_line(&reading, text_of(line)) < 0) return -1;
    }
    return ferror(file) ? refuse_file(path, problem) : 0; /* a directory opens, and reads not */
}

/* "retention-days" is STAKEOUT_RETENTION_DAYS there. */
static void environment_name(const char *name, char ret[SETTING_NAME_SIZE])
{
    snprintf(ret, SETTING_NAME_SIZE, "STAKEOUT_%s", name);
    for (char *at = ret; *at; at++) {
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    }
}

static int apply_environment(const struct reading *reading)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char name[SETTING_NAME_SIZE];
        const char *value;

        environment_name(settings[i].name, name);
        value = getenv(name);
        if (!value || !*value) continue;
        if (apply(reading, &settings[i], text_of(value), name, name) < 0) return -1;
    }
    return 0;
}

/* A flag of the command line: "--name VALUE" or "--name=VALUE". */
struct flag {
    struct text name;
    const char *value; /* NULL: it has none */
    int used;          /* how many words it took */
};

static struct flag flag_at(char **words, int left)
{
    const char *name = words[0] + strlen("--");
    const char *equals = strchr(name, '=');

    if (equals) return (struct flag){ { name, (size_t)(equals - name) }, equals + 1, 1 };
    return (struct flag){ text_of(name), left > 1 ? words[1] : NULL, 2 };
}

/* Everybody on the machine reads the command lines of all processes. */
static int refuse_secret(const struct setting *setting, struct problem *problem)
{
    char name[SETTING_NAME_SIZE];

    environment_name(setting->name, name);
    return problem_set_field(problem, setting->name,
                             "--%s holds a password, which everybody on this machine could read: "
                             "give it in %s, in the file of --config, or with "
                             "--redis-password-file.",
                             setting->name, name);
}

static int apply_flag(const struct flag *flag, const struct reading *reading)
{
    const struct setting *setting = setting_find(flag->name);
    struct problem *problem = reading->problem;
    char where[SETTING_NAME_SIZE];

    if (text_is_equal(flag->name, TEXT("config")) && flag->value) return 0;
    if (text_is_equal(flag->name, TEXT("config")))
        return problem_set_field(problem, "config", "--config needs a value, the path of a file.");
    if (!setting)
        return problem_set(
            problem, PROBLEM_BAD_FIELD, "--%.*s is not an option; 'stakeoutd --help' lists them.",
            flag->name.size <= SETTING_NAME_SIZE ? (int)flag->name.size : 0, flag->name.data);
    if (!flag->value)
        return problem_set_field(problem, setting->name, "--%s needs a value; it must be %s.",
                                 setting->name, setting->accepts);
    snprintf(where, sizeof where, "--%s", setting->name);
    if (apply(reading, setting, text_of(flag->value), where, where) < 0) return -1;
    return setting_holds_secret(setting, text_of(flag->value)) ? refuse_secret(setting, problem)
                                                               : 0;
}

/* Behind a command's first word, what is no setting is for the command to read. */
static bool is_of_command(const struct config *config, const char *word)
{
    struct text name = { word + strlen("--"), 0 };

    if (strncmp(word, "--", 2) != 0) return true;
    name.size = strcspn(name.data, "=");
    return config->argument_count > 0 && !setting_find(name) &&
           !text_is_equal(name, TEXT("config"));
}

/* "--insecure" alone is "--insecure yes". */
static struct flag as_switch(struct flag flag)
{
    const struct setting *setting = setting_find(flag.name);
    bool is_alone = !flag.value || (flag.used == 2 && strncmp(flag.value, "--", 2) == 0);

    if (!is_alone || !setting || strcmp(setting->argument, "yes|no") != 0) return flag;
    return (struct flag){ flag.name, "yes", 1 };
}

static int apply_arguments(int argc, char **argv, const struct reading *reading)
{
    struct config *config = reading->config;
    struct problem *problem = reading->problem;

    for (int i = 1; i < argc;) {
        struct flag flag;

        if (is_of_command(config, argv[i])) {
            if (config->argument_count == CONFIG_ARGUMENTS_MAX)
                return problem_set(problem, PROBLEM_BAD_REQUEST, "There are too many arguments.");
            config->arguments[config->argument_count++] = argv[i++];
            continue;
        }
        if (strcmp(argv[i], CHECK_FLAG) == 0) {
            i++;
            continue;
        }
        flag = as_switch(flag_at(argv + i, argc - i));
        if (apply_flag(&flag, reading) < 0) return -1;
        i += flag.used;
    }
    return 0;
}

/* Of --config FILE, or STAKEOUT_CONFIG; NULL: there is none. */
static const char *config_file(int argc, char **argv)
{
    const char *path = getenv("STAKEOUT_CONFIG");

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) path = argv[i + 1];
        if (strncmp(argv[i], "--config=", 9) == 0) path = argv[i] + 9;
    }
    return path && *path ? path : NULL;
}

/* ------------------------------------------------------------------ the state directory */

static int default_state_dir(struct config *config, struct problem *problem)
{
    const char *given = getenv("STATE_DIRECTORY"); /* systemd's, of StateDirectory= */
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    size_t size = sizeof config->state_dir;
    int used;

    if (given && *given)
        used = snprintf(config->state_dir, size, "%s", given);
    else if (geteuid() == 0)
        used = snprintf(config->state_dir, size, "/var/lib/stakeout");
    else if (xdg && *xdg)
        used = snprintf(config->state_dir, size, "%s/stakeout", xdg);
    else if (home && *home)
        used = snprintf(config->state_dir, size, "%s/.local/state/stakeout", home);
    else
        return problem_set_field(problem, "state-dir",
                                 "There is no home directory; --state-dir must say where "
                                 "everything is kept.");
    if (used >= (int)size)
        return problem_set_field(problem, "state-dir", "The state directory's path is too long.");
    return 0;
}

int config_make_state_dir(const struct config *config, struct problem *problem)
{
    char path[sizeof config->state_dir];

    snprintf(path, sizeof path, "%s", config->state_dir);
    for (char *at = path + 1;; at++) {
        char here = *at;

        if (here != '/' && here != '\0') continue;
        *at = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return problem_set_field(problem, "state-dir",
                                     "The state directory '%s' cannot be made: %s.",
                                     config->state_dir, strerror(errno));
        if (here == '\0') return 0;
        *at = '/';
    }
}

/* ------------------------------------------------------------------ what goes together */

static int check_certificate(const struct config *config, struct problem *problem)
{
    const char *alone = *config->tls_key         ? "tls-key"
                        : *config->tls_client_ca ? "tls-client-ca"
                                                 : NULL;

    if (*config->tls_cert || !alone) return 0;
    return problem_set_field(problem, alone, "%s says nothing without tls-cert, the certificate.",
                             alone);
}

/* ------------------------------------------------------------------ the door */

static bool is_asked(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], flag) == 0) return true;
    }
    return false;
}

/* Where the state directory lies by default depends on who runs it. */
static int settle_state_dir(const struct reading *reading)
{
    struct config *config = reading->config;

    if (*config->state_dir) return 0;
    if (default_state_dir(config, reading->problem) < 0) return -1;
    note_origin(reading->origins, (size_t)(setting_find(TEXT("state-dir")) - settings),
                text_of(config->state_dir), "default");
    return 0;
}

enum config_outcome config_read(int argc, char **argv, struct config *ret,
                                struct config_origins *origins, struct problem *problem)
{
    struct config config = { .word_count = argc, .words = argv };
    struct reading reading = { &config, origins, problem };
    const char *file = config_file(argc, argv);

    if (is_asked(argc, argv, "--help")) return CONFIG_HELP;
    if (is_asked(argc, argv, "--version")) return CONFIG_VERSION;
    apply_defaults(&reading);
    if (file && apply_file(file, &reading) < 0) return CONFIG_REFUSED;
    if (apply_environment(&reading) < 0) return CONFIG_REFUSED;
    if (apply_arguments(argc, argv, &reading) < 0) return CONFIG_REFUSED;
    if (check_certificate(&config, problem) < 0) return CONFIG_REFUSED;
    if (settle_state_dir(&reading) < 0) return CONFIG_REFUSED;
    *ret = config;
    return is_asked(argc, argv, CHECK_FLAG) ? CONFIG_CHECK : CONFIG_RUN;
}

static void print_setting(FILE *to, const struct setting *setting)
{
    char flag[SETTING_NAME_SIZE];

    snprintf(flag, sizeof flag, "--%s %s", setting->name, setting->argument);
    fprintf(to, "  %-28s  %s", flag, setting->says);
    if (*setting->fallback) fprintf(to, " (%s)", setting->fallback);
    fputc('\n', to);
}

void config_print_help(FILE *to)
{
    fputs("Usage: stakeoutd [OPTION]...\n"
          "       stakeoutd token create NAME --role viewer|operator|probe\n"
          "                              [--application A]... [--expires TIME] [OPTION]...\n"
          "       stakeoutd token list [OPTION]...\n"
          "       stakeoutd token rotate NAME [--grace TIME] [OPTION]...\n"
          "       stakeoutd token revoke NAME [OPTION]...\n"
          "       stakeoutd backup DIR [OPTION]...\n"
          "       stakeoutd restore DIR [OPTION]...\n\n"
          "The control service of stakeout: keeps tasks, tells probes, takes samples.\n\n",
          to);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        print_setting(to, &settings[i]);
    }
    fputs(
        "  --config FILE                 read settings from lines 'name = value'\n"
        "  --check-config                print what would be used, and whether it can be\n"
        "  --help                        print this\n"
        "  --version                     print the version\n\n"
        "Each option may also be set in the environment (--log-level is STAKEOUT_LOG_LEVEL) or\n"
        "in the file; a flag wins over the environment, and that over the file. The state\n"
        "directory is $STATE_DIRECTORY, /var/lib/stakeout for root, or ~/.local/state/stakeout.\n",
        to);
}

static const char *given(const char *value)
{
    return *value ? value : NULL;
}

struct store_options config_store(const struct config *config)
{
    return (struct store_options){
        .url = given(config->redis),
        .password_file = given(config->redis_password_file),
        .ca = given(config->redis_ca),
        .cert = given(config->redis_cert),
        .key = given(config->redis_key),
        .state_dir = config->state_dir,
        .redis_path = config->redis_server,
    };
}
