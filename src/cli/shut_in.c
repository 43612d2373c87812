#include "cli/shut_in.h"

#include "base/fs.h"

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

enum rc shut_in(struct cli *cli, const struct serve_team_config *team, const struct fence *more,
                struct err *err)
{
    const char *folder = serve_team_path(team->workspace, team->team, "", &cli->arena);
    size_t n = ARRAY_LEN(system_files) + more->n_readable + 1, n_readable = 0;
    const char **readable = arena_array(&cli->arena, const char *, n);

    if (!cli_option(cli, "fence"))
        return RC_OK;
    if (!folder || !readable)
        return arena_fail(&cli->arena, err, "paths of the fence");
    for (size_t i = 0; i < ARRAY_LEN(system_files); i++)
        readable[n_readable++] = system_files[i];
    for (size_t i = 0; i < more->n_readable; i++)
        readable[n_readable++] = more->readable[i];
    readable[n_readable++] = team->home;
    enum rc rc = fs_make_dirs(folder, err);
    if (rc)
        return rc;
    struct fence fence = { .writable = &folder,
                           .n_writable = 1,
                           .readable = readable,
                           .n_readable = n_readable,
                           .listable = more->listable,
                           .n_listable = more->n_listable };
    return fence_enter(&fence, err);
}

enum rc shut_in_seal(struct cli *cli, bool may_call, struct err *err)
{
    return cli_option(cli, "fence") ? fence_seal(may_call, err) : RC_OK;
}
