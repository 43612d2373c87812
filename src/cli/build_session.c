#include "cli/build_session.h"

#include "base/fs.h"
#include "cli/compute.h"
#include "cli/home.h"

#include <inttypes.h>
#include <math.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 16 << 20 };

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

static const char *principal_name(char name[BUILD_SESSION_NAME_MAX])
{
    const struct passwd *user = getpwuid(getuid());

    if (user)
        snprintf(name, BUILD_SESSION_NAME_MAX, "os:%.50s", user->pw_name);
    else
        snprintf(name, BUILD_SESSION_NAME_MAX, "os:%u", (unsigned)getuid());
    return name;
}

static enum rc make_paths(struct cli *cli, struct build_session *s, const char **ret_artifacts,
                          struct err *err)
{
    const char *workspace;
    enum rc rc = cli_workspace(cli, &workspace, err);

    if (rc)
        return rc;
    *ret_artifacts = serve_team_path(workspace, s->options.team, "artifacts", &cli->arena);
    s->options.builds_dir = serve_team_path(workspace, s->options.team, "builds", &cli->arena);
    s->options.bases_dir = fs_join(&cli->arena, cli->config.home, "bases");
    if (!*ret_artifacts || !s->options.builds_dir || !s->options.bases_dir)
        return arena_fail(&cli->arena, err, "paths of the build");
    return RC_OK;
}

enum rc build_session_open(struct cli *cli, const struct ask_slm *slm, struct build_session *s,
                           struct err *err)
{
    const char *artifacts = NULL;

    *s = (struct build_session){ .registry = { cli, slm->team } };
    s->options = (struct build_options){ .team = slm->team,
                                         .slm = slm->name,
                                         .registry = team_registry_of(&s->registry),
                                         .principal = principal_name(s->principal),
                                         .engine_build = cli->engine_build,
                                         .kernels = &s->kernels,
                                         .clock = clock_system(),
                                         .progress = show_progress,
                                         .progress_context = &s->progress };
    enum rc rc = make_paths(cli, s, &artifacts, err);
    if (rc == RC_OK)
        rc = compute_kernels(cli, &s->kernels, err);
    if (rc == RC_OK)
        rc = compute_pool(cli, &s->pool, err);
    if (rc == RC_OK)
        rc = artifact_store_open(artifacts, &s->artifacts, err);
    if (rc)
        return rc;
    s->options.artifacts = s->artifacts;
    s->options.pool = s->pool;
    progress_init(&s->progress, s->options.clock, cli->config.quiet);
    watch_interrupt();
    return RC_OK;
}

void build_session_close(struct build_session *s)
{
    artifact_store_close(s->artifacts);
    pool_free(s->pool);
}

static void append_json(struct buf *out, const struct build_result *result, struct str report)
{
    struct json_writer w;

    json_writer_init(&w, out);
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
}

enum rc build_session_print(struct cli *cli, const struct build_session *session,
                            const struct build_result *result, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    const char *team = session->options.team, *name = session->options.slm;
    struct str report;
    enum rc rc = artifact_read(session->artifacts, &result->report, REPORT_BYTES_MAX, &cli->arena,
                               &report, err);

    cli->status = result->accepted ? 0 : CLI_STATUS_FAILED;
    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc)
        return err_context(err, "report");
    if (cli->config.json) {
        append_json(&out, result, report);
        return cli_print(&out, err);
    }
    rc = build_append_report(&out, report, err);
    if (rc)
        return rc;
    buf_printf(&out, "\n%s/%s @%" PRId64 " is %s (%s, %.12s)\n", team, name, result->number,
               result->accepted ? "accepted" : "rejected", result->candidate, result->version.hex);
    for (size_t i = 0; i < result->n_reasons; i++)
        buf_printf(&out, "  %s\n", result->reasons[i]);
    if (result->accepted)
        buf_printf(&out, "next: shoal promote %s/%s @%" PRId64 "\n", team, name, result->number);
    return cli_print(&out, err);
}
