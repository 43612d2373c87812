#include "cli/up.h"

#include "base/fs.h"
#include "cli/ask.h"
#include "cli/home.h"
#include "cli/version_view.h"
#include "swarm/fence.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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

static enum rc add_team(struct cli *cli, const char *name, void *context, bool *ret_is_done,
                        struct err *err)
{
    struct up *up = context;
    struct up_team *team = &up->teams[up->n_teams];

    (void)ret_is_done;
    if (up->n_teams == SUPERVISOR_PROCESSES_MAX)
        return err_set(err, RC_LIMIT, "more than %d teams", SUPERVISOR_PROCESSES_MAX);
    team->name = name;
    team->user = ACCOUNT_OURS;
    team->folder = serve_team_path(up->workspace, name, "", &cli->arena);
    if (!team->folder)
        return arena_fail(&cli->arena, err, "folder of the team");
    up->n_teams++;
    return RC_OK;
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

/* The coordinator's key at a team, once: only its hash is kept by the team. */
static enum rc make_key(struct up *up, const char *team, struct err *err)
{
    const char *path = print(up, "%s/.shoal/keys/%s.key", up->workspace, team);
    struct json *answer;
    struct ask question;

    if (!path)
        return arena_fail(&up->cli->arena, err, "path of the key");
    if (fs_exists(path))
        return RC_OK;
    ask_begin(up->cli, &question);
    ask_text(&question, "name", "coordinator");
    json_key(&question.writer, "scopes");
    json_raw(&question.writer, STR("[\"flow\"]"));
    enum rc rc = ask(up->cli, team, "principal_create", &question, &answer, err);
    if (rc)
        return rc;
    struct str key = version_view_text(answer, "key");
    return fs_write_atomic(path, key.at, key.len, 0600, err);
}

/* ---- the boundary */

const char *up_boundary_text(enum up_boundary boundary)
{
    switch (boundary) {
    case UP_USERS: return "a user for each team";
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

static enum rc choose_users(struct up *up, struct err *err)
{
    const char *teams = print(up, "%s/.shoal/teams", up->workspace);
    const char *paths[] = { up->program, teams };
    uid_t taken[SUPERVISOR_PROCESSES_MAX];
    enum rc rc = RC_OK;

    if (!teams)
        return arena_fail(&up->cli->arena, err, "path of the teams");
    if (geteuid() != 0)
        return err_set(err, RC_UNSUPPORTED, "only root can give each team a user of its own");
    for (size_t i = 0; i < up->n_teams && !rc; i++) {
        rc = account_choose(up->teams[i].folder, taken, i, &taken[i], err);
        if (rc == RC_OK)
            rc = account_check(taken[i], paths, ARRAY_LEN(paths), err);
    }
    for (size_t i = 0; i < up->n_teams && !rc; i++)
        up->teams[i].user = taken[i];
    return rc ? rc : find_home(up, taken[0], err);
}

static enum rc choose_landlock(struct up *up, struct err *err)
{
    up->home = up->cli->config.home;
    return fence_check(err);
}

static enum rc choose_boundary(struct up *up, struct err *err)
{
    const char *wanted = cli_option(up->cli, "boundary");
    bool users = wanted && strcmp(wanted, "users") == 0;
    bool landlock = wanted && strcmp(wanted, "landlock") == 0;
    struct err no_users, no_landlock;

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
    enum rc rc = choose_landlock(up, &no_landlock);
    if (rc && landlock)
        *err = no_landlock;
    else if (rc)
        err_set(err, RC_UNSUPPORTED, "teams cannot be kept apart here: %.100s, and %.100s",
                no_users.message, no_landlock.message);
    return rc;
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

static enum rc plan_team(struct up *up, size_t i, const char *const *environment, struct err *err)
{
    unsigned port = up->port + (unsigned)i;
    enum rc rc = up->port ? RC_OK : find_port(&port, err);

    if (rc)
        return rc;

    const struct config *config = &up->cli->config;
    const struct up_team *team = &up->teams[i];
    size_t n_threads = config->threads / up->n_teams;
    const char *const arguments[] = {
        up->program,
        "serve",
        print(up, "--team=%s", team->name),
        print(up, "--workspace=%s", up->workspace),
        print(up, "--home=%s", up->home),
        print(up, "--host=%s", up->host),
        print(up, "--port=%u", port),
        print(up, "--threads=%zu", n_threads ? n_threads : 1),
        print(up, "--cpu=%s", config->cpu),
        print(up, "--log-level=%s", config->log_level),
        print(up, "--log-format=%s", config->log_format),
        up->boundary == UP_LANDLOCK ? "--fence" : NULL,
    };
    const char *log = print(up, "%s/.shoal/logs/%s.log", up->workspace, team->name);

    for (size_t k = 0; k < ARRAY_LEN(arguments); k++) {
        if (!arguments[k] && k + 1 < ARRAY_LEN(arguments))
            return arena_fail(&up->cli->arena, err, "arguments");
        up->arguments[i][k] = arguments[k];
    }
    up->processes[i] = (struct supervisor_process){ .name = team->name,
                                                    .arguments = up->arguments[i],
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
    for (size_t i = 0; i < up->n_teams && rc == RC_OK; i++)
        rc = make_key(up, up->teams[i].name, err);
    if (rc == RC_OK && geteuid() == 0)
        rc = hand_over(up, err);
    if (rc == RC_OK)
        rc = keep_environment(up, &environment, err);
    for (size_t i = 0; i < up->n_teams && rc == RC_OK; i++)
        rc = plan_team(up, i, environment, err);
    return rc;
}
