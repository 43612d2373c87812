/* cmd_bundle.c - shoal export and shoal import: a version of an SLM in one file. */
#include "base/fs.h"
#include "cli/build_session.h"
#include "cli/cmd.h"
#include "cli/version_view.h"

#include <string.h>

enum { BUNDLE_MODE = 0644 };

/* Who has that version, and under which digest? */
static enum rc find_version(struct cli *cli, const struct ask_slm *slm, const char *ref,
                            struct digest *ret_digest, struct err *err)
{
    struct json *answer;
    struct ask question;
    enum rc rc;

    ask_begin(cli, &question);
    ask_text(&question, "slm", slm->name);
    ask_text(&question, "ref", ref);
    rc = ask(cli, slm->team, "show", &question, &answer, err);
    if (rc == RC_NOT_FOUND)
        cli_hint(cli, rc, "shoal list %s", cli->arguments[0]);
    if (rc)
        return rc;
    if (!digest_parse(version_view_text(json_find(answer, "version"), "version"), ret_digest))
        return err_set(err, RC_CORRUPT, "the answer names no version");
    return RC_OK;
}

static enum rc write_file(struct cli *cli, const struct ask_slm *slm, const struct digest *version,
                          struct buf *bytes, struct err *err)
{
    CLEANUP(artifact_store_closep) struct artifact_store *artifacts = NULL;
    const char *workspace, *path;
    enum rc rc = cli_workspace(cli, &workspace, err);

    if (rc)
        return rc;
    path = serve_team_path(workspace, slm->team, "artifacts", &cli->arena);
    if (!path)
        return arena_fail(&cli->arena, err, "path of the artifacts");
    rc = artifact_store_open(path, &artifacts, err);
    if (rc == RC_OK)
        rc = bundle_write(artifacts, version, bytes, err);
    if (rc == RC_OK)
        rc = fs_write_atomic(cli->arguments[1], bytes->at, bytes->len, BUNDLE_MODE, err);
    return rc;
}

enum rc cmd_export(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf bytes = { .limit = BUNDLE_BYTES_MAX }, out = { 0 };
    const char *ref = cli_option(cli, "version");
    struct digest version;
    struct ask_slm slm;
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    if (rc == RC_OK)
        rc = find_version(cli, &slm, ref ? ref : REGISTRY_PRODUCTION, &version, err);
    if (rc == RC_OK)
        rc = write_file(cli, &slm, &version, &bytes, err);
    if (rc)
        return rc;
    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    buf_printf(&out, "%s: version %.12s of %s, %zu bytes", cli->arguments[1], version.hex,
               cli->arguments[0], bytes.len);
    return cli_print(&out, err);
}

struct team_search {
    const char *wanted;
    bool is_found;
};

static enum rc is_team(struct cli *cli, const char *team, void *context, bool *ret_is_done,
                       struct err *err)
{
    struct team_search *search = context;

    (void)cli;
    (void)err;
    search->is_found = *ret_is_done = strcmp(team, search->wanted) == 0;
    return RC_OK;
}

/* What is not found is the base: the bundle says only which one it is. */
static enum rc hint_at_base(struct cli *cli, const struct bundle *bundle, enum rc rc)
{
    const struct bundle_part *base = bundle_find(bundle, &bundle->manifest.base);
    struct json *json = NULL;
    struct err ignored;

    if (rc != RC_NOT_FOUND || !base ||
        json_parse(base->bytes, JSON_DUPLICATES_REFUSED, &cli->arena, &json, &ignored))
        return rc;
    struct str name = version_view_text(json, "name");
    return cli_hint(cli, rc, "shoal pull %.*s", STR_ARG(name));
}

/* The team must be one of shoal.yaml before anything is stored for it. */
static enum rc check_team(struct cli *cli, const char *team, struct err *err)
{
    struct team_search search = { .wanted = team };
    enum rc rc = ask_each_team(cli, is_team, &search, err);

    if (rc || search.is_found)
        return rc;
    cli_hint(cli, RC_OK, "--team=TEAM says whose it is to be");
    return err_set(err, RC_NOT_FOUND, "there is no team '%s'", team);
}

static enum rc import(struct cli *cli, const struct bundle *bundle, struct err *err)
{
    CLEANUP(build_session_close) struct build_session session = { 0 };
    const char *team = cli_option(cli, "team");
    const struct ask_slm slm = { team ? team : bundle->manifest.team, bundle->manifest.slm };
    struct build_result result = { 0 };
    enum rc rc = check_team(cli, slm.team, err);

    if (rc == RC_OK)
        rc = build_session_open(cli, &slm, &session, err);
    if (rc)
        return rc;
    rc = build_import(&session.options, bundle, &cli->arena, &result, err);
    progress_end(&session.progress);
    if (rc == RC_CANCELLED)
        cli_hint(cli, rc, "the same command goes on from here");
    if (rc)
        return hint_at_base(cli, bundle, rc);
    return build_session_print(cli, &session, &result, err);
}

enum rc cmd_import(struct cli *cli, struct err *err)
{
    struct bundle *bundle = arena_new(&cli->arena, struct bundle);
    struct fs_map map = { 0 };

    if (!bundle)
        return arena_fail(&cli->arena, err, "bundle");
    enum rc rc = fs_map_open(cli->arguments[0], &map, err);
    if (rc)
        return rc;
    rc = bundle_read((struct str){ (const char *)map.at, map.len }, &cli->arena, bundle, err);
    if (rc)
        err_context(err, "'%.200s'", cli->arguments[0]);
    else
        rc = import(cli, bundle, err);
    fs_map_close(&map);
    return rc;
}
