/* build_data.c - the data stage, and the rows the later stages read. */
#include "factory/build_internal.h"

#include "base/failpoint.h"

static enum rc check_unchanged(const struct build *b, const struct dataset *dataset,
                               struct err *err)
{
    for (size_t s = 0; s < b->spec->n_data; s++)
        if (!digest_equal(&dataset->sources[s].digest, &b->source_digests[s]))
            return err_set(err, RC_CONFLICT, "data '%.*s' changed while the build began",
                           STR_ARG(b->spec->data[s].path.text));
    return RC_OK;
}

static enum rc store_dataset(struct build *b, const struct dataset *dataset,
                             struct json_writer *result, struct err *err)
{
    CLEANUP(buf_releasep) struct buf rows = { .limit = BUILD_DATASET_BYTES_MAX };
    CLEANUP(buf_releasep) struct buf card = { .limit = BUILD_REPORT_BYTES_MAX };
    struct digest rows_digest, card_digest;
    enum rc rc = dataset_append(&rows, b->spec, dataset, err);

    if (rc == RC_OK)
        rc = artifact_put(b->o->artifacts, rows.at, rows.len, &rows_digest, err);
    if (rc)
        return rc;
    FAILPOINT("build.dataset_stored");
    dataset_append_card(&card, b->spec, dataset);
    rc = buf_rc(&card, "data card", err);
    if (rc == RC_OK)
        rc = artifact_put(b->o->artifacts, card.at, card.len, &card_digest, err);
    if (rc)
        return rc;
    json_key(result, "dataset");
    json_text(result, rows_digest.hex);
    json_key(result, "card");
    json_text(result, card_digest.hex);
    return RC_OK;
}

static enum rc run_data(struct build *b, enum spec_candidate kind, struct json_writer *result,
                        struct err *err)
{
    struct dataset_options options = { .seed = (uint64_t)b->spec->training.seed,
                                       .feedback = b->o->feedback };
    struct dataset *dataset = NULL;
    struct arena arena;

    (void)kind;
    arena_init(&arena, (size_t)2 << 30);
    enum rc rc = dataset_make(b->spec, &options, &arena, &dataset, err);
    if (rc == RC_OK)
        rc = check_unchanged(b, dataset, err);
    if (rc == RC_OK)
        rc = store_dataset(b, dataset, result, err);
    arena_release(&arena);
    return rc;
}

/* Was the last version trained from these rows by these settings? Then its report names weights
 * that can be judged again. What keeps us from finding out keeps us from using them, no more. */
static void find_last_report(struct build *b)
{
    struct registry_version *versions;
    struct manifest manifest;
    struct problems problems;
    struct spec_digests digests;
    struct spec *spec = NULL;
    struct str text;
    struct err ignored;
    size_t n;

    if (b->o->registry.list(b->o->registry.self, b->slm, &b->arena, &versions, &n, &ignored) ||
        n == 0 ||
        artifact_read(b->o->artifacts, &versions[0].digest, MANIFEST_BYTES_MAX, &b->arena, &text,
                      &ignored) ||
        manifest_parse(text, &b->arena, &manifest, &ignored) ||
        !digest_equal(&manifest.dataset, &b->dataset_digest) ||
        strcmp(manifest.engine_build, b->o->engine_build) != 0)
        return;
    problem_init(&problems, &b->arena);
    if (artifact_read(b->o->artifacts, &manifest.spec, SPEC_BYTES_MAX, &b->arena, &text,
                      &ignored) ||
        spec_parse(text, "slm.yaml", &b->arena, &spec, &problems, &ignored) || !spec ||
        spec_digests(spec, &digests, &ignored) ||
        !digest_equal(&digests.training, &b->digests.training) ||
        artifact_read(b->o->artifacts, &manifest.report, BUILD_REPORT_BYTES_MAX, &b->arena, &text,
                      &ignored) ||
        json_parse(text, JSON_DUPLICATES_REFUSED, &b->arena, &b->last_report, &ignored))
        b->last_report = NULL;
}

enum rc build_data(struct build *b, struct err *err)
{
    struct json *result = NULL;
    struct str text;
    enum rc rc = build_stage(b, "data", 0, run_data, &result, err);

    if (rc == RC_OK)
        rc = build_find_digest(result, "dataset", &b->dataset_digest, err);
    if (rc == RC_OK)
        rc = build_find_digest(result, "card", &b->card_digest, err);
    if (rc == RC_OK)
        rc = artifact_read(b->o->artifacts, &b->dataset_digest, BUILD_DATASET_BYTES_MAX, &b->arena,
                           &text, err);
    if (rc == RC_OK)
        rc = dataset_parse(b->spec, text, &b->arena, &b->dataset, err);
    if (rc)
        return rc;
    find_last_report(b);
    return RC_OK;
}

/* Row `at` of n: which slices is it in? */
static enum rc mark_slices(struct build *b, const struct dataset_row *row, const struct json *input,
                           size_t at, size_t n, bool *in_slice, struct err *err)
{
    struct json *tags = NULL;

    if (row->tags.len > 0) {
        enum rc rc = json_parse(row->tags, JSON_DUPLICATES_REFUSED, &b->arena, &tags, err);
        if (rc)
            return rc;
    }
    for (size_t s = 0; s < b->spec->n_slices; s++) {
        enum rc rc = judge_is_in_slice(b->spec, &b->spec->slices[s], input, tags, row->labels,
                                       b->created_ms, &in_slice[s * n + at], err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc build_rows(struct build *b, enum spec_split split, struct judge_rows *ret_rows,
                   struct err *err)
{
    const struct spec *spec = b->spec;
    size_t n = dataset_count(b->dataset, split), at = 0;
    struct judge_rows rows = { .spec = spec,
                               .n = n,
                               .progress = spec_writes(spec) ? build_tell_of_rows : NULL,
                               .progress_context = b };
    struct str *ids = arena_array(&b->arena, struct str, n + 1);

    rows.rows = arena_array(&b->arena, struct decide_row, n + 1);
    rows.truth = arena_array(&b->arena, uint32_t, judge_n_columns(spec) * n + 1);
    rows.written = arena_array(&b->arena, struct str, spec->n_open * n + 1);
    rows.in_slice = arena_array(&b->arena, bool, spec->n_slices *n + 1);
    if (!rows.rows || !ids || !rows.truth || !rows.written || !rows.in_slice)
        return arena_fail(&b->arena, err, "rows");
    rows.ids = ids;
    for (size_t i = 0; i < b->dataset->n_rows; i++) {
        const struct dataset_row *row = &b->dataset->rows[i];
        struct json *input = NULL;

        if (row->split != split)
            continue;
        enum rc rc = json_parse(row->input, JSON_DUPLICATES_REFUSED, &b->arena, &input, err);
        if (rc)
            return rc;
        rows.rows[at] = (struct decide_row){ .input = input, .now_ms = b->created_ms };
        for (size_t f = 0; f < spec->n_fields; f++)
            rows.truth[f * n + at] = row->labels[f];
        for (size_t c = spec->n_fields; c < judge_n_columns(spec); c++)
            rows.truth[c * n + at] = 1;
        for (size_t o = 0; o < spec->n_open; o++)
            rows.written[o * n + at] = row->written[o];
        ids[at] = row->id;
        rc = mark_slices(b, row, input, at++, n, rows.in_slice, err);
        if (rc)
            return rc;
    }
    *ret_rows = rows;
    return RC_OK;
}
