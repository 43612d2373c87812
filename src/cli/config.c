#include "cli/config.h"

#include "base/fs.h"
#include "cli/config_paths.h"
#include "spec/workspace.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdint.h>
#include <unistd.h>

enum setting_type { SETTING_TEXT, SETTING_COUNT, SETTING_FLAG, SETTING_CHOICE };

enum { SETTING_COUNT_MAX = 256 };

struct setting {
    const char *name; /* the flag, without dashes */
    const char *variable;
    enum setting_type type;
    size_t offset;            /* in struct config */
    const char *value_name;   /* "FOLDER"; for a choice: the values, with '|' between them */
    const char *default_text; /* as the documentation names it */
    const char *help;
    bool has_no_flag; /* of the environment only: for tests, and secrets, which argv would show */
};

#define AT(field) offsetof(struct config, field)

static const struct setting settings[] = {
    { "workspace", "SHOAL_WORKSPACE", SETTING_TEXT, AT(workspace), "FOLDER",
      "the nearest folder upwards with a shoal.yaml", "folder of the workspace", false },
    { "home", "SHOAL_HOME", SETTING_TEXT, AT(home), "FOLDER", "~/.shoal",
      "where pulled bases are kept, for all workspaces", false },
    { "share", "SHOAL_SHARE", SETTING_TEXT, AT(share), "FOLDER",
      "../share/shoal beside the program, else share/ of the source",
      "what comes with the program: catalogue of bases, schemas", false },
    { "cpu", "SHOAL_CPU", SETTING_CHOICE, AT(cpu), "auto|scalar|avx2|avx512|vnni", "auto",
      "kernels to compute with; all give the same bytes", false },
    { "threads", "SHOAL_THREADS", SETTING_COUNT, AT(threads), "N", "one per core",
      "threads that compute, 1 to 256", false },
    { "key", "SHOAL_KEY", SETTING_TEXT, AT(key), "SECRET", "none: the OS user acts",
      "key of the principal that acts (no flag: argv is no place for secrets)", true },
    { "json", "SHOAL_JSON", SETTING_FLAG, AT(json), NULL, "off", "results as JSON", false },
    { "quiet", "SHOAL_QUIET", SETTING_FLAG, AT(quiet), NULL, "off", "no progress", false },
    { "allow-http", "SHOAL_ALLOW_HTTP", SETTING_FLAG, AT(allow_http), NULL, "off",
      "download over plain http from other hosts, too", false },
    { "log-level", "SHOAL_LOG_LEVEL", SETTING_CHOICE, AT(log_level), "debug|info|warning|error",
      "info", "least important line that a service logs", false },
    { "log-format", "SHOAL_LOG_FORMAT", SETTING_CHOICE, AT(log_format), "text|json", "text",
      "form of a service's log lines", false },
    { "failpoint", "SHOAL_FAILPOINT", SETTING_TEXT, AT(failpoint), "NAME=crash[@N]", "none",
      "tests: where to die or wait (builds with failpoints)", true },
    { "failpoint-log", "SHOAL_FAILPOINT_LOG", SETTING_TEXT, AT(failpoint_log), "FILE", "none",
      "tests: file that lists each failpoint passed", true },
};

_Static_assert(ARRAY_LEN(settings) <= CONFIG_SETTINGS_MAX, "a source per row");

static void *field_of(struct config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

static bool is_choice(const char *choices, const char *value)
{
    for (const char *at = choices; *at;) {
        size_t len = strcspn(at, "|");

        if (str_equal((struct str){ at, len }, str_of(value)))
            return true;
        at += len + (at[len] == '|');
    }
    return false;
}

static enum rc set_count(size_t *field, const char *name, const char *value, struct err *err)
{
    size_t n = 0;

    for (const char *c = value; *c; c++) {
        if (*c < '0' || *c > '9' || n > SETTING_COUNT_MAX)
            return err_set(err, RC_INVALID, "%s '%s': expected a number from 1 to %d", name, value,
                           SETTING_COUNT_MAX);
        n = n * 10 + (size_t)(*c - '0');
    }
    if (n < 1 || n > SETTING_COUNT_MAX)
        return err_set(err, RC_INVALID, "%s '%s': expected a number from 1 to %d", name, value,
                       SETTING_COUNT_MAX);

    *field = n;
    return RC_OK;
}

static enum rc set_text(const char **field, const char *name, const char *value,
                        struct arena *arena, struct err *err)
{
    if (value[0] == '\0')
        return err_set(err, RC_INVALID, "%s is empty", name);

    char *copy = arena_strndup(arena, value, strlen(value));
    if (!copy)
        return arena_fail(arena, err, name);

    *field = copy;
    return RC_OK;
}

/* name is what the user wrote: the flag or the variable. */
static enum rc set(struct config *config, const struct setting *setting, const char *name,
                   const char *value, struct arena *arena, struct err *err)
{
    switch (setting->type) {
    case SETTING_CHOICE:
        if (!is_choice(setting->value_name, value))
            return err_set(err, RC_INVALID, "%s '%s': expected %s", name, value,
                           setting->value_name);
        return set_text(field_of(config, setting), name, value, arena, err);
    case SETTING_TEXT: return set_text(field_of(config, setting), name, value, arena, err);
    case SETTING_COUNT: return set_count(field_of(config, setting), name, value, err);
    case SETTING_FLAG:
        if (value && !is_choice("0|1", value))
            return err_set(err, RC_INVALID, "%s '%s': expected 0 or 1", name, value);
        *(bool *)field_of(config, setting) = !value || value[0] == '1';
        return RC_OK;
    }
    assert_fail("type is an enum setting_type", __FILE__, __LINE__);
}

static enum rc default_home(struct arena *arena, const char **ret_home, struct err *err)
{
    const char *home = getenv("HOME");

    if (!home || home[0] != '/') {
        const struct passwd *user = getpwuid(getuid());

        home = user ? user->pw_dir : NULL;
    }
    if (!home)
        return err_set(err, RC_NOT_FOUND, "this user has no home folder: set SHOAL_HOME");

    *ret_home = fs_join(arena, home, ".shoal");
    return *ret_home ? RC_OK : arena_fail(arena, err, "path of the home folder");
}

/* An installed program has share/shoal beside its bin/; one that was just built has the source. */
static enum rc default_share(struct arena *arena, const char **ret_share, struct err *err)
{
    char program[FS_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *slash;

    *ret_share = CONFIG_SOURCE_SHARE;
    if (len <= 0)
        return RC_OK;
    program[len] = '\0';
    slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';

    const char *installed = fs_join(arena, program, CONFIG_INSTALLED_SHARE);
    const char *catalogue = installed ? fs_join(arena, installed, "bases.yaml") : NULL;
    if (!catalogue)
        return arena_fail(arena, err, "path of the share folder");
    if (fs_exists(catalogue))
        *ret_share = installed;
    return RC_OK;
}

enum rc config_init(struct arena *arena, struct config *ret_config, struct err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct config config = { .cpu = "auto",
                             .threads = cores < 1                   ? 1
                                        : cores > SETTING_COUNT_MAX ? SETTING_COUNT_MAX
                                                                    : (size_t)cores,
                             .log_level = "info",
                             .log_format = "text" };
    enum rc rc = default_share(arena, &config.share, err);

    if (rc)
        return rc;

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const char *value = getenv(settings[i].variable);

        if (!value || value[0] == '\0')
            continue;
        rc = set(&config, &settings[i], settings[i].variable, value, arena, err);
        if (rc)
            return rc;
        config.sources[i] = CONFIG_ENVIRONMENT;
    }

    *ret_config = config;
    return RC_OK;
}

int config_find(struct str flag)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (!settings[i].has_no_flag && str_is(flag, settings[i].name))
            return (int)i;
    return -1;
}

bool config_takes_value(int row)
{
    return settings[row].type != SETTING_FLAG;
}

enum rc config_set(struct config *config, int row, const char *value, struct arena *arena,
                   struct err *err)
{
    char name[64] = "--";

    strncat(name, settings[row].name, sizeof(name) - 3);

    enum rc rc = set(config, &settings[row], name, value, arena, err);
    if (rc)
        return rc;
    config->sources[row] = CONFIG_FLAG;
    return RC_OK;
}

enum rc config_finish(struct config *config, struct arena *arena, struct err *err)
{
    char folder[FS_PATH_MAX];
    enum rc rc = RC_OK;

    if (!config->home)
        rc = default_home(arena, &config->home, err);
    if (rc || config->workspace)
        return rc;
    if (!getcwd(folder, sizeof(folder)))
        return err_set(err, RC_IO, "current folder: %s", strerror(errno));
    rc = spec_workspace_find(folder, arena, &config->workspace, err);
    return rc == RC_NOT_FOUND ? RC_OK : rc; /* an error only for the commands that need one */
}

struct log config_log(const struct config *config)
{
    struct log log = { .clock = clock_system(), .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO };

    for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++)
        if (strcmp(config->log_level, log_level_name((enum log_level)level)) == 0)
            log.level = (enum log_level)level;
    if (strcmp(config->log_format, "json") == 0)
        log.format = LOG_FORMAT_JSON;
    return log;
}

const char *config_flag_name(size_t row)
{
    if (row >= ARRAY_LEN(settings))
        return NULL;
    return settings[row].has_no_flag ? "" : settings[row].name;
}

void config_append_flags(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct setting *s = &settings[i];
        char flag[96] = "--";

        if (s->has_no_flag)
            continue;
        strncat(flag, s->name, sizeof(flag) - strlen(flag) - 1);
        if (s->value_name) {
            strncat(flag, "=", sizeof(flag) - strlen(flag) - 1);
            strncat(flag, s->type == SETTING_CHOICE ? "WORD" : s->value_name,
                    sizeof(flag) - strlen(flag) - 1);
        }
        buf_printf(out, "  %-26s %s", flag, s->help);
        if (s->type == SETTING_CHOICE)
            buf_printf(out, " (%s)", s->value_name);
        buf_append_char(out, '\n');
    }
}

static void append_value(const struct config *config, const struct setting *setting,
                         struct buf *out)
{
    const void *field = (const char *)config + setting->offset;

    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_CHOICE: {
        const char *text = *(const char *const *)field;

        if (text && setting->offset == AT(key))
            text = "(set)"; /* a secret is not shown */
        buf_append_text(out, text ? text : "-");
        return;
    }
    case SETTING_COUNT: buf_printf(out, "%zu", *(const size_t *)field); return;
    case SETTING_FLAG: buf_append_text(out, *(const bool *)field ? "on" : "off"); return;
    }
    assert_fail("type is an enum setting_type", __FILE__, __LINE__);
}

static const char *source_name(enum config_source source)
{
    switch (source) {
    case CONFIG_DEFAULT: return "default";
    case CONFIG_ENVIRONMENT: return "environment";
    case CONFIG_FLAG: return "flag";
    }
    assert_fail("source is an enum config_source", __FILE__, __LINE__);
}

void config_append_values(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        char line[FS_PATH_MAX];
        struct buf value;

        if (settings[i].has_no_flag && config->sources[i] == CONFIG_DEFAULT)
            continue;
        buf_init(&value, sizeof(line));
        append_value(config, &settings[i], &value);
        buf_printf(out, "%-11s %-40s %s\n", settings[i].name, value.at ? value.at : "",
                   source_name(config->sources[i]));
        buf_release(&value);
    }
}

void config_append_json(const struct config *config, struct json_writer *out)
{
    json_begin_array(out);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct buf value;

        if (settings[i].has_no_flag && config->sources[i] == CONFIG_DEFAULT)
            continue;
        buf_init(&value, FS_PATH_MAX);
        append_value(config, &settings[i], &value);
        json_begin_object(out);
        json_key(out, "name");
        json_text(out, settings[i].name);
        json_key(out, "value");
        json_string(out, buf_str(&value));
        json_key(out, "source");
        json_text(out, source_name(config->sources[i]));
        json_end_object(out);
        buf_release(&value);
    }
    json_end_array(out);
}

void config_append_markdown(struct buf *out)
{
    buf_append_text(out,
                    "| flag | environment | default | what it is |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct setting *s = &settings[i];

        buf_append_text(out, "| ");
        if (!s->has_no_flag)
            buf_printf(out, "`--%s%s%s`", s->name, s->value_name ? "=" : "",
                       !s->value_name              ? ""
                       : s->type == SETTING_CHOICE ? "WORD"
                                                   : s->value_name);
        buf_printf(out, " | `%s` | %s | %s", s->variable, s->default_text, s->help);
        if (s->type == SETTING_CHOICE) {
            buf_append_text(out, ": ");
            for (const char *c = s->value_name; *c; c++)
                buf_append_text(out, *c == '|' ? ", " : (char[]){ *c, '\0' });
        }
        buf_append_text(out, " |\n");
    }
}
