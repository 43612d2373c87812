/* cmd_build.c - shoal build: a version of an SLM, with progress; Ctrl-C stops it, to go on later.
 */
#include "base/fs.h"
#include "cli/build_session.h"
#include "cli/cmd.h"
#include "spec/workspace.h"

#include <stdio.h>

enum { FEEDBACK_BYTES_MAX = 512 << 20 };

static enum rc find_spec(struct cli *cli, const struct ask_slm *slm, const char **ret_path,
                         struct err *err)
{
    const char *workspace, *team, *name;
    enum rc rc = cli_workspace(cli, &workspace, err);

    if (rc)
        return rc;
    team = fs_join(&cli->arena, workspace, slm->team);
    name = team ? fs_join(&cli->arena, team, slm->name) : NULL;
    *ret_path = name ? fs_join(&cli->arena, name, "slm.yaml") : NULL;
    if (!*ret_path)
        return arena_fail(&cli->arena, err, "path of the spec");
    if (fs_exists(*ret_path))
        return RC_OK;
    cli_hint(cli, RC_OK, "expected it in %.200s", *ret_path);
    return err_set(err, RC_NOT_FOUND, "there is no SLM '%s'", cli->arguments[0]);
}

/* What people said about past decisions, as training rows. */
static enum rc read_feedback(struct cli *cli, const struct build_session *session,
                             struct str *ret_rows, struct err *err)
{
    char name[MANIFEST_NAME_MAX + sizeof(".feedback.jsonl")];
    const char *path;
    struct json *answer;
    struct ask question;
    enum rc rc = fs_make_dirs(session->options.builds_dir, err);

    if (rc)
        return rc;
    snprintf(name, sizeof(name), "%s.feedback.jsonl", session->options.slm);
    path = fs_join(&cli->arena, session->options.builds_dir, name);
    if (!path)
        return arena_fail(&cli->arena, err, "path of the feedback");
    ask_begin(cli, &question);
    ask_text(&question, "slm", session->options.slm);
    ask_text(&question, "path", path);
    rc = ask(cli, session->options.team, "feedback_export", &question, &answer, err);
    if (rc == RC_OK)
        rc = fs_read_file(path, FEEDBACK_BYTES_MAX, &cli->arena, ret_rows, err);
    return rc ? err_context(err, "feedback") : RC_OK;
}

/* What is wrong with the spec, each problem with its place. */
static void print_problems(const struct problems *problems)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    problem_append_text(&out, problems);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&out)));
}

static enum rc run(struct cli *cli, struct build_session *session, struct err *err)
{
    struct build_result result = { 0 };
    struct problems problems;
    enum rc rc;

    problem_init(&problems, &cli->arena);
    rc = build_run(&session->options, &cli->arena, &problems, &result, err);
    progress_end(&session->progress);
    if (rc && problems.n > 0)
        print_problems(&problems);
    if (rc == RC_CANCELLED)
        cli_hint(cli, rc, "shoal build %s goes on from here", cli->arguments[0]);
    return rc ? rc : build_session_print(cli, session, &result, err);
}

enum rc cmd_build(struct cli *cli, struct err *err)
{
    CLEANUP(build_session_close) struct build_session session = { 0 };
    const char *spec_path = NULL;
    struct ask_slm slm;
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    if (rc == RC_OK)
        rc = find_spec(cli, &slm, &spec_path, err);
    if (rc == RC_OK)
        rc = build_session_open(cli, &slm, &session, err);
    if (rc == RC_OK)
        rc = read_feedback(cli, &session, &session.options.feedback, err);
    if (rc)
        return rc;
    session.options.spec_path = spec_path;
    return run(cli, &session, err);
}
