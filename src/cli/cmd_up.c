/* cmd_up.c - shoal up: a service for each team, supervised; shoal down: none of them any more. */
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/up.h"
#include "cli/version_view.h"
#include "serve/coordinator.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PORT_FIRST = 8101,
    PORT_MAX = 65535,
    STATE_BYTES_MAX = 1 << 20,
    LOOK_EVERY_MS = 50,
    STARTS_MAX = 5, /* of one that never said its address: then, after 3 s, it is given up */
    LOG_SHOWN_MAX = 2000,
};

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* RC_OK: nothing runs; RC_BUSY: it does, or is being started. */
static enum rc check_lock(const struct up *up, struct err *err)
{
    struct fs_lock lock;
    enum rc rc = fs_lock_open(up->lock, &lock, err);

    if (rc == RC_OK)
        fs_lock_close(&lock);
    return rc;
}

/* ---- the supervisor's process */

static enum rc supervise(struct up *up, struct err *err)
{
    struct supervisor_config config = { .processes = up->processes,
                                        .n = up->n_teams,
                                        .state = up->state,
                                        .log = config_log(&up->cli->config),
                                        .stop_ms = SUPERVISOR_STOP_MS };
    struct fs_lock lock;
    enum rc rc = fs_lock_open(up->lock, &lock, err);

    if (rc)
        return rc;
    rc = supervisor_run(&config, err);
    fs_lock_close(&lock);
    return rc;
}

/* Leaves the terminal: what it would say goes to up.log. */
static _Noreturn void become_supervisor(struct up *up)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int log = open(up->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    struct err err;

    setsid();
    dup2(null, 0);
    dup2(null, 1);
    dup2(log, 2);
    enum rc rc = supervise(up, &err);
    if (rc)
        dprintf(2, "shoal: %s\n", err.message);
    _exit(rc ? CLI_STATUS_FAILED : 0);
}

/* ---- how they are */

static enum rc read_state(struct up *up, const struct json **ret_processes, struct err *err)
{
    struct arena *arena = &up->cli->arena;
    struct json *state;
    struct str text;
    enum rc rc = fs_read_file(up->state, STATE_BYTES_MAX, arena, &text, err);

    if (rc == RC_OK)
        rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &state, err);
    if (rc)
        return rc;
    *ret_processes = json_find(state, "processes");
    if (!*ret_processes || (*ret_processes)->type != JSON_ARRAY)
        return err_set(err, RC_CORRUPT, "'%.150s' is damaged", up->state);
    return RC_OK;
}

static int64_t number_of(const struct json *process, const char *name)
{
    const struct json *found = json_find(process, name);
    int64_t value = 0;

    return found && json_to_i64(found, &value) ? value : 0;
}

/* The last of what a process wrote. */
static void show_log(struct up *up, struct str name)
{
    CLEANUP(buf_releasep) struct buf path = { 0 };
    struct fs_map map;
    struct err ignored; /* nothing to show */

    buf_init(&path, FS_PATH_MAX - 1);
    buf_printf(&path, "%s/.shoal/logs/%.*s.log", up->workspace, STR_ARG(name));
    if (path.failed || fs_map_open(path.at, &map, &ignored))
        return;
    size_t len = map.len < LOG_SHOWN_MAX ? map.len : LOG_SHOWN_MAX;
    if (len)
        fprintf(stderr, "%.*s", (int)len, (const char *)map.at + map.len - len);
    fs_map_close(&map);
}

/* All run; RC_BUSY: not yet; RC_UNAVAILABLE: one will not. */
static enum rc look(struct up *up, struct err *err)
{
    const struct json *processes;

    if (read_state(up, &processes, err))
        return err_set(err, RC_BUSY, "no state yet");
    for (size_t i = 0; i < processes->n; i++) {
        const struct json *process = &processes->items[i];
        struct str name = version_view_text(process, "name");
        bool has_ended = str_is(version_view_text(process, "state"), "waiting");
        if (version_view_text(process, "address").len)
            continue;
        if (number_of(process, "starts") < STARTS_MAX || !has_ended)
            return err_set(err, RC_BUSY, "not all have said their address");
        show_log(up, name);
        return err_set(err, RC_UNAVAILABLE, "%.*s does not start: it %.*s", STR_ARG(name),
                       STR_ARG(version_view_text(process, "ended")));
    }
    return RC_OK;
}

static enum rc start(struct up *up, struct err *err)
{
    enum rc rc = fs_remove(up->state, err); /* of a supervisor that was killed */
    int status;

    if (rc)
        return rc;
    rc = RC_BUSY;
    fflush(stdout);
    pid_t supervisor = fork();
    if (supervisor == 0)
        become_supervisor(up);
    if (supervisor < 0)
        return err_set(err, RC_UNAVAILABLE, "the system gives no process");
    while (rc == RC_BUSY) {
        wait_ms(LOOK_EVERY_MS);
        if (waitpid(supervisor, &status, WNOHANG) == supervisor)
            return err_set(err, RC_UNAVAILABLE, "it ended at once; see %.150s", up->log);
        rc = look(up, err);
    }
    if (rc) {
        kill(supervisor, SIGTERM);
        waitpid(supervisor, &status, 0);
    }
    return rc;
}

/* ---- the table */

static enum rc append_production(struct up *up, const char *team, struct buf *out, struct err *err)
{
    struct json *answer;
    struct ask question;
    bool any = false;

    ask_begin(up->cli, &question);
    enum rc rc = ask(up->cli, team, "list", &question, &answer, err);
    if (rc)
        return rc;
    const struct json *aliases = json_find(answer, "aliases");
    for (size_t i = 0; aliases && i < aliases->n; i++) {
        const struct json *alias = &aliases->items[i];
        if (!str_is(version_view_text(alias, "alias"), "production"))
            continue;
        buf_printf(out, "%s%.*s @%lld", any ? ", " : "", STR_ARG(version_view_text(alias, "slm")),
                   (long long)number_of(alias, "number"));
        any = true;
    }
    if (!any)
        buf_append_text(out, "nothing yet: shoal build, shoal promote");
    return RC_OK;
}

static enum rc append_flows(struct up *up, struct buf *out, struct err *err)
{
    struct json *answer;
    enum rc rc = ask_coordinator(up->cli, "GET", "/v1/flows", (struct str){ 0 }, &answer, err);

    if (rc == RC_UNAVAILABLE) /* it is being started again */
        return RC_OK;
    if (rc)
        return rc;
    const struct json *flows = json_find(answer, "flows");
    for (size_t i = 0; flows && i < flows->n; i++)
        buf_printf(out, "%s%.*s%s",
                   i ? ", " : "flows: ", STR_ARG(version_view_text(&flows->items[i], "flow")),
                   version_view_text(&flows->items[i], "error").len ? " (has errors: shoal check)"
                                                                    : "");
    return RC_OK;
}

/* Teams, or the first flow, that came after the start. */
static void append_missing(const struct up *up, const struct json *processes, struct buf *out)
{
    for (size_t i = 0; i < up->n_teams; i++) {
        bool is_there = false;

        for (size_t k = 0; k < processes->n; k++)
            is_there = is_there ||
                       str_is(version_view_text(&processes->items[k], "name"), up->teams[i].name);
        if (!is_there)
            buf_printf(out, "%-16s %-28s %-8s %s\n", up->teams[i].name, "-", "-",
                       "new: shoal down, then shoal up");
    }
}

static enum rc append_row(struct up *up, const struct json *process, struct buf *out,
                          struct err *err)
{
    struct str name = version_view_text(process, "name");
    struct str address = version_view_text(process, "address");
    const char *team = arena_strndup(&up->cli->arena, name.at, name.len);

    if (!team)
        return arena_fail(&up->cli->arena, err, "team");
    buf_printf(out, "%-16s %-28.*s %-8.*s ", team, STR_ARG(address),
               STR_ARG(version_view_text(process, "state")));
    enum rc rc = strcmp(team, SERVE_COORDINATOR) == 0 ? append_flows(up, out, err)
                                                      : append_production(up, team, out, err);
    buf_append_char(out, '\n');
    return rc;
}

static enum rc print_table(struct up *up, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    const struct json *processes;
    enum rc rc = read_state(up, &processes, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc == RC_OK && up->cli->config.json)
        json_append(&out, processes);
    else if (rc == RC_OK)
        buf_printf(&out, "%-16s %-28s %-8s %s\n", "process", "address", "state", "in production");
    for (size_t i = 0; rc == RC_OK && !up->cli->config.json && i < processes->n; i++)
        rc = append_row(up, &processes->items[i], &out, err);
    if (rc == RC_OK && !up->cli->config.json)
        append_missing(up, processes, &out);
    return rc ? rc : cli_print(&out, err);
}

/* ---- commands */

static enum rc read_options(struct cli *cli, struct up *up, struct err *err)
{
    const char *host = cli_option(cli, "host"), *port = cli_option(cli, "port");
    char *end = NULL;

    up->host = host ? host : "127.0.0.1";
    unsigned long first = port ? strtoul(port, &end, 10) : PORT_FIRST;
    if (port && (end == port || *end || first > PORT_MAX - SUPERVISOR_PROCESSES_MAX))
        return cli_usage(cli, err, "--port '%s': expected 0 to %d", port,
                         PORT_MAX - SUPERVISOR_PROCESSES_MAX);
    up->port = (unsigned)first;
    return RC_OK;
}

enum rc cmd_up(struct cli *cli, struct err *err)
{
    struct up *up = arena_new(&cli->arena, struct up);
    enum rc rc = up ? read_options(cli, up, err) : arena_fail(&cli->arena, err, "up");

    if (rc == RC_OK)
        rc = up_read(cli, up, err);
    if (rc)
        return rc;
    rc = check_lock(up, err);
    if (rc == RC_BUSY) {
        if (!cli->config.quiet)
            fprintf(stderr, "It runs already; shoal down stops it.\n");
        return print_table(up, err);
    }
    if (rc == RC_OK || rc == RC_NOT_FOUND) /* not found: no .shoal yet */
        rc = up_prepare(up, err);
    if (rc == RC_OK)
        rc = start(up, err);
    if (rc)
        return rc;
    if (!cli->config.quiet)
        fprintf(stderr,
                "Teams are kept apart by %s. Logs are in .shoal/logs.\n"
                "A program asks with a key of its own: shoal key create NAME --team=%s\n",
                up_boundary_text(up), up->teams[0].name);
    return print_table(up, err);
}

/* The process that holds the lock; it cannot be another one while it does. */
static enum rc find_supervisor(struct up *up, pid_t *ret_pid, struct err *err)
{
    struct str text;
    enum rc rc = fs_read_file(up->lock, 64, &up->cli->arena, &text, err);

    if (rc)
        return rc;
    *ret_pid = (pid_t)strtol(text.at, NULL, 10);
    if (*ret_pid <= 1)
        return err_set(err, RC_CORRUPT, "'%.150s' names no process", up->lock);
    return RC_OK;
}

enum rc cmd_down(struct cli *cli, struct err *err)
{
    struct up *up = arena_new(&cli->arena, struct up);
    enum rc rc = up ? up_read(cli, up, err) : arena_fail(&cli->arena, err, "up");
    pid_t pid = 0;

    if (rc)
        return rc;
    rc = check_lock(up, err);
    if (rc == RC_OK || rc == RC_NOT_FOUND) {
        fprintf(stderr, "Nothing runs.\n");
        return RC_OK;
    }
    if (rc == RC_BUSY)
        rc = find_supervisor(up, &pid, err);
    if (rc)
        return rc;
    if (kill(pid, SIGTERM) != 0)
        return err_set(err, RC_DENIED, "process %d cannot be stopped by this user", (int)pid);
    while ((rc = check_lock(up, err)) == RC_BUSY)
        wait_ms(LOOK_EVERY_MS);
    return rc;
}
