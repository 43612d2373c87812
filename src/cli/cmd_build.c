/* cmd_build.c - shoal build: a version of an SLM, with progress; Ctrl-C stops it, to go on later.
 */
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/compute.h"
#include "cli/home.h"
#include "cli/progress.h"
#include "cli/team_registry.h"
#include "spec/workspace.h"

#include <inttypes.h>
#include <math.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 16 << 20, FEEDBACK_BYTES_MAX = 512 << 20, NAME_MAX_BYTES = 64 };

static volatile sig_atomic_t interrupted; /* a second Ctrl-C kills, as always */

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static void watch_interrupt(void)
{
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool show_progress(void *context, const struct build_progress *p)
{
    struct progress *progress = context;
    char label[PROGRESS_NOTE_MAX], note[PROGRESS_NOTE_MAX] = "";
    size_t len = 0;

    snprintf(label, sizeof(label), "%s%s%.20s", p->stage, p->what[0] ? " " : "", p->what);
    if (!isnan(p->loss))
        len += (size_t)snprintf(note, sizeof(note), "loss %.3f", p->loss);
    if (!isnan(p->score) && len < sizeof(note))
        snprintf(note + len, sizeof(note) - len, "%sscore %.3f", len ? "  " : "", p->score);
    progress_note(progress, p->reused ? "done before" : note);
    progress_update(progress, label, p->done, p->total, PROGRESS_STEPS);
    return !interrupted;
}

struct paths {
    const char *spec, *builds, *bases, *artifacts, *feedback;
};

static enum rc make_paths(struct cli *cli, const struct ask_slm *slm, struct paths *paths,
                          struct err *err)
{
    char feedback[MANIFEST_NAME_MAX + sizeof(".feedback.jsonl")];
    const char *workspace, *team, *name;
    enum rc rc = cli_workspace(cli, &workspace, err);

    if (rc)
        return rc;
    snprintf(feedback, sizeof(feedback), "%s.feedback.jsonl", slm->name);
    paths->builds = serve_team_path(workspace, slm->team, "builds", &cli->arena);
    paths->feedback = paths->builds ? fs_join(&cli->arena, paths->builds, feedback) : NULL;
    paths->artifacts = serve_team_path(workspace, slm->team, "artifacts", &cli->arena);
    team = fs_join(&cli->arena, workspace, slm->team);
    name = team ? fs_join(&cli->arena, team, slm->name) : NULL;
    paths->spec = name ? fs_join(&cli->arena, name, "slm.yaml") : NULL;
    paths->bases = fs_join(&cli->arena, cli->config.home, "bases");
    if (!paths->builds || !paths->feedback || !paths->spec || !paths->bases || !paths->artifacts)
        return arena_fail(&cli->arena, err, "paths of the build");
    if (fs_exists(paths->spec))
        return RC_OK;
    cli_hint(cli, RC_OK, "expected it in %.200s", paths->spec);
    return err_set(err, RC_NOT_FOUND, "there is no SLM '%s'", cli->arguments[0]);
}

/* What people said about past decisions, as training rows. */
static enum rc read_feedback(struct cli *cli, const struct ask_slm *slm, const struct paths *paths,
                             struct str *ret_rows, struct err *err)
{
    struct json *answer;
    struct ask question;
    enum rc rc = fs_make_dirs(paths->builds, err);

    if (rc)
        return rc;
    ask_begin(cli, &question);
    ask_text(&question, "slm", slm->name);
    ask_text(&question, "path", paths->feedback);
    rc = ask(cli, slm->team, "feedback_export", &question, &answer, err);
    if (rc == RC_OK)
        rc = fs_read_file(paths->feedback, FEEDBACK_BYTES_MAX, &cli->arena, ret_rows, err);
    return rc ? err_context(err, "feedback") : RC_OK;
}

static const char *principal_name(char name[NAME_MAX_BYTES])
{
    const struct passwd *user = getpwuid(getuid());

    if (user)
        snprintf(name, NAME_MAX_BYTES, "os:%.50s", user->pw_name);
    else
        snprintf(name, NAME_MAX_BYTES, "os:%u", (unsigned)getuid());
    return name;
}

static enum rc print_result(struct cli *cli, const struct artifact_store *artifacts,
                            const struct build_result *result, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct str report;
    enum rc rc =
        artifact_read(artifacts, &result->report, REPORT_BYTES_MAX, &cli->arena, &report, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc)
        return err_context(err, "report");
    if (cli->config.json) {
        struct json_writer w;

        json_writer_init(&w, &out);
        json_begin_object(&w);
        json_key(&w, "build");
        json_text(&w, result->id);
        json_key(&w, "version");
        json_text(&w, result->version.hex);
        json_key(&w, "number");
        json_i64(&w, result->number);
        json_key(&w, "accepted");
        json_bool(&w, result->accepted);
        json_key(&w, "candidate");
        json_text(&w, result->candidate);
        json_key(&w, "reasons");
        json_begin_array(&w);
        for (size_t i = 0; i < result->n_reasons; i++)
            json_text(&w, result->reasons[i]);
        json_end_array(&w);
        json_key(&w, "report");
        json_raw(&w, report);
        json_end_object(&w);
        return cli_print(&out, err);
    }
    rc = build_append_report(&out, report, err);
    if (rc)
        return rc;
    buf_printf(&out, "\n%s @%" PRId64 " is %s (%s, %.12s)\n", cli->arguments[0], result->number,
               result->accepted ? "accepted" : "rejected", result->candidate, result->version.hex);
    for (size_t i = 0; i < result->n_reasons; i++)
        buf_printf(&out, "  %s\n", result->reasons[i]);
    if (result->accepted)
        buf_printf(&out, "next: shoal promote %s @%" PRId64 "\n", cli->arguments[0],
                   result->number);
    return cli_print(&out, err);
}

/* What is wrong with the spec, each problem with its place. */
static void print_problems(const struct problems *problems)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    problem_append_text(&out, problems);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&out)));
}

static enum rc run(struct cli *cli, struct build_options *options, struct err *err)
{
    struct build_result result = { 0 };
    struct problems problems;
    struct progress progress;
    enum rc rc;

    problem_init(&problems, &cli->arena);
    progress_init(&progress, options->clock, cli->config.quiet);
    options->progress = show_progress;
    options->progress_context = &progress;
    watch_interrupt();
    rc = build_run(options, &cli->arena, &problems, &result, err);
    progress_end(&progress);
    if (rc && problems.n > 0)
        print_problems(&problems);
    if (rc == RC_CANCELLED)
        cli_hint(cli, rc, "shoal build %s goes on from here", cli->arguments[0]);
    if (rc)
        return rc;
    cli->status = result.accepted ? 0 : CLI_STATUS_FAILED;
    return print_result(cli, options->artifacts, &result, err);
}

enum rc cmd_build(struct cli *cli, struct err *err)
{
    CLEANUP(artifact_store_closep) struct artifact_store *artifacts = NULL;
    CLEANUP(pool_freep) struct pool *pool = NULL;
    char principal[NAME_MAX_BYTES];
    struct team_registry registry;
    struct kernels kernels;
    struct str feedback = { 0 };
    struct paths paths;
    struct ask_slm slm;
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    if (rc == RC_OK)
        rc = make_paths(cli, &slm, &paths, err);
    if (rc == RC_OK)
        rc = compute_kernels(cli, &kernels, err);
    if (rc == RC_OK)
        rc = compute_pool(cli, &pool, err);
    if (rc == RC_OK)
        rc = read_feedback(cli, &slm, &paths, &feedback, err);
    if (rc == RC_OK)
        rc = artifact_store_open(paths.artifacts, &artifacts, err);
    if (rc)
        return rc;

    registry = (struct team_registry){ cli, slm.team };
    struct build_options options = { .team = slm.team,
                                     .slm = slm.name,
                                     .spec_path = paths.spec,
                                     .builds_dir = paths.builds,
                                     .bases_dir = paths.bases,
                                     .artifacts = artifacts,
                                     .registry = team_registry_of(&registry),
                                     .feedback = feedback,
                                     .principal = principal_name(principal),
                                     .engine_build = cli->engine_build,
                                     .kernels = &kernels,
                                     .pool = pool,
                                     .clock = clock_system() };
    return run(cli, &options, err);
}
