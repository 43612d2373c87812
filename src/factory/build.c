#include "factory/build_internal.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <math.h>

static const size_t BUILD_ARENA_BYTES = (size_t)6 << 30;

static enum rc find_version(void *self, const char *slm, const char *alias, struct arena *arena,
                            struct registry_version *ret_version, struct err *err)
{
    return registry_find_version(self, slm, alias, arena, ret_version, err);
}

static enum rc list_versions(void *self, const char *slm, struct arena *arena,
                             struct registry_version **ret_versions, size_t *ret_n, struct err *err)
{
    return registry_list(self, slm, arena, ret_versions, ret_n, err);
}

static enum rc add_version(void *self, const struct manifest *manifest,
                           enum registry_verdict verdict, const char *const *reasons,
                           size_t n_reasons, struct digest *ret_digest, int64_t *ret_number,
                           struct err *err)
{
    return registry_register(self, manifest, verdict, reasons, n_reasons, ret_digest, ret_number,
                             err);
}

struct build_registry build_registry_of(struct registry *registry)
{
    return (struct build_registry){ registry, find_version, list_versions, add_version };
}

enum rc build_find_digest(const struct json *result, const char *key, struct digest *ret_digest,
                          struct err *err)
{
    const struct json *v = json_find(result, key);

    if (!v || v->type != JSON_STRING || !digest_parse(v->text, ret_digest))
        return err_set(err, RC_CORRUPT, "the build's journal has no digest '%s'", key);
    return RC_OK;
}

static bool tell(struct build *b, struct build_progress progress)
{
    progress.stage = b->stage;
    progress.loss = progress.score = progress.seconds_left = NAN;
    return !b->o->progress || b->o->progress(b->o->progress_context, &progress);
}

bool build_tell_of_rows(void *build, size_t done, size_t total)
{
    struct build *b = build;

    return tell(b, (struct build_progress){ .what = b->asked, .done = done, .total = total });
}

static enum rc run_stage(struct build *b, const char *name, enum spec_candidate kind,
                         build_stage_fn *run, struct journal_step *ret_step, struct err *err)
{
    CLEANUP(buf_releasep) struct buf result = { .limit = JOURNAL_RESULT_MAX };
    struct json_writer w;

    json_writer_init(&w, &result);
    json_begin_object(&w);
    FAILPOINT("build.stage_begun");
    enum rc rc = run(b, kind, &w, err);
    if (rc)
        return rc;
    json_end_object(&w);
    rc = buf_rc(&result, "result", err);
    if (rc)
        return rc;
    FAILPOINT("build.stage_run");
    rc = journal_finish(b->journal, name, buf_str(&result), &b->arena, ret_step, err);
    FAILPOINT("build.stage_recorded");
    return rc;
}

enum rc build_stage(struct build *b, const char *name, enum spec_candidate kind,
                    build_stage_fn *run, struct json **ret_result, struct err *err)
{
    struct journal_step step = { 0 };
    enum rc rc = journal_begin(b->journal, name, &b->id, &b->arena, &step, err);

    if (rc)
        return err_context(err, "%s", name);
    b->stage = name;
    if (!tell(b, (struct build_progress){ .what = "", .reused = step.state == JOURNAL_FINISHED }))
        return err_set(err, RC_CANCELLED, "stopped before %s", name);
    if (step.state != JOURNAL_FINISHED)
        rc = run_stage(b, name, kind, run, &step, err);
    if (rc == RC_OK)
        rc = json_parse(step.result, JSON_DUPLICATES_REFUSED, &b->arena, ret_result, err);
    return rc ? err_context(err, "%s", name) : RC_OK;
}

static enum rc record_start(struct build *b, enum spec_candidate kind, struct json_writer *result,
                            struct err *err)
{
    (void)kind;
    (void)err;
    json_key(result, "created_ms");
    json_i64(result, b->o->clock.now_ms(b->o->clock.self));
    return RC_OK;
}

enum rc build_start(struct build *b, struct err *err)
{
    struct json *result = NULL;
    const struct json *created;

    enum rc rc = journal_open(b->journal_path, b->o->clock, &b->journal, err);
    if (rc == RC_OK)
        rc = build_stage(b, "start", 0, record_start, &result, err);
    if (rc)
        return rc;
    created = json_find(result, "created_ms");
    if (!created || !json_to_i64(created, &b->created_ms))
        return err_set(err, RC_CORRUPT, "the build's journal has no 'created_ms'");
    return RC_OK;
}

static enum rc run_register(struct build *b, enum spec_candidate kind, struct json_writer *result,
                            struct err *err)
{
    CLEANUP(buf_releasep) struct buf calibration = { .limit = MANIFEST_NUMBERS_MAX };
    struct build_candidate *chosen = &b->candidates[kind];
    const struct json *reasons = json_find(b->verdict, "reasons");
    const struct json *accepted = json_find(b->verdict, "accepted");
    const char **texts = arena_array(&b->arena, const char *, reasons->n + 1);
    struct manifest manifest = { .team = b->o->team,
                                 .slm = b->o->slm,
                                 .spec = b->spec_digest,
                                 .dataset = b->dataset_digest,
                                 .adapter = chosen->adapter,
                                 .tables = b->table_digests,
                                 .n_tables = b->spec->n_tables,
                                 .engine_build = b->o->engine_build,
                                 .created_by = b->o->principal,
                                 .created_ms = b->created_ms };
    struct digest digest;
    int64_t number;

    if (!texts)
        return arena_fail(&b->arena, err, "reasons");
    for (size_t i = 0; i < reasons->n; i++) {
        texts[i] = arena_strndup(&b->arena, reasons->items[i].text.at, reasons->items[i].text.len);
        if (!texts[i])
            return arena_fail(&b->arena, err, "reasons");
    }
    enum rc rc = build_find_digest(b->verdict, "report", &manifest.report, err);
    if (rc)
        return rc;
    if (kind != SPEC_LINEAR)
        manifest.base = b->base_digest;
    manifest.origin = b->origin;
    if (b->production && !b->origin.hex[0])
        manifest.parent = *version_digest(b->production);
    version_append_calibration(&calibration, b->spec, chosen->calibration);
    rc = buf_rc(&calibration, "calibration", err);
    if (rc)
        return rc;
    manifest.calibration = buf_str(&calibration);
    rc = b->o->registry.add(b->o->registry.self, &manifest,
                            accepted->boolean ? REGISTRY_ACCEPTED : REGISTRY_REJECTED, texts,
                            reasons->n, &digest, &number, err);
    if (rc)
        return rc;
    FAILPOINT("build.registered");
    json_key(result, "version");
    json_text(result, digest.hex);
    json_key(result, "number");
    json_i64(result, number);
    return RC_OK;
}

static bool is_named(const struct spec *spec, enum spec_candidate kind)
{
    for (size_t i = 0; i < spec->training.n_candidates; i++)
        if (spec->training.candidates[i] == kind)
            return true;
    return false;
}

/* What every version is compared with, whether the spec names it or not. */
static enum spec_candidate floor_of(const struct spec *spec)
{
    return spec_writes(spec) ? SPEC_PROMPTED : SPEC_LINEAR;
}

/* Each candidate is trained and validated before the next: the blend needs to know which encoder
 * is the better one. A base that is no candidate, but a floor, is not asked for more than that. */
static enum rc make_candidates(struct build *b, struct err *err)
{
    enum rc rc = RC_OK;

    for (enum spec_candidate kind = SPEC_LINEAR; kind <= SPEC_LORA && rc == RC_OK; kind++) {
        struct build_candidate *c = &b->candidates[kind];

        c->eligible = is_named(b->spec, kind);
        if (!c->eligible && kind != floor_of(b->spec))
            continue;
        if (kind == SPEC_BLEND && !b->candidates[SPEC_FROZEN].trained &&
            !b->candidates[SPEC_FINETUNED].trained)
            continue; /* nothing to blend with: spec_read() notes it */
        rc = build_train(b, kind, err);
        c->writes_once = kind == SPEC_PROMPTED && !c->eligible;
        if (rc == RC_OK && !c->writes_once)
            rc = build_validate(b, kind, err);
    }
    return rc;
}

static enum rc keep_result(struct build *b, const struct json *registered, struct arena *arena,
                           struct build_result *ret_result, struct err *err)
{
    const struct json *reasons = json_find(b->verdict, "reasons");
    struct build_result result = { .candidate = candidate_name(b->chosen) };
    enum rc rc = build_find_digest(b->verdict, "report", &result.report, err);

    if (rc == RC_OK)
        rc = build_find_digest(registered, "version", &result.version, err);
    if (rc)
        return rc;
    if (!json_find(registered, "number") ||
        !json_to_i64(json_find(registered, "number"), &result.number))
        return err_set(err, RC_CORRUPT, "the build's journal has no 'number'");
    result.accepted = json_find(b->verdict, "accepted")->boolean;
    result.reasons = arena_array(arena, const char *, reasons->n + 1);
    result.id = arena_strndup(arena, b->id.hex, 16);
    if (!result.reasons || !result.id)
        return arena_fail(arena, err, "result");
    for (; result.n_reasons < reasons->n; result.n_reasons++) {
        struct str text = reasons->items[result.n_reasons].text;

        result.reasons[result.n_reasons] = arena_strndup(arena, text.at, text.len);
        if (!result.reasons[result.n_reasons])
            return arena_fail(arena, err, "result");
    }
    *ret_result = result;
    return RC_OK;
}

enum rc build_register(struct build *b, struct arena *arena, struct build_result *ret_result,
                       struct err *err)
{
    struct json *registered = NULL;
    enum rc rc = build_stage(b, "register", b->chosen, run_register, &registered, err);

    return rc ? rc : keep_result(b, registered, arena, ret_result, err);
}

static enum rc run(struct build *b, struct arena *arena, struct problems *problems,
                   struct build_result *ret_result, struct err *err)
{
    enum rc rc = build_plan(b, problems, err);

    if (rc == RC_OK)
        rc = build_start(b, err);
    if (rc == RC_OK)
        rc = build_data(b, err);
    if (rc == RC_OK)
        rc = make_candidates(b, err);
    if (rc == RC_OK)
        rc = build_choose(b, err);
    if (rc == RC_OK)
        rc = build_verdict(b, err);
    if (rc == RC_OK)
        rc = build_register(b, arena, ret_result, err);
    if (rc)
        return rc;

    struct err ignored;
    IGNORE_RC(fs_remove(b->checkpoint_path, &ignored)); /* best effort: nothing reads it again */
    return RC_OK;
}

enum rc build_new(const struct build_options *options, struct build **ret_build, struct err *err)
{
    struct build *b = mem_alloc(sizeof(*b));

    if (!b)
        return err_set(err, RC_NOMEM, "build");
    b->o = options;
    arena_init(&b->arena, BUILD_ARENA_BYTES);
    *ret_build = b;
    return RC_OK;
}

void build_end(struct build *b)
{
    for (size_t i = 0; i < BUILD_CANDIDATES; i++) {
        predictor_close(b->candidates[i].predictor);
        author_close(b->candidates[i].author);
        fs_map_close(&b->candidates[i].adapter_map);
    }
    version_close(b->production);
    version_base_close(&b->base);
    journal_close(b->journal);
    arena_release(&b->arena);
    mem_free(b);
}

enum rc build_run(const struct build_options *options, struct arena *arena,
                  struct problems *problems, struct build_result *ret_result, struct err *err)
{
    struct build *b;
    enum rc rc = build_new(options, &b, err);

    if (rc)
        return rc;
    rc = run(b, arena, problems, ret_result, err);
    build_end(b);
    return rc;
}
