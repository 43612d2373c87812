#include "cli/shut_in.h"

#include "base/fs.h"
#include "swarm/fence.h"

/* Names of users and hosts, time zones, processors, certificates. */
static const char *const system_files[] = {
    "/usr",
    "/lib",
    "/lib64",
    "/etc/passwd",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/dev/null",
    "/dev/urandom",
    "/sys/devices/system/cpu",
};

enum rc shut_in(struct cli *cli, const struct serve_team_config *team, const char *const *more,
                size_t n, struct err *err)
{
    const char *folder = serve_team_path(team->workspace, team->team, "", &cli->arena);
    const char **readable = arena_array(&cli->arena, const char *, ARRAY_LEN(system_files) + n + 1);
    size_t n_readable = 0;

    if (!cli_option(cli, "fence"))
        return RC_OK;
    if (!folder || !readable)
        return arena_fail(&cli->arena, err, "paths of the fence");
    for (size_t i = 0; i < ARRAY_LEN(system_files); i++)
        readable[n_readable++] = system_files[i];
    for (size_t i = 0; i < n; i++)
        readable[n_readable++] = more[i];
    readable[n_readable++] = team->home;
    enum rc rc = fs_make_dirs(folder, err);
    if (rc)
        return rc;
    struct fence fence = { &folder, 1, readable, n_readable };
    return fence_enter(&fence, err);
}

enum rc shut_in_seal(struct cli *cli, bool may_call, struct err *err)
{
    return cli_option(cli, "fence") ? fence_seal(may_call, err) : RC_OK;
}
