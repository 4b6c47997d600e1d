/* SPDX-License-Identifier: Apache-2.0 */
/* config.c: one table, read four times: defaults, file, environment, flags; the later wins.
 *
 * A setting is a text until its row's reader has parsed it, wherever it came from: so it means
 * the same everywhere, and the sentence that refuses it differs only in where it stood. */
#include "scheduler/config.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "common/base/text.h"
#include "scheduler/store/redis_address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The worker opens no larger file. */
#define SYMBOLS_UPLOAD_BYTES_MAX ((uint64_t)4 << 30)
#define SYMBOLS_BYTES_MIN        ((uint64_t)1 << 20)

enum {
    LINE_SIZE = CONFIG_TEXT_SIZE_MAX + 100,
    DAYS_MAX = 3650,
    NAME_SIZE = 64,
    SHOWN_SIZE_MAX = 80 /* of a value in the sentence that refuses it */
};

/* ------------------------------------------------------------------ values by kind */

/* Where a value goes: the member that config.def names. */
struct place {
    struct config *config;
    void *member;
    struct problem *problem; /* of one who knows more than the row's words: ends the sentence */
};

/* Each returns 0 and fills the member, or -EINVAL. */
typedef int (*reader_fn)(const struct place *place, struct text value);

static bool is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, address, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* "127.0.0.1:7411" or "[::1]:7411" */
static int read_listen(const struct place *place, struct text value)
{
    const char *colon = value.size > 0 ? memrchr(value.data, ':', value.size) : NULL;
    struct text host, port;
    char address[sizeof place->config->address];
    uint64_t number;

    if (!colon) return -EINVAL;
    host = (struct text){ value.data, (size_t)(colon - value.data) };
    port = (struct text){ colon + 1, value.size - host.size - 1 };
    if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = (struct text){ host.data + 1, host.size - 2 };
    if (host.size >= sizeof address || text_to_u64(port, &number) < 0 || number > UINT16_MAX)
        return -EINVAL;
    snprintf(address, sizeof address, "%.*s", TEXT_ARGS(host));
    if (!is_loopback(address)) return -EINVAL;
    memcpy(place->member, address, sizeof address);
    place->config->port = (uint16_t)number;
    return 0;
}

static int read_text(const struct place *place, struct text value)
{
    char *to = place->member;

    if (value.size == 0 || value.size > CONFIG_TEXT_SIZE_MAX) return -EINVAL;
    if (memchr(value.data, '\0', value.size)) return -EINVAL;
    memcpy(to, value.data, value.size);
    to[value.size] = '\0';
    return 0;
}

static int read_redis(const struct place *place, struct text value)
{
    struct redis_address address;

    if (redis_address_parse(value, &address, place->problem) < 0) return -EINVAL;
    return read_text(place, value);
}

/* Up to CONFIG_URLS_MAX of http or https, with spaces between them. */
static int read_urls(const struct place *place, struct text value)
{
    struct text rest = value;
    size_t count = 0;

    while (rest.size > 0) {
        const char *blank = memchr(rest.data, ' ', rest.size);
        size_t size = blank ? (size_t)(blank - rest.data) : rest.size;
        struct text url = { rest.data, size };

        if (size > 0) {
            if (!text_starts_with(url, TEXT("http://")) && !text_starts_with(url, TEXT("https://")))
                return -EINVAL;
            if (++count > CONFIG_URLS_MAX) return -EINVAL;
        }
        rest =
            (struct text){ rest.data + size + (blank != NULL), rest.size - size - (blank != NULL) };
    }
    return count == 0 ? -EINVAL : read_text(place, value);
}

static int read_days(const struct place *place, struct text value)
{
    uint64_t days;

    if (text_to_u64(value, &days) < 0 || days < 1 || days > DAYS_MAX) return -EINVAL;
    *(uint32_t *)place->member = (uint32_t)days;
    return 0;
}

/* "500M": the units are powers of 1024. */
static int parse_bytes(struct text value, uint64_t *ret)
{
    static const char units[] = "KMG";
    const char *unit = value.size > 0 ? strchr(units, value.data[value.size - 1]) : NULL;
    unsigned shift = 0;
    uint64_t count;

    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        value.size--;
    }
    if (text_to_u64(value, &count) < 0 || count > UINT64_MAX >> shift) return -EINVAL;
    *ret = count << shift;
    return 0;
}

static int read_bytes_within(const struct place *place, struct text value, uint64_t least,
                             uint64_t most)
{
    uint64_t bytes;

    if (parse_bytes(value, &bytes) < 0 || bytes < least || bytes > most) return -EINVAL;
    *(uint64_t *)place->member = bytes;
    return 0;
}

static int read_bytes(const struct place *place, struct text value)
{
    return read_bytes_within(place, value, 0, UINT64_MAX);
}

static int read_store_bytes(const struct place *place, struct text value)
{
    return read_bytes_within(place, value, SYMBOLS_BYTES_MIN, UINT64_MAX);
}

static int read_upload_bytes(const struct place *place, struct text value)
{
    return read_bytes_within(place, value, 1, SYMBOLS_UPLOAD_BYTES_MAX);
}

static int read_flag(const struct place *place, struct text value)
{
    bool is_yes = text_is_equal(value, TEXT("yes"));

    if (!is_yes && !text_is_equal(value, TEXT("no"))) return -EINVAL;
    *(bool *)place->member = is_yes;
    return 0;
}

static int read_level(const struct place *place, struct text value)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };

    for (size_t i = 0; i < ARRAY_COUNT(levels); i++) {
        if (!text_is_equal(value, text_of(levels[i]))) continue;
        *(enum log_level *)place->member = (enum log_level)i;
        return 0;
    }
    return -EINVAL;
}

static const struct setting {
    const char *name;
    reader_fn read;
    size_t offset;
    const char *argument, *fallback, *accepts, *says;
} settings[] = {
#define SETTING(name, kind, member, argument, fallback, accepts, says) \
    { name, read_##kind, offsetof(struct config, member), argument, fallback, accepts, says },
#include "scheduler/config.def"
#undef SETTING
};

static const struct setting *setting_find(struct text name)
{
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        if (text_is_equal(text_of(settings[i].name), name)) return &settings[i];
    }
    return NULL;
}

/* As much of a value as may be repeated: nothing that cannot be shown, and no password of a URL. */
static struct text showable(struct text value)
{
    const char *at = value.size > 0 ? memrchr(value.data, '@', value.size) : NULL;

    if (value.size > SHOWN_SIZE_MAX || !text_is_printable(value)) return TEXT("...");
    if (!at || !memmem(value.data, value.size, "://", 3)) return value;
    return (struct text){ at, (size_t)(value.data + value.size - at) };
}

/* `where` is how the user wrote it: "--listen", "STAKEOUT_LISTEN", "FILE:3: listen". */
static int apply(const struct setting *setting, struct text value, const char *where,
                 struct config *config, struct problem *problem)
{
    struct problem why = { 0 };
    struct place place = { config, (char *)config + setting->offset, &why };
    struct text shown = showable(value);

    if (setting->read(&place, value) == 0) return 0;
    if (*why.detail)
        return problem_set_field(problem, setting->name, "%s is '%.*s'; %s.", where,
                                 TEXT_ARGS(shown), why.detail);
    return problem_set_field(problem, setting->name, "%s is '%.*s'; it must be %s.", where,
                             TEXT_ARGS(shown), setting->accepts);
}

/* ------------------------------------------------------------------ the four readings */

static void apply_defaults(struct config *config)
{
    struct problem problem = { 0 };

    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        if (*settings[i].fallback)
            CHECK(apply(&settings[i], text_of(settings[i].fallback), "the default", config,
                        &problem) == 0);
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
    struct config *config;
    struct problem *problem;
    char where[CONFIG_TEXT_SIZE_MAX + 16]; /* "FILE:LINE" */
    int line;
    int given_on[ARRAY_COUNT(settings)]; /* the line that gave this setting; 0: none yet */
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
    char place[sizeof reading->where + NAME_SIZE];
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
    return apply(setting, value, place, reading->config, reading->problem);
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

static int apply_file(const char *path, struct config *config, struct problem *problem)
{
    OWN(file_closep) FILE *file = fopen(path, "re");
    struct file_reading reading = { .config = config, .problem = problem };
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
static void environment_name(const char *name, char ret[NAME_SIZE])
{
    snprintf(ret, NAME_SIZE, "STAKEOUT_%s", name);
    for (char *at = ret; *at; at++) {
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    }
}

static int apply_environment(struct config *config, struct problem *problem)
{
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        char name[NAME_SIZE];
        const char *value;

        environment_name(settings[i].name, name);
        value = getenv(name);
        if (!value || !*value) continue;
        if (apply(&settings[i], text_of(value), name, config, problem) < 0) return -1;
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

static int apply_flag(const struct flag *flag, struct config *config, struct problem *problem)
{
    const struct setting *setting = setting_find(flag->name);
    char where[NAME_SIZE];

    if (text_is_equal(flag->name, TEXT("config")) && flag->value) return 0;
    if (text_is_equal(flag->name, TEXT("config")))
        return problem_set_field(problem, "config", "--config needs a value, the path of a file.");
    if (!setting)
        return problem_set(
            problem, PROBLEM_BAD_FIELD, "--%.*s is not an option; 'stakeoutd --help' lists them.",
            flag->name.size <= NAME_SIZE ? (int)flag->name.size : 0, flag->name.data);
    if (!flag->value)
        return problem_set_field(problem, setting->name, "--%s needs a value; it must be %s.",
                                 setting->name, setting->accepts);
    snprintf(where, sizeof where, "--%s", setting->name);
    return apply(setting, text_of(flag->value), where, config, problem);
}

static int apply_arguments(int argc, char **argv, struct config *config, struct problem *problem)
{
    for (int i = 1; i < argc;) {
        struct flag flag;

        if (strncmp(argv[i], "--", 2) != 0) {
            if (config->argument_count == CONFIG_ARGUMENTS_MAX)
                return problem_set(problem, PROBLEM_BAD_REQUEST, "There are too many arguments.");
            config->arguments[config->argument_count++] = argv[i++];
            continue;
        }
        flag = flag_at(argv + i, argc - i);
        if (apply_flag(&flag, config, problem) < 0) return -1;
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

/* ------------------------------------------------------------------ the door */

static bool is_asked(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], flag) == 0) return true;
    }
    return false;
}

enum config_outcome config_read(int argc, char **argv, struct config *ret, struct problem *problem)
{
    struct config config = { .port = 0 };
    const char *file = config_file(argc, argv);

    if (is_asked(argc, argv, "--help")) return CONFIG_HELP;
    if (is_asked(argc, argv, "--version")) return CONFIG_VERSION;
    apply_defaults(&config);
    if (file && apply_file(file, &config, problem) < 0) return CONFIG_REFUSED;
    if (apply_environment(&config, problem) < 0) return CONFIG_REFUSED;
    if (apply_arguments(argc, argv, &config, problem) < 0) return CONFIG_REFUSED;
    if (!*config.state_dir && default_state_dir(&config, problem) < 0) return CONFIG_REFUSED;
    *ret = config;
    return CONFIG_RUN;
}

static void print_setting(FILE *to, const struct setting *setting)
{
    char flag[NAME_SIZE];

    snprintf(flag, sizeof flag, "--%s %s", setting->name, setting->argument);
    fprintf(to, "  %-28s  %s", flag, setting->says);
    if (*setting->fallback) fprintf(to, " (%s)", setting->fallback);
    fputc('\n', to);
}

void config_print_help(FILE *to)
{
    fputs("Usage: stakeoutd [OPTION]...\n"
          "       stakeoutd token create viewer|operator|probe NAME [OPTION]...\n"
          "       stakeoutd token list [OPTION]...\n"
          "       stakeoutd token revoke NAME [OPTION]...\n\n"
          "The control service of stakeout: keeps tasks, tells probes, takes samples.\n\n",
          to);
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        print_setting(to, &settings[i]);
    }
    fputs(
        "  --config FILE                 read settings from lines 'name = value'\n"
        "  --help                        print this\n"
        "  --version                     print the version\n\n"
        "Each option may also be set in the environment (--log-level is STAKEOUT_LOG_LEVEL) or\n"
        "in the file; a flag wins over the environment, and that over the file. The state\n"
        "directory is $STATE_DIRECTORY, /var/lib/stakeout for root, or ~/.local/state/stakeout.\n",
        to);
}
