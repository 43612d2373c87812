/* build_stages.c - candidates: trained, judged on validation rows, one of them chosen. */
#include "factory/build_internal.h"

#include "base/exact_math.h"
#include "base/failpoint.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- training ---- */

/* The text that the author has to write for a row. RC_NOT_FOUND: it could not. */
static enum rc read_written(struct build *b, const struct decider *decider,
                            const struct judge_rows *rows, size_t i, struct str *ret_text,
                            struct err *err)
{
    struct str values[SPEC_FIELDS_MAX];

    for (size_t o = 0; o < b->spec->n_open; o++)
        values[o] = rows->written[o * rows->n + i];
    return decide_draft(decider, rows->rows[i].input, values, &b->arena, ret_text, err);
}

/* What the model will read of a row. Its facts need a hundred times as much memory: of_row's. */
static enum rc read_shown(struct build *b, const struct decider *decider,
                          const struct decide_row *row, struct arena *of_row, struct str *ret_text,
                          struct err *err)
{
    struct str shown;

    arena_reset(of_row);
    enum rc rc = decide_shown(decider, row, of_row, &shown, err);
    if (rc)
        return rc;
    *ret_text = (struct str){ arena_strndup(&b->arena, shown.at, shown.len), shown.len };
    return ret_text->at ? RC_OK : arena_fail(&b->arena, err, "what the model reads");
}

/* What the model will read of the rows of a split; rows it would not be asked about, or could not
 * answer as the data does, are left out. */
static enum rc read_texts(struct build *b, enum spec_split split, struct candidate_rows *ret_rows,
                          struct err *err)
{
    struct decide_calibration calibration[SPEC_FIELDS_MAX];
    struct decide_parts parts = { .spec = b->spec,
                                  .tables = b->tables,
                                  .calibration = calibration };
    CLEANUP(arena_release) struct arena of_row = { 0 };
    size_t n_fields = b->spec->n_fields, n = 0;
    struct judge_rows rows;
    struct decider *decider = NULL;

    for (size_t f = 0; f < n_fields; f++)
        calibration[f] = (struct decide_calibration){ 1.0, 0.0 };
    enum rc rc = build_rows(b, split, &rows, err);
    if (rc == RC_OK)
        rc = decide_open(&parts, &b->arena, &decider, err);
    if (rc)
        return rc;

    struct str *texts = arena_array(&b->arena, struct str, rows.n + 1);
    size_t *kept = arena_array(&b->arena, size_t, rows.n + 1);
    uint32_t *labels = arena_array(&b->arena, uint32_t, n_fields * rows.n + 1);
    struct str *written = arena_array(&b->arena, struct str, rows.n + 1);
    if (!texts || !kept || !labels || !written)
        return arena_fail(&b->arena, err, "texts");
    arena_init(&of_row, DECIDE_ROW_BYTES_MAX);
    for (size_t i = 0; i < rows.n; i++) {
        struct err why;

        rc = read_shown(b, decider, &rows.rows[i], &of_row, &texts[n], &why);
        if (rc == RC_OK && spec_writes(b->spec))
            rc = read_written(b, decider, &rows, i, &written[n], &why);
        if (rc == RC_NOMEM) {
            *err = why;
            return rc;
        }
        if (rc == RC_OK)
            kept[n++] = i;
    }
    for (size_t f = 0; f < n_fields; f++)
        for (size_t i = 0; i < n; i++)
            labels[f * n + i] = rows.truth[f * rows.n + kept[i]];
    *ret_rows = (struct candidate_rows){ n, texts, labels, written };
    return RC_OK;
}

enum rc build_train_texts(struct build *b, struct err *err)
{
    return b->train_texts.texts ? RC_OK : read_texts(b, SPEC_SPLIT_TRAIN, &b->train_texts, err);
}

static enum rc store_adapter(struct build *b, const struct buf *file, struct json_writer *result,
                             struct err *err)
{
    struct digest digest;
    enum rc rc = artifact_put(b->o->artifacts, file->at, file->len, &digest, err);

    if (rc)
        return rc;
    FAILPOINT("build.adapter_stored");
    json_key(result, "adapter");
    json_text(result, digest.hex);
    return RC_OK;
}

static struct build_candidate *better_encoder(struct build *b)
{
    struct build_candidate *frozen = &b->candidates[SPEC_FROZEN];
    struct build_candidate *finetuned = &b->candidates[SPEC_FINETUNED];

    if (!frozen->trained)
        return finetuned;
    return finetuned->trained && finetuned->merit > frozen->merit ? finetuned : frozen;
}

static struct str mapped(const struct build_candidate *c)
{
    return (struct str){ (const char *)c->adapter_map.at, c->adapter_map.len };
}

/* How much of the linear part each field gets is chosen on the validation rows. */
static enum rc make_blend(struct build *b, struct buf *file, struct err *err)
{
    struct build_candidate *encoder = better_encoder(b), *linear = &b->candidates[SPEC_LINEAR];
    struct judged *by_encoder = NULL, *by_linear = NULL;
    float shares[SPEC_FIELDS_MAX];
    enum rc rc = RC_OK;

    if (!b->valid.rows)
        rc = build_rows(b, SPEC_SPLIT_VALIDATION, &b->valid, err);
    if (rc == RC_OK)
        rc = build_judge(b, encoder, &b->valid, NULL, &by_encoder, err);
    if (rc == RC_OK)
        rc = build_judge(b, linear, &b->valid, NULL, &by_linear, err);
    if (rc == RC_OK)
        rc = judge_shares(&b->valid, by_encoder, by_linear, &b->arena, shares, err);
    return rc ? rc : candidate_blend(mapped(encoder), mapped(linear), shares, file, err);
}

static enum rc make_lora(const struct candidate_job *job, struct buf *file,
                         struct json_writer *result, struct err *err)
{
    double loss = NAN;
    enum rc rc = candidate_lora(job, file, &loss, err);

    if (rc == RC_OK && !isnan(loss)) {
        json_key(result, "loss_per_token");
        json_double(result, loss);
    }
    return rc;
}

static enum rc make_adapter(struct build *b, enum spec_candidate kind, struct candidate_job *job,
                            struct buf *file, struct json_writer *result, struct err *err)
{
    switch (kind) {
    case SPEC_LINEAR: return candidate_linear(job, file, err);
    case SPEC_FROZEN: return candidate_frozen(job, file, err);
    case SPEC_FINETUNED: return candidate_finetuned(job, file, err);
    case SPEC_BLEND: return make_blend(b, file, err);
    case SPEC_PROMPTED: return candidate_prompted(job, file, err);
    case SPEC_LORA: return make_lora(job, file, result, err);
    }
    return err_set(err, RC_INVALID, "unknown candidate");
}

/* Of the last version's report, when its rows and settings were the same; or NULL. */
static const struct json *find_reusable(const struct build *b, enum spec_candidate kind,
                                        struct digest *ret_adapter)
{
    const struct json *all = b->last_report ? json_find(b->last_report, "candidates") : NULL;
    const struct json *one = all ? json_find(all, candidate_name(kind)) : NULL;
    struct err ignored;

    if (!one || build_find_digest(one, "adapter", ret_adapter, &ignored) ||
        !artifact_exists(b->o->artifacts, ret_adapter))
        return NULL;
    return one;
}

static void append_reused(struct json_writer *result, const struct json *candidate,
                          const struct digest *adapter)
{
    const struct json *loss = json_find(candidate, "loss_per_token");

    json_key(result, "adapter");
    json_text(result, adapter->hex);
    if (loss) {
        json_key(result, "loss_per_token");
        json_value(result, loss);
    }
    json_key(result, "reused");
    json_bool(result, true);
}

static enum rc run_train(struct build *b, enum spec_candidate kind, struct json_writer *result,
                         struct err *err)
{
    CLEANUP(buf_releasep) struct buf file = { .limit = CANDIDATE_ADAPTER_BYTES_MAX };
    struct candidate_job job = { .spec = b->spec,
                                 .base = b->base.encoder,
                                 .decoder = b->base.decoder,
                                 .checkpoint_path = b->checkpoint_path,
                                 .cpu = b->o->kernels->cpu,
                                 .pool = b->o->pool,
                                 .clock = b->o->clock,
                                 .progress = b->o->progress,
                                 .progress_context = b->o->progress_context };
    struct digest adapter;
    char stage[32];
    enum rc rc = RC_OK;

    const struct json *reusable = find_reusable(b, kind, &adapter);
    if (reusable) {
        append_reused(result, reusable, &adapter);
        return RC_OK;
    }
    snprintf(stage, sizeof(stage), "train.%s", candidate_name(kind));
    job.stage = stage;
    rc = build_train_texts(b, err);
    if (rc == RC_OK && !b->valid_texts.texts)
        rc = read_texts(b, SPEC_SPLIT_VALIDATION, &b->valid_texts, err);
    job.train = b->train_texts;
    job.valid = b->valid_texts;
    if (b->production && b->comparable)
        job.start = version_adapter(b->production);
    if (rc == RC_OK)
        rc = make_adapter(b, kind, &job, &file, result, err);
    if (rc == RC_OK)
        rc = store_adapter(b, &file, result, err);
    return rc;
}

enum rc build_read_loss(const struct json *result, double *ret_loss, struct err *err)
{
    const struct json *loss = json_find(result, "loss_per_token");

    *ret_loss = NAN;
    if (loss && !json_to_double(loss, ret_loss))
        return err_set(err, RC_CORRUPT, "the loss per token is no number");
    return RC_OK;
}

enum rc build_train(struct build *b, enum spec_candidate kind, struct err *err)
{
    struct build_candidate *c = &b->candidates[kind];
    struct json *result = NULL;
    char name[32];

    snprintf(name, sizeof(name), "train.%s", candidate_name(kind));
    enum rc rc = build_stage(b, name, kind, run_train, &result, err);
    if (rc == RC_OK)
        rc = build_find_digest(result, "adapter", &c->adapter, err);
    if (rc == RC_OK)
        rc = artifact_map(b->o->artifacts, &c->adapter, &c->adapter_map, err);
    if (rc)
        return rc;
    c->trained = true;
    return build_read_loss(result, &c->loss, err);
}

/* ---- judging ---- */

enum rc build_open_candidate(struct build *b, struct build_candidate *c, struct err *err)
{
    if (c->predictor || c->author)
        return RC_OK;
    if (spec_writes(b->spec))
        return author_open(b->base.decoder, c->adapter_map.at, c->adapter_map.len,
                           b->spec->description.text, b->o->kernels, &c->author, err);
    return predictor_open(b->base.encoder, c->adapter_map.at, c->adapter_map.len, b->o->kernels,
                          &c->predictor, err);
}

/* In tokens. A floor that does not come to an end is not waited for: what is longer than any text
 * of the data is none that was asked for. */
static enum rc find_longest_written(struct build *b, size_t *ret_n_tokens, struct err *err)
{
    size_t longest = 1;

    *ret_n_tokens = AUTHOR_WRITTEN_MAX;
    if (!spec_is_text(b->spec))
        return RC_OK;
    for (size_t i = 0; i < b->dataset->n_rows; i++) {
        size_t n;
        enum rc rc = bpe_count(b->base.decoder->bpe, b->dataset->rows[i].written[0], &n, err);

        if (rc)
            return rc;
        longest = n > longest ? n : longest;
    }
    *ret_n_tokens = longest;
    return RC_OK;
}

static enum rc judge_with(struct build *b, struct build_candidate *c,
                          const struct decide_calibration *calibration,
                          const struct judge_rows *rows, const struct judged *scores,
                          struct judged **ret_judged, struct err *err)
{
    struct decide_parts parts = { .spec = b->spec,
                                  .predictor = c->predictor,
                                  .author = c->author,
                                  .tables = b->tables,
                                  .calibration = calibration };
    struct decider *decider = NULL;
    enum rc rc = c->writes_once ? find_longest_written(b, &parts.floor_tokens_max, err) : RC_OK;

    if (rc == RC_OK)
        rc = decide_open(&parts, &b->arena, &decider, err);
    if (rc)
        return rc;
    b->asked = candidate_name((enum spec_candidate)(c - b->candidates));
    return judge_run(decider, rows, scores, b->o->pool, &b->arena, ret_judged, err);
}

enum rc build_judge(struct build *b, struct build_candidate *c, const struct judge_rows *rows,
                    const struct judged *scores, struct judged **ret_judged, struct err *err)
{
    enum rc rc = build_open_candidate(b, c, err);

    return rc ? rc : judge_with(b, c, c->calibration, rows, scores, ret_judged, err);
}

static int compare_values(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* The most frequent of n values, the least of equals; sorts them. */
static size_t most_frequent(uint32_t *values, size_t n)
{
    size_t best = 0, n_best = 0;

    qsort(values, n, sizeof(*values), compare_values);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && values[to] == values[from]; to++)
            ;
        if (to - from > n_best) {
            n_best = to - from;
            best = values[from];
        }
    }
    return best;
}

/* Scores by how often each label occurs among the values: logarithms of its share; of a set its log
 * odds. Half a row is added to each side, so that nothing is impossible. */
static void score_by_frequency(const struct spec_field *field, const uint32_t *values, size_t n,
                               float *scores)
{
    double total = (double)n;

    for (size_t k = 0; k < field->n_labels; k++) {
        double with = 0.5;

        for (size_t i = 0; i < n; i++)
            with += spec_value_has(field, values[i], k);
        scores[k] = field->is_set ? (float)exact_ln(with / (total + 1.0 - with))
                                  : (float)exact_ln(with / (total + 0.5 * (double)field->n_labels));
    }
}

/* What is known without looking at an input: each field's labels as often as in training, and the
 * most frequent value. */
static enum rc find_priors(struct build *b, float **ret_scores, size_t *majority, struct err *err)
{
    const struct spec *spec = b->spec;
    size_t n_labels = 0, first = 0;
    uint32_t *values = arena_array(&b->arena, uint32_t, b->dataset->n_rows + 1);

    for (size_t f = 0; f < spec->n_fields; f++)
        n_labels += spec->fields[f].n_labels;
    float *scores = arena_array(&b->arena, float, n_labels + 1);
    if (!scores || !values)
        return arena_fail(&b->arena, err, "priors");
    for (size_t f = 0; f < spec->n_fields; first += spec->fields[f++].n_labels) {
        size_t n = 0;

        for (size_t i = 0; i < b->dataset->n_rows; i++)
            if (b->dataset->rows[i].split == SPEC_SPLIT_TRAIN)
                values[n++] = b->dataset->rows[i].labels[f];
        score_by_frequency(&spec->fields[f], values, n, scores + first);
        majority[f] = most_frequent(values, n);
    }
    *ret_scores = scores;
    return RC_OK;
}

/* The rules choose among the labels by their frequency alone. */
static enum rc judge_rules(struct build *b, const struct judge_rows *rows, const float *priors,
                           struct judged **ret_judged, struct err *err)
{
    struct decide_calibration calibration[SPEC_FIELDS_MAX];
    struct decide_parts parts = { .spec = b->spec,
                                  .tables = b->tables,
                                  .calibration = calibration };
    struct decider *decider = NULL;
    struct judged *constant = NULL;

    for (size_t f = 0; f < b->spec->n_fields; f++)
        calibration[f] = (struct decide_calibration){ 1.0, 0.0 };
    enum rc rc = judge_constant(rows, priors, &b->arena, &constant, err);
    if (rc == RC_OK)
        rc = decide_open(&parts, &b->arena, &decider, err);
    if (rc == RC_OK)
        rc = judge_run(decider, rows, constant, NULL, &b->arena, ret_judged, err);
    return rc;
}

static enum rc judge_production(struct build *b, const struct judge_rows *rows,
                                struct gate_floors *floors, struct err *err)
{
    struct judged *judged = NULL;
    enum rc rc = RC_OK;

    floors->production_differs = b->production && !b->comparable;
    b->asked = "production";
    if (b->production && b->comparable)
        rc = judge_run(version_decider(b->production), rows, NULL, b->o->pool, &b->arena, &judged,
                       err);
    floors->production = judged;
    return rc;
}

/* Of an output that is written. The base is no floor of its own. */
static enum rc find_floors_of_written(struct build *b, enum spec_candidate kind,
                                      const struct judge_rows *rows, struct gate_floors *floors,
                                      struct err *err)
{
    struct build_candidate *prompted = &b->candidates[SPEC_PROMPTED];
    struct judged *judged = NULL;
    enum rc rc = RC_OK;

    if (kind == SPEC_PROMPTED)
        return RC_OK;
    floors->prompted = prompted->on_valid;
    if (rows == &b->valid && floors->prompted)
        return RC_OK;
    rc = build_judge(b, prompted, rows, NULL, &judged, err);
    floors->prompted = judged;
    return rc;
}

static enum rc find_floors_of_labels(struct build *b, const struct judge_rows *rows,
                                     struct gate_floors *floors, struct err *err)
{
    struct judged *majority = NULL, *rules = NULL, *linear = NULL;
    size_t most[SPEC_FIELDS_MAX];
    float *priors = NULL;
    enum rc rc = find_priors(b, &priors, most, err);

    if (rc == RC_OK)
        rc = judge_constant(rows, priors, &b->arena, &majority, err);
    if (rc)
        return rc;
    for (size_t f = 0; f < b->spec->n_fields; f++)
        for (size_t i = 0; i < rows->n; i++)
            majority->answers[f * rows->n + i] = (uint32_t)most[f];
    rc = judge_rules(b, rows, priors, &rules, err);
    if (rc == RC_OK)
        rc = build_judge(b, &b->candidates[SPEC_LINEAR], rows, NULL, &linear, err);
    floors->majority = majority;
    floors->rules = rules;
    floors->linear = linear;
    return rc;
}

enum rc build_floors(struct build *b, enum spec_candidate kind, const struct judge_rows *rows,
                     struct gate_floors *ret_floors, struct err *err)
{
    *ret_floors = (struct gate_floors){ 0 };
    enum rc rc = spec_writes(b->spec) ? find_floors_of_written(b, kind, rows, ret_floors, err)
                                      : find_floors_of_labels(b, rows, ret_floors, err);

    return rc ? rc : judge_production(b, rows, ret_floors, err);
}

/* ---- validation ---- */

static const char *merit_name(const struct build *b)
{
    if (!spec_writes(b->spec))
        return "mean_macro_f1";
    return spec_is_text(b->spec) ? "first_attempt" : "mean_accuracy";
}

static enum rc append_validation(struct build *b, const struct build_candidate *c,
                                 const struct judged *judged, const struct gate_report *gates,
                                 struct json_writer *result, struct err *err)
{
    CLEANUP(buf_releasep) struct buf calibration = { .limit = MANIFEST_NUMBERS_MAX };
    double merit = 0.0;
    enum rc rc = judge_merit(&b->valid, judged, &b->arena, &merit, err);

    if (rc)
        return rc;
    version_append_calibration(&calibration, b->spec, c->calibration);
    rc = buf_rc(&calibration, "calibration", err);
    if (rc)
        return rc;
    json_key(result, "calibration");
    json_raw(result, buf_str(&calibration));
    json_key(result, merit_name(b));
    json_double(result, merit);
    json_key(result, "meets_gates");
    json_bool(result, gates->n_missed == 0);
    json_key(result, "fields");
    json_begin_object(result);
    for (size_t f = 0; f < b->spec->n_fields && rc == RC_OK; f++) {
        json_key_str(result, b->spec->fields[f].name);
        json_begin_object(result);
        rc = build_append_scores(result, &b->valid, judged, f, &b->arena, err);
        json_key(result, "precision_is_guaranteed");
        json_bool(result, c->guaranteed[f]);
        json_end_object(result);
    }
    json_end_object(result);
    json_key(result, "missed");
    json_begin_array(result);
    for (size_t i = 0; i < gates->n; i++)
        if (gates->results[i].outcome == GATE_MISSED)
            json_string(result, gates->results[i].text);
    json_end_array(result);
    return rc;
}

static enum rc calibrate(struct build *b, struct build_candidate *c, struct judged **ret_judged,
                         struct err *err)
{
    struct decide_calibration plain[SPEC_FIELDS_MAX];
    struct decide_parts parts = {
        .spec = b->spec, .predictor = c->predictor, .tables = b->tables, .calibration = plain
    };
    struct judged *scores = NULL;

    if (spec_writes(b->spec)) /* what is written has no confidence */
        return judge_with(b, c, c->calibration, &b->valid, NULL, ret_judged, err);
    for (size_t f = 0; f < b->spec->n_fields; f++)
        plain[f] = (struct decide_calibration){ 1.0, 0.0 };
    enum rc rc = judge_with(b, c, plain, &b->valid, NULL, &scores, err);
    if (rc == RC_OK)
        rc = judge_calibrate(&parts, &b->valid, scores, &b->arena, c->calibration, c->guaranteed,
                             err);
    if (rc == RC_OK)
        rc = judge_with(b, c, c->calibration, &b->valid, scores, ret_judged, err);
    return rc;
}

static enum rc run_validate(struct build *b, enum spec_candidate kind, struct json_writer *result,
                            struct err *err)
{
    struct build_candidate *c = &b->candidates[kind];
    struct judged *judged = NULL;
    struct gate_report gates;
    enum rc rc = RC_OK;

    if (!b->valid.rows)
        rc = build_rows(b, SPEC_SPLIT_VALIDATION, &b->valid, err);
    if (rc == RC_OK)
        rc = build_open_candidate(b, c, err);
    if (rc == RC_OK)
        rc = calibrate(b, c, &judged, err);
    if (rc == RC_OK && (!b->valid_floors.linear || spec_writes(b->spec)))
        rc = build_floors(b, kind, &b->valid, &b->valid_floors, err);
    if (rc == RC_OK)
        rc = gate_check(&b->valid, judged, &b->valid_floors, (uint64_t)b->spec->training.seed,
                        &b->arena, &gates, err);
    c->on_valid = judged;
    return rc ? rc : append_validation(b, c, judged, &gates, result, err);
}

enum rc build_read_validation(struct build *b, struct build_candidate *c, const struct json *result,
                              struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { .limit = MANIFEST_NUMBERS_MAX };
    const struct json *calibration = json_find(result, "calibration");
    const struct json *mean = json_find(result, merit_name(b));
    const struct json *meets = json_find(result, "meets_gates");
    struct decide_calibration *read;

    if (!calibration || !mean || !json_to_double(mean, &c->merit) || !meets)
        return err_set(err, RC_CORRUPT, "the build's journal has no validation");
    c->meets_gates = meets->boolean;
    json_append(&text, calibration);
    enum rc rc = buf_rc(&text, "calibration", err);
    if (rc == RC_OK)
        rc = version_parse_calibration(buf_str(&text), b->spec, &b->arena, &read, err);
    if (rc)
        return rc;
    memcpy(c->calibration, read, b->spec->n_fields * sizeof(*read));
    return RC_OK;
}

enum rc build_validate(struct build *b, enum spec_candidate kind, struct err *err)
{
    struct build_candidate *c = &b->candidates[kind];
    struct json *result = NULL;
    char name[32];

    snprintf(name, sizeof(name), "validate.%s", candidate_name(kind));
    enum rc rc = build_stage(b, name, kind, run_validate, &result, err);
    if (rc)
        return rc;
    c->validated = result;
    return build_read_validation(b, c, c->validated, err);
}

/* ---- choosing ---- */

static enum rc run_choose(struct build *b, enum spec_candidate kind, struct json_writer *result,
                          struct err *err)
{
    const struct build_candidate *best = NULL;

    (void)kind;
    for (size_t i = 0; i < BUILD_CANDIDATES; i++) { /* cheapest first */
        const struct build_candidate *c = &b->candidates[i];

        if (!c->trained || !c->eligible)
            continue;
        if (c->meets_gates) {
            best = c;
            break;
        }
        if (!best || c->merit > best->merit)
            best = c;
    }
    if (!best)
        return err_set(err, RC_INVALID, "the spec names no candidate that can be made");
    json_key(result, "candidate");
    json_i64(result, best - b->candidates);
    json_key(result, "meets_gates");
    json_bool(result, best->meets_gates);
    return RC_OK;
}

enum rc build_choose(struct build *b, struct err *err)
{
    struct json *result = NULL;
    int64_t chosen = -1;
    enum rc rc = build_stage(b, "choose", 0, run_choose, &result, err);

    if (rc)
        return rc;
    const struct json *v = json_find(result, "candidate");
    if (!v || !json_to_i64(v, &chosen) || chosen < 0 || chosen >= BUILD_CANDIDATES ||
        !b->candidates[chosen].trained)
        return err_set(err, RC_CORRUPT, "the build's journal has no choice");
    b->chosen = (enum spec_candidate)chosen;
    return RC_OK;
}
