/* cmd_new.c - shoal new: a workspace, a team or an SLM to begin with, out of share/new/. */
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "registry/manifest.h"
#include "spec/workspace.h"

#include <stdio.h>
#include <string.h>

enum { SKELETON_BYTES_MAX = 1 << 20 };

static const char *join(struct cli *cli, const char *folder, const char *name)
{
    return folder && name ? fs_join(&cli->arena, folder, name) : NULL;
}

/* A file of share/new/ with NAME replaced, at a path where there is none. */
static enum rc write_skeleton(struct cli *cli, const char *skeleton, const char *name,
                              const char *path, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    const char *source = join(cli, join(cli, cli->config.share, "new"), skeleton);
    struct str left;

    if (!source || !path)
        return arena_fail(&cli->arena, err, "path of the skeleton");
    if (fs_exists(path))
        return err_set(err, RC_EXISTS, "'%.200s' is there already", path);
    enum rc rc = fs_read_file(source, SKELETON_BYTES_MAX, &cli->arena, &left, err);
    if (rc)
        return rc;
    buf_init(&text, SKELETON_BYTES_MAX);
    for (const char *at; (at = strstr(left.at, "NAME"));) {
        buf_append(&text, left.at, (size_t)(at - left.at));
        buf_append_text(&text, name);
        left = str_of(at + strlen("NAME"));
    }
    buf_append_str(&text, left);
    rc = buf_rc(&text, skeleton, err);
    return rc ? rc : fs_write_atomic(path, text.at, text.len, 0644, err);
}

static enum rc check_name(struct cli *cli, const char *name, struct err *err)
{
    if (!manifest_name_is_valid(str_of(name)))
        return cli_usage(cli, err, "'%.100s' is no name: lower-case letters, digits and '-'", name);
    return RC_OK;
}

/* What was made, and what to do next: before NAME after. */
static enum rc print_next(struct cli *cli, const char *made, const char *before, const char *name,
                          const char *after, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    buf_append_text(&out, made);
    enum rc rc = cli_print(&out, err);
    if (rc == RC_OK && !cli->config.quiet)
        fprintf(stderr, "Next: %s %s%s\n", before, name, after);
    return rc;
}

enum rc cmd_new_workspace(struct cli *cli, struct err *err)
{
    const char *name = cli->arguments[0];
    const char *path = join(cli, name, "shoal.yaml");
    enum rc rc = check_name(cli, name, err);

    if (rc == RC_OK)
        rc = fs_make_dirs(name, err);
    if (rc == RC_OK)
        rc = write_skeleton(cli, "shoal.yaml", name, path, err);
    return rc ? rc : print_next(cli, path, "cd", name, ", and shoal new team TEAM", err);
}

/* ---- a team: a line in shoal.yaml, whose other lines stay as they are */

/* Where the block of `teams:` ends: the first line behind it that is neither indented nor empty. */
static const char *end_of_block(const char *at)
{
    const char *end = at;

    while (*at == ' ' || *at == '\n' || *at == '#') {
        const char *line_end = strchr(at, '\n');
        bool is_empty = *at == '\n' || *at == '#';
        at = line_end ? line_end + 1 : at + strlen(at);
        if (!is_empty)
            end = at;
    }
    return end;
}

/* Appends the old text with the team in it; false: it has no `teams:` of its own line. */
static bool add_team(const char *old, const char *team, struct buf *text)
{
    const char *at = strncmp(old, "teams:", 6) == 0 ? old : strstr(old, "\nteams:");

    if (!at)
        return false;
    at += *at == '\n';
    const char *line_end = strchr(at, '\n');
    line_end = line_end ? line_end + 1 : at + strlen(at);
    bool is_empty = strncmp(at, "teams: {}", 9) == 0;
    const char *end = is_empty ? line_end : end_of_block(line_end);

    buf_append(text, old, (size_t)(at - old));
    buf_append_text(text, "teams:");
    if (is_empty)
        buf_append_char(text, '\n');
    else
        buf_append(text, at + 6, (size_t)(end - at) - 6);
    if (text->len && text->at[text->len - 1] != '\n')
        buf_append_char(text, '\n');
    buf_printf(text, "  %s:\n    description: what this team does\n", team);
    buf_append_text(text, end);
    return true;
}

static bool has_team(const struct spec_workspace *workspace, const char *team)
{
    for (size_t i = 0; i < workspace->n_teams; i++)
        if (str_is(workspace->teams[i].name.text, team))
            return true;
    return false;
}

/* The workspace as it is read now; RC_INVALID: it has errors. */
static enum rc read_workspace(struct cli *cli, struct spec_workspace **ret_workspace,
                              struct err *err)
{
    struct problems problems;
    const char *folder;
    enum rc rc = cli_workspace(cli, &folder, err);

    problem_init(&problems, &cli->arena);
    *ret_workspace = NULL;
    if (rc == RC_OK)
        rc = spec_workspace_read(folder, &cli->arena, ret_workspace, &problems, err);
    if (rc == RC_OK && !*ret_workspace) {
        cli_hint(cli, RC_OK, "shoal check shows them");
        return err_set(err, RC_INVALID, "%s/shoal.yaml has errors", folder);
    }
    return rc;
}

/* Writes the new text, and the old one again when the new one does not say what it should. */
static enum rc replace(struct cli *cli, const char *path, struct str old, struct str text,
                       const char *team, struct err *err)
{
    struct spec_workspace *workspace;
    enum rc rc = fs_write_atomic(path, text.at, text.len, 0644, err);

    if (rc)
        return rc;
    if (read_workspace(cli, &workspace, err) == RC_OK && has_team(workspace, team))
        return RC_OK;
    rc = fs_write_atomic(path, old.at, old.len, 0644, err);
    cli_hint(cli, RC_OK, "add it under 'teams:' by hand");
    return rc ? rc : err_set(err, RC_STATE, "%.150s is written in another way than ours", path);
}

enum rc cmd_new_team(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    const char *team = cli->arguments[0], *path;
    struct spec_workspace *workspace;
    struct str old;
    enum rc rc = check_name(cli, team, err);

    if (rc == RC_OK)
        rc = read_workspace(cli, &workspace, err);
    if (rc)
        return rc;
    if (has_team(workspace, team))
        return err_set(err, RC_EXISTS, "there is a team '%s' already", team);
    const char *folder = join(cli, workspace->dir, team);
    path = join(cli, workspace->dir, "shoal.yaml");
    if (!folder || !path)
        return arena_fail(&cli->arena, err, "path of the workspace");
    rc = fs_read_file(path, SKELETON_BYTES_MAX, &cli->arena, &old, err);
    if (rc)
        return rc;
    buf_init(&text, SKELETON_BYTES_MAX + FS_PATH_MAX);
    if (!add_team(old.at, team, &text)) {
        cli_hint(cli, RC_OK, "add it under 'teams:' by hand");
        return err_set(err, RC_STATE, "%.150s has no line 'teams:'", path);
    }
    rc = buf_rc(&text, "shoal.yaml", err);
    if (rc == RC_OK)
        rc = replace(cli, path, old, buf_str(&text), team, err);
    if (rc == RC_OK)
        rc = fs_make_dirs(folder, err);
    return rc ? rc : print_next(cli, path, "shoal new slm", team, "/SLM", err);
}

/* ---- an SLM */

enum rc cmd_new_slm(struct cli *cli, struct err *err)
{
    struct spec_workspace *workspace;
    struct ask_slm slm;
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    if (rc == RC_OK)
        rc = check_name(cli, slm.name, err);
    if (rc == RC_OK)
        rc = read_workspace(cli, &workspace, err);
    if (rc)
        return rc;
    if (!has_team(workspace, slm.team)) {
        cli_hint(cli, RC_OK, "shoal new team %s makes it", slm.team);
        return err_set(err, RC_NOT_FOUND, "there is no team '%s'", slm.team);
    }
    const char *folder = join(cli, join(cli, workspace->dir, slm.team), slm.name);
    const char *data = join(cli, folder, "data"), *spec = join(cli, folder, "slm.yaml");
    if (!data || !spec)
        return arena_fail(&cli->arena, err, "path of the SLM");
    if (fs_exists(spec))
        return err_set(err, RC_EXISTS, "there is an SLM '%s' already", cli->arguments[0]);
    rc = fs_make_dirs(data, err);
    if (rc == RC_OK)
        rc = write_skeleton(cli, "rows.jsonl", slm.name, join(cli, data, "rows.jsonl"), err);
    if (rc == RC_OK)
        rc = write_skeleton(cli, "slm.yaml", slm.name, spec, err);
    return rc ? rc
              : print_next(cli, spec, "edit it, shoal check, and shoal build", cli->arguments[0],
                           "", err);
}
