#include "cli/up.h"

#include "base/fs.h"
#include "cli/ask.h"
#include "cli/home.h"
#include "cli/version_view.h"
#include "serve/coordinator.h"
#include "spec/workspace.h"
#include "swarm/fence.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_BYTES_MAX = 4096, TEAMS_BYTES_MAX = 1 << 20 };

/* What the services may know of our environment. */
static const char *const kept_variables[] = { "PATH=",          "TZ=",           "LANG=",
                                              "LC_ALL=",        "ASAN_OPTIONS=", "UBSAN_OPTIONS=",
                                              "SHOAL_FAILPOINT" /* and ..._LOG */ };

static const char *print(struct up *up, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A text in the command's arena; NULL when it refuses. */
static const char *print(struct up *up, const char *fmt, ...)
{
    char text[FS_PATH_MAX];
    va_list ap;

    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return len < 0 || (size_t)len >= sizeof(text)
               ? NULL
               : arena_strndup(&up->cli->arena, text, (size_t)len);
}

/* ---- reading */

static enum rc add(struct up *up, const char *name, struct err *err)
{
    struct up_team *team = &up->teams[up->n_teams];

    if (up->n_teams == SUPERVISOR_PROCESSES_MAX)
        return err_set(err, RC_LIMIT, "more than %d teams", SUPERVISOR_PROCESSES_MAX);
    team->name = name;
    team->user = ACCOUNT_OURS;
    team->folder = serve_team_path(up->workspace, name, "", &up->cli->arena);
    if (!team->folder)
        return arena_fail(&up->cli->arena, err, "folder of the team");
    up->n_teams++;
    return RC_OK;
}

static enum rc add_team(struct cli *cli, const char *name, void *context, bool *ret_is_done,
                        struct err *err)
{
    (void)cli;
    (void)ret_is_done;
    return add(context, name, err);
}

/* Where there are flows. */
static enum rc add_coordinator(struct up *up, struct err *err)
{
    struct spec_workspace *workspace = NULL;
    const char *const *flows;
    struct problems problems;
    size_t n = 0;

    problem_init(&problems, &up->cli->arena);
    enum rc rc = spec_workspace_read(up->workspace, &up->cli->arena, &workspace, &problems, err);
    if (rc == RC_OK && workspace)
        rc = spec_workspace_flows(workspace, &up->cli->arena, &n, &flows, err);
    if (rc || n == 0)
        return rc;
    rc = add(up, SERVE_COORDINATOR, err);
    if (rc == RC_OK)
        up->teams[up->n_teams - 1].is_coordinator = true;
    return rc;
}

enum rc up_read(struct cli *cli, struct up *up, struct err *err)
{
    up->cli = cli;
    enum rc rc = cli_workspace(cli, &up->workspace, err);

    if (rc == RC_OK)
        rc = ask_each_team(cli, add_team, up, err);
    if (rc)
        return rc;
    if (up->n_teams == 0)
        return err_set(err, RC_INVALID, "shoal.yaml has no team");
    rc = add_coordinator(up, err);
    if (rc)
        return rc;
    up->lock = print(up, "%s/.shoal/up.lock", up->workspace);
    up->state = print(up, "%s/.shoal/up.json", up->workspace);
    up->log = print(up, "%s/.shoal/logs/up.log", up->workspace);
    return up->lock && up->state && up->log ? RC_OK : arena_fail(&cli->arena, err, "paths");
}

/* ---- folders and keys */

static enum rc make_folder(struct up *up, const char *name, mode_t mode, struct err *err)
{
    const char *path = print(up, "%s/.shoal/%s", up->workspace, name);

    if (!path)
        return arena_fail(&up->cli->arena, err, "folder");
    enum rc rc = fs_make_dirs(path, err);
    if (rc == RC_OK && chmod(path, mode) != 0)
        rc = err_set(err, RC_IO, "set the mode of '%.150s': %s", path, strerrordesc_np(errno));
    return rc;
}

static enum rc make_folders(struct up *up, struct err *err)
{
    enum rc rc = make_folder(up, "", 0755, err);

    if (rc == RC_OK)
        rc = make_folder(up, "teams", 0755, err);
    if (rc == RC_OK)
        rc = make_folder(up, "logs", 0700, err);
    if (rc == RC_OK)
        rc = make_folder(up, "keys", 0700, err);
    for (size_t i = 0; i < up->n_teams && rc == RC_OK; i++)
        rc = fs_make_dirs(up->teams[i].folder, err);
    return rc;
}

/* The coordinator's key at a team, made once: only its hash is kept by the team. */
static enum rc make_key(struct up *up, const char *team, struct str *ret_key, struct err *err)
{
    const char *path = print(up, "%s/.shoal/keys/%s.key", up->workspace, team);
    struct json *answer;
    struct ask question;

    if (!path)
        return arena_fail(&up->cli->arena, err, "path of the key");
    if (fs_exists(path))
        return fs_read_file(path, KEY_BYTES_MAX, &up->cli->arena, ret_key, err);
    ask_begin(up->cli, &question);
    ask_text(&question, "name", "coordinator");
    json_key(&question.writer, "scopes");
    json_raw(&question.writer, STR("[\"flow\"]"));
    enum rc rc = ask(up->cli, team, "principal_create", &question, &answer, err);
    if (rc)
        return rc;
    *ret_key = version_view_text(answer, "key");
    return fs_write_atomic(path, ret_key->at, ret_key->len, 0600, err);
}

/* A team that listens on every address is called on this machine's own. */
static const char *url_of(struct up *up, const struct up_team *team)
{
    bool is_any = strcmp(up->host, "0.0.0.0") == 0;

    return print(up, "http://%s:%u", is_any ? "127.0.0.1" : up->host, team->port);
}

static enum rc append_team(struct up *up, const struct up_team *team, struct json_writer *w,
                           struct err *err)
{
    struct str key;
    enum rc rc = make_key(up, team->name, &key, err);

    if (rc)
        return rc;
    json_key(w, team->name);
    json_begin_object(w);
    json_key(w, "url");
    json_text(w, url_of(up, team));
    json_key(w, "key");
    json_string(w, key);
    json_end_object(w);
    return RC_OK;
}

/* Where the coordinator finds the teams, with its key at each. */
static enum rc make_keys(struct up *up, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    const struct up_team *last = &up->teams[up->n_teams - 1];
    struct json_writer w;
    enum rc rc = RC_OK;

    buf_init(&text, TEAMS_BYTES_MAX);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    for (size_t i = 0; i < up->n_teams && rc == RC_OK; i++)
        if (!up->teams[i].is_coordinator)
            rc = append_team(up, &up->teams[i], &w, err);
    json_end_object(&w);
    if (rc == RC_OK)
        rc = buf_rc(&text, SERVE_COORDINATOR_TEAMS, err);
    if (rc || !last->is_coordinator)
        return rc;
    const char *path = print(up, "%s/" SERVE_COORDINATOR_TEAMS, last->folder);
    return path ? fs_write_atomic(path, text.at, text.len, 0600, err)
                : arena_fail(&up->cli->arena, err, "path of the teams");
}

/* ---- the boundary */

const char *up_boundary_text(const struct up *up)
{
    switch (up->boundary) {
    case UP_USERS: return up->has_landlock ? "a user for each, and Landlock" : "a user for each";
    case UP_LANDLOCK: return "Landlock";
    }
    assert_fail("boundary is an enum up_boundary", __FILE__, __LINE__);
}

/* The bases where the teams' users get to them. */
static enum rc find_home(struct up *up, uid_t user, struct err *err)
{
    const char *bases = print(up, "%s/bases", up->cli->config.home);
    struct err unreachable;

    up->home = up->cli->config.home;
    if (!bases)
        return arena_fail(&up->cli->arena, err, "path of the bases");
    if (!fs_exists(bases) || account_check(user, &bases, 1, &unreachable) != RC_DENIED)
        return RC_OK;
    up->home = print(up, "%s/.shoal/home", up->workspace);
    return up->home ? home_share(up->cli->config.home, up->home, &up->cli->arena, err)
                    : arena_fail(&up->cli->arena, err, "path of the bases");
}

/* Without Landlock a user reads what all may read: a team's rows in the workspace must not be. */
static enum rc check_sources(struct up *up, const uid_t *users, struct err *err)
{
    struct err unreachable;

    for (size_t i = 0; i < up->n_teams && !up->has_landlock; i++) {
        const char *rows = print(up, "%s/%s", up->workspace, up->teams[i].name);
        uid_t other = users[(i + 1) % up->n_teams];
        if (!rows)
            return arena_fail(&up->cli->arena, err, "folder of the team");
        if (fs_exists(rows) && account_check(other, &rows, 1, &unreachable) == RC_OK)
            return err_set(err, RC_UNSUPPORTED, "all may read '%.100s': chmod 700 it", rows);
    }
    return RC_OK;
}

static enum rc choose_users(struct up *up, struct err *err)
{
    const char *teams = print(up, "%s/.shoal/teams", up->workspace);
    const char *yaml = print(up, "%s/shoal.yaml", up->workspace);
    const char *paths[] = { up->program, teams, yaml };
    uid_t taken[SUPERVISOR_PROCESSES_MAX];
    enum rc rc = RC_OK;

    if (!teams || !yaml)
        return arena_fail(&up->cli->arena, err, "path of the teams");
    if (geteuid() != 0)
        return err_set(err, RC_UNSUPPORTED, "only root can give each team a user of its own");
    for (size_t i = 0; i < up->n_teams && !rc; i++) {
        rc = account_choose(up->teams[i].folder, taken, i, &taken[i], err);
        if (rc == RC_OK)
            rc = account_check(taken[i], paths, ARRAY_LEN(paths), err);
    }
    if (rc == RC_OK)
        rc = check_sources(up, taken, err);
    for (size_t i = 0; i < up->n_teams && !rc; i++)
        up->teams[i].user = taken[i];
    return rc ? rc : find_home(up, taken[0], err);
}

static enum rc choose_boundary(struct up *up, struct err *err)
{
    const char *wanted = cli_option(up->cli, "boundary");
    bool users = wanted && strcmp(wanted, "users") == 0;
    bool landlock = wanted && strcmp(wanted, "landlock") == 0;
    struct err no_users, no_landlock;
    enum rc landlock_rc = fence_check(&no_landlock);

    up->has_landlock = landlock_rc == RC_OK;
    if (wanted && !users && !landlock)
        return cli_usage(up->cli, err, "--boundary '%s': expected users or landlock", wanted);
    if (!landlock) {
        up->boundary = UP_USERS;
        enum rc rc = choose_users(up, &no_users);
        if (rc == RC_OK)
            return RC_OK;
        if (users || (rc != RC_UNSUPPORTED && rc != RC_DENIED)) {
            *err = no_users;
            return rc;
        }
    }
    up->boundary = UP_LANDLOCK;
    up->home = up->cli->config.home;
    if (landlock_rc && landlock)
        *err = no_landlock;
    else if (landlock_rc)
        err_set(err, RC_UNSUPPORTED, "teams cannot be kept apart here: %.100s, and %.100s",
                no_users.message, no_landlock.message);
    return landlock_rc;
}

static enum rc hand_over(struct up *up, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < up->n_teams && !rc; i++) {
        uid_t user = up->teams[i].user == ACCOUNT_OURS ? geteuid() : up->teams[i].user;
        rc = account_hand_over(up->teams[i].folder, user, err);
    }
    return rc;
}

/* ---- what is to run */

/* A port that nobody has now. That somebody takes it before our process does is as unlikely as the
 * system makes it, which gives them out in turn. */
static enum rc find_port(unsigned *ret_port, struct err *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool failed = fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
                  getsockname(fd, (struct sockaddr *)&address, &len) != 0;
    if (failed)
        err_set(err, RC_UNAVAILABLE, "no free port: %s", strerrordesc_np(errno));
    if (fd >= 0)
        close(fd);
    *ret_port = ntohs(address.sin_port);
    return failed ? RC_UNAVAILABLE : RC_OK;
}

static enum rc find_program(struct up *up, struct err *err)
{
    char path[FS_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path));

    if (len <= 0 || (size_t)len == sizeof(path))
        return err_set(err, RC_IO, "cannot find our own program: %s", strerrordesc_np(errno));
    up->program = arena_strndup(&up->cli->arena, path, (size_t)len);
    return up->program ? RC_OK : arena_fail(&up->cli->arena, err, "program");
}

static enum rc keep_environment(struct up *up, const char *const **ret_kept, struct err *err)
{
    size_t n = 0, n_kept = 0;

    while (environ[n])
        n++;
    const char **kept = arena_array(&up->cli->arena, const char *, n + 1);
    if (!kept)
        return arena_fail(&up->cli->arena, err, "environment");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ARRAY_LEN(kept_variables); k++)
            if (strncmp(environ[i], kept_variables[k], strlen(kept_variables[k])) == 0)
                kept[n_kept++] = environ[i];
    *ret_kept = kept;
    return RC_OK;
}

static enum rc choose_ports(struct up *up, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < up->n_teams && rc == RC_OK; i++) {
        up->teams[i].port = up->port + (unsigned)i;
        if (up->port == 0)
            rc = find_port(&up->teams[i].port, err);
    }
    return rc;
}

static enum rc plan_process(struct up *up, size_t i, const char *const *environment,
                            struct err *err)
{
    const struct config *config = &up->cli->config;
    const struct up_team *team = &up->teams[i];
    size_t n_threads = config->threads / up->n_teams, n = 0;
    const char **arguments = up->arguments[i];

    arguments[n++] = up->program;
    arguments[n++] = team->is_coordinator ? "coordinate" : "serve";
    if (!team->is_coordinator)
        arguments[n++] = print(up, "--team=%s", team->name);
    arguments[n++] = print(up, "--workspace=%s", up->workspace);
    arguments[n++] = print(up, "--home=%s", up->home);
    arguments[n++] = print(up, "--host=%s", up->host);
    arguments[n++] = print(up, "--port=%u", team->port);
    arguments[n++] = print(up, "--threads=%zu", n_threads ? n_threads : 1);
    arguments[n++] = print(up, "--cpu=%s", config->cpu);
    arguments[n++] = print(up, "--log-level=%s", config->log_level);
    arguments[n++] = print(up, "--log-format=%s", config->log_format);
    if (up->has_landlock)
        arguments[n++] = "--fence";

    const char *log = print(up, "%s/.shoal/logs/%s.log", up->workspace, team->name);
    for (size_t k = 0; k < n; k++)
        if (!arguments[k])
            return arena_fail(&up->cli->arena, err, "arguments");
    up->processes[i] = (struct supervisor_process){ .name = team->name,
                                                    .arguments = arguments,
                                                    .environment = environment,
                                                    .user = team->user,
                                                    .log = log };
    return log ? RC_OK : arena_fail(&up->cli->arena, err, "log");
}

enum rc up_prepare(struct up *up, struct err *err)
{
    const char *const *environment = NULL;
    enum rc rc = make_folders(up, err);

    if (rc == RC_OK)
        rc = find_program(up, err);
    if (rc == RC_OK)
        rc = choose_boundary(up, err);
    if (rc == RC_OK)
        rc = choose_ports(up, err);
    if (rc == RC_OK)
        rc = make_keys(up, err);
    if (rc == RC_OK && geteuid() == 0)
        rc = hand_over(up, err);
    if (rc == RC_OK)
        rc = keep_environment(up, &environment, err);
    for (size_t i = 0; i < up->n_teams && rc == RC_OK; i++)
        rc = plan_process(up, i, environment, err);
    return rc;
}
