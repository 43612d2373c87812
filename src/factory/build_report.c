/*
 * build_report.c - everything that was measured, as one JSON object:
 *
 *   {"format":"shoal-report/1","slm","build","candidate","accepted","reasons":[],
 *    "dataset","card","rows":{"train","validation","test","train_left_out"},
 *    "candidates":{"linear":{"adapter","eligible","loss_per_token","validation":{...}},...},
 *    "test":{"coverage","rule_violations","fields":{F:{scores,"classes":[],"confusion":[[]],
 *            "reliability":[],"floors":{"majority":{...},...}}},
 *            "text":{scores,"floors":{"prompted":{...},...},"rows":[{"id","first_attempt","text",
 *                    "reason","written"}]},
 *            or
 * "written":{scores,"floors","rows":[{"id","first_attempt","answer":{F:text},"reason",
 *                    "data":{F:text}}]},
 *            "slices":{S:{"rows","fields":{F:{scores,"floors"}}}}},
 *    "gates":[{"metric","field","slice","met","value","text"}]}
 *
 * "train_left_out", of an output that is written, counts the training rows that teach nothing: what
 * they have does not stand in their input. "met" of a gate is null when there was nothing to
 * compare with. A confusion row is a true label, its columns the answers, the last one "no answer";
 * sets have none. Scores are led by macro-F1, those of sets by set-F1: that one has an interval,
 * and gains. "text" is there when the output is one, "written" when several fields are: what was
 * answered beside what the data has, of the first TEXTS_MAX rows; "text", or "answer", of a row
 * without an answer is null, and "reason" says why. A written field that has a value to agree with
 * has accuracy and precision alone.
 */
#include "factory/build_internal.h"

#include <math.h>

enum { TEXTS_MAX = 200 };

static void put(struct json_writer *w, const char *key, double value)
{
    json_key(w, key);
    json_double(w, value);
}

static void put_count(struct json_writer *w, const char *key, size_t n)
{
    json_key(w, key);
    json_i64(w, (int64_t)n);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_text(w, text);
}

static void put_interval(struct json_writer *w, const char *key, struct evaluate_interval interval)
{
    json_key(w, key);
    json_begin_array(w);
    json_double(w, interval.low);
    json_double(w, interval.high);
    json_end_array(w);
}

static enum evaluate_metric leading_score(const struct judge_rows *rows, size_t field)
{
    return rows->spec->fields[field].is_set ? EVALUATE_SET_F1 : EVALUATE_MACRO_F1;
}

/* The score that a field is led by: with its interval, and named. */
static enum rc append_leading(struct json_writer *w, const struct judge_rows *rows,
                              const struct judged *judged, size_t field, struct arena *arena,
                              struct err *err)
{
    bool is_set = rows->spec->fields[field].is_set;
    struct evaluate_rows alone = judge_pair(rows, judged, NULL, field);
    struct evaluate_interval interval;
    double value = 0.0;
    enum rc rc = judge_score(rows, judged, leading_score(rows, field), field, arena, &value, err);

    if (rc == RC_OK)
        rc = evaluate_bootstrap(&alone, leading_score(rows, field), 1, arena, &interval, err);
    if (rc)
        return rc;
    put(w, is_set ? "set_f1" : "macro_f1", value);
    put_interval(w, is_set ? "set_f1_interval" : "macro_f1_interval", interval);
    return RC_OK;
}

enum rc build_append_scores(struct json_writer *w, const struct judge_rows *rows,
                            const struct judged *judged, size_t field, struct arena *arena,
                            struct err *err)
{
    struct evaluate_rows pair = judge_pair(rows, judged, NULL, field);
    bool is_set = rows->spec->fields[field].is_set;
    struct evaluate_interval balanced = { 0 };
    double accuracy = 0.0, other = 0.0, ece = 0.0;
    enum rc rc = append_leading(w, rows, judged, field, arena, err);
    size_t n_right = 0;

    if (rc == RC_OK)
        rc = judge_metric(rows, judged, SPEC_ACCURACY, field, arena, &accuracy, err);
    if (rc == RC_OK)
        rc = judge_metric(rows, judged, is_set ? SPEC_MACRO_F1 : SPEC_BALANCED_ACCURACY, field,
                          arena, &other, err);
    if (rc == RC_OK && !is_set)
        rc = evaluate_bootstrap(&pair, EVALUATE_BALANCED_ACCURACY, 1, arena, &balanced, err);
    if (rc == RC_OK)
        rc = judge_metric(rows, judged, SPEC_ECE, field, arena, &ece, err);
    if (rc)
        return rc;
    put(w, is_set ? "macro_f1" : "balanced_accuracy", other);
    if (!is_set)
        put_interval(w, "balanced_accuracy_interval", balanced);
    for (size_t i = 0; i < rows->n; i++)
        n_right += pair.a[i] == pair.truth[i];
    put(w, "accuracy", accuracy);
    put_interval(w, "accuracy_interval", evaluate_wilson(n_right, rows->n));
    put(w, "ece", ece);
    n_right = judge_count_right(rows, judged, field);
    put(w, "precision", judged->n_given ? (double)n_right / (double)judged->n_given : 0.0);
    if (judged->n_given > 0)
        put_interval(w, "precision_interval", evaluate_wilson(n_right, judged->n_given));
    return RC_OK;
}

static enum rc append_classes(struct json_writer *w, const struct judge_rows *rows,
                              const struct judged *judged, size_t field, struct arena *arena,
                              struct err *err)
{
    const struct spec_field *f = &rows->spec->fields[field];
    struct evaluate_rows pair = judge_pair(rows, judged, NULL, field);
    struct evaluate_tally confusion;
    enum rc rc = evaluate_tally_init(f->n_labels, f->is_set, arena, &confusion, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < rows->n; i++)
        evaluate_tally_add(&confusion, pair.truth[i], pair.a[i]);
    json_key(w, "classes");
    json_begin_array(w);
    for (size_t k = 0; k < f->n_labels; k++) {
        struct evaluate_class c = evaluate_class_of(&confusion, k);

        json_begin_object(w);
        json_key(w, "label");
        json_string(w, f->labels[k].text);
        put_count(w, "rows", c.n_rows);
        put(w, "precision", c.precision);
        put(w, "recall", c.recall);
        put(w, "f1", c.f1);
        json_end_object(w);
    }
    json_end_array(w);
    if (f->is_set)
        return RC_OK;
    json_key(w, "confusion");
    json_begin_array(w);
    for (size_t truth = 0; truth < f->n_labels; truth++) {
        json_begin_array(w);
        for (size_t answer = 0; answer <= f->n_labels; answer++)
            json_i64(w, (int64_t)confusion.counts[truth * (f->n_labels + 1) + answer]);
        json_end_array(w);
    }
    json_end_array(w);
    return RC_OK;
}

static enum rc append_reliability(struct json_writer *w, const struct judge_rows *rows,
                                  const struct judged *judged, size_t field, struct arena *arena,
                                  struct err *err)
{
    struct evaluate_bin bins[EVALUATE_BINS];
    double ece = 0.0;
    enum rc rc = judge_reliability(rows, judged, field, arena, bins, &ece, err);

    if (rc)
        return rc;
    json_key(w, "reliability");
    json_begin_array(w);
    for (size_t i = 0; i < EVALUATE_BINS; i++) {
        json_begin_object(w);
        put_count(w, "rows", bins[i].n);
        put(w, "confidence", bins[i].confidence);
        put(w, "right", bins[i].n ? (double)bins[i].n_right / (double)bins[i].n : 0.0);
        json_end_object(w);
    }
    json_end_array(w);
    return RC_OK;
}

/* One floor: its own scores, and how much better the version is, paired. */
static enum rc append_floor(struct json_writer *w, const char *name, const struct judge_rows *rows,
                            const struct judged *judged, const struct judged *floor, size_t field,
                            struct arena *arena, struct err *err)
{
    struct evaluate_rows pair = judge_pair(rows, judged, floor, field);
    struct evaluate_pair gain;
    double accuracy = 0.0;
    enum rc rc = evaluate_compare(&pair, leading_score(rows, field), 1, arena, &gain, err);

    if (rc == RC_OK)
        rc = judge_metric(rows, floor, SPEC_ACCURACY, field, arena, &accuracy, err);
    if (rc)
        return rc;
    json_key(w, name);
    json_begin_object(w);
    rc = append_leading(w, rows, floor, field, arena, err);
    put(w, "accuracy", accuracy);
    put(w, "gain", gain.difference);
    put_interval(w, "gain_interval", gain.interval);
    put_count(w, "only_version_right", gain.n_only_a);
    put_count(w, "only_floor_right", gain.n_only_b);
    put(w, "mcnemar_p", gain.p_value);
    json_end_object(w);
    return rc;
}

static enum rc append_floors(struct json_writer *w, const struct judge_rows *rows,
                             const struct judged *judged, const struct gate_floors *all,
                             size_t field, struct arena *arena, struct err *err)
{
    const struct {
        const char *name;
        const struct judged *judged;
    } floors[] = { { "majority", all->majority },
                   { "rules", all->rules },
                   { "linear", all->linear },
                   { "production", all->production } };
    enum rc rc = RC_OK;

    json_key(w, "floors");
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_LEN(floors) && rc == RC_OK; i++)
        if (floors[i].judged)
            rc = append_floor(w, floors[i].name, rows, judged, floors[i].judged, field, arena, err);
    json_end_object(w);
    return rc;
}

/* ---- an output that is written ---- */

/* How often the first attempt was the answer. */
static void put_shares(struct json_writer *w, const struct judge_rows *rows,
                       const struct judged *judged, size_t column)
{
    size_t n_first = 0;

    for (size_t i = 0; i < rows->n; i++)
        n_first += judged->answers[column * rows->n + i];
    put(w, "first_attempt", (double)n_first / (double)rows->n);
    put_interval(w, "first_attempt_interval", evaluate_wilson(n_first, rows->n));
    put(w, "coverage", (double)judged->n_given / (double)rows->n);
}

/* The scores of a column of what is written: put_shares() or put_value_scores(). */
typedef void put_scores_fn(struct json_writer *w, const struct judge_rows *rows,
                           const struct judged *judged, size_t column);

static enum rc append_written_floor(struct json_writer *w, const char *name,
                                    const struct judge_rows *rows, const struct judged *judged,
                                    const struct judged *floor, size_t column,
                                    put_scores_fn *put_scores, struct arena *arena, struct err *err)
{
    struct evaluate_pair gain;

    if (!floor)
        return RC_OK;
    struct evaluate_rows pair = judge_pair(rows, judged, floor, column);
    enum rc rc = evaluate_compare(&pair, EVALUATE_ACCURACY, 1, arena, &gain, err);
    if (rc)
        return rc;
    json_key(w, name);
    json_begin_object(w);
    put_scores(w, rows, floor, column);
    put(w, "gain", gain.difference);
    put_interval(w, "gain_interval", gain.interval);
    put(w, "mcnemar_p", gain.p_value);
    json_end_object(w);
    return RC_OK;
}

/* The version's scores of a column, and those of its floors. */
static enum rc append_written_scores(struct json_writer *w, const struct judge_rows *rows,
                                     const struct judged *judged, const struct gate_floors *floors,
                                     size_t column, put_scores_fn *put_scores, struct arena *arena,
                                     struct err *err)
{
    put_scores(w, rows, judged, column);
    json_key(w, "floors");
    json_begin_object(w);
    enum rc rc = append_written_floor(w, "prompted", rows, judged, floors->prompted, column,
                                      put_scores, arena, err);
    if (rc == RC_OK)
        rc = append_written_floor(w, "production", rows, judged, floors->production, column,
                                  put_scores, arena, err);
    json_end_object(w);
    return rc;
}

static void put_value(struct json_writer *w, struct str value)
{
    if (value.at)
        json_string(w, value);
    else
        json_null(w);
}

/* Of row i: fields (n_open, n) by name. */
static void put_values(struct json_writer *w, const char *key, const struct judge_rows *rows,
                       const struct str *fields, size_t i)
{
    json_key(w, key);
    json_begin_object(w);
    for (size_t o = 0; o < rows->spec->n_open; o++) {
        json_key_str(w, rows->spec->open[o].name);
        put_value(w, fields[o * rows->n + i]);
    }
    json_end_object(w);
}

static void append_written_rows(struct json_writer *w, const struct judge_rows *rows,
                                const struct judged *judged)
{
    json_key(w, "rows");
    json_begin_array(w);
    for (size_t i = 0; i < rows->n && i < TEXTS_MAX; i++) {
        json_begin_object(w);
        json_key(w, "id");
        json_string(w, rows->ids[i]);
        json_key(w, "first_attempt");
        json_bool(w, judged->answers[judge_first_attempt(rows->spec) * rows->n + i]);
        if (judged->given[i]) {
            put_values(w, "answer", rows, judged->texts, i);
        } else {
            json_key(w, "answer");
            json_null(w);
        }
        json_key(w, "reason");
        json_string(w, judged->reasons[i]);
        put_values(w, "data", rows, rows->written, i);
        json_end_object(w);
    }
    json_end_array(w);
}

static void append_text_rows(struct json_writer *w, const struct judge_rows *rows,
                             const struct judged *judged)
{
    json_key(w, "rows");
    json_begin_array(w);
    for (size_t i = 0; i < rows->n && i < TEXTS_MAX; i++) {
        json_begin_object(w);
        json_key(w, "id");
        json_string(w, rows->ids[i]);
        json_key(w, "first_attempt");
        json_bool(w, judged->answers[i]);
        json_key(w, "text");
        if (judged->given[i])
            json_string(w, judged->texts[i]);
        else
            json_null(w);
        json_key(w, "reason");
        json_string(w, judged->reasons[i]);
        json_key(w, "written");
        json_string(w, rows->written[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

static enum rc append_text(struct build *b, struct json_writer *w, const struct build_judgement *j,
                           struct err *err)
{
    if (!spec_writes(b->spec))
        return RC_OK;
    json_key(w, spec_is_text(b->spec) ? "text" : "written");
    json_begin_object(w);
    json_key(w, "field");
    json_string(w, spec_is_text(b->spec) ? b->spec->open[0].name : STR("output"));
    enum rc rc = append_written_scores(w, j->rows, j->judged, j->floors,
                                       judge_first_attempt(b->spec), put_shares, &b->arena, err);
    if (spec_is_text(b->spec))
        append_text_rows(w, j->rows, j->judged);
    else
        append_written_rows(w, j->rows, j->judged);
    json_end_object(w);
    return rc;
}

/* Of a written field that has a value: how often it was right. */
static void put_value_scores(struct json_writer *w, const struct judge_rows *rows,
                             const struct judged *judged, size_t column)
{
    struct evaluate_rows alone = judge_pair(rows, judged, NULL, column);
    size_t n_right = 0;

    for (size_t i = 0; i < rows->n; i++)
        n_right += alone.a[i] == alone.truth[i];
    put(w, "accuracy", rows->n ? (double)n_right / (double)rows->n : 0.0);
    put_interval(w, "accuracy_interval", evaluate_wilson(n_right, rows->n));
    put(w, "precision", judged->n_given ? (double)n_right / (double)judged->n_given : 0.0);
    if (judged->n_given > 0)
        put_interval(w, "precision_interval", evaluate_wilson(n_right, judged->n_given));
}

/* The written fields that have a value, of all rows or of a slice. */
static enum rc append_values(struct json_writer *w, const struct judge_rows *rows,
                             const struct judged *judged, const struct gate_floors *floors,
                             struct arena *arena, struct err *err)
{
    const struct spec *spec = rows->spec;
    enum rc rc = RC_OK;

    for (size_t o = 0; o < spec->n_valued && rc == RC_OK; o++) {
        size_t column = spec->n_fields + o;

        json_key_str(w, spec->open[o].name);
        json_begin_object(w);
        rc = append_written_scores(w, rows, judged, floors, column, put_value_scores, arena, err);
        json_end_object(w);
    }
    return rc;
}

static enum rc append_slice(struct build *b, struct json_writer *w, const struct build_judgement *j,
                            size_t slice, struct err *err)
{
    struct judge_rows rows;
    const struct judged *judged = NULL;
    struct gate_floors floors;
    enum rc rc = judge_slice_rows(j->rows, slice, &b->arena, &rows, err);

    if (rc == RC_OK)
        rc = judge_slice_answers(j->rows, slice, j->judged, &b->arena, &judged, err);
    if (rc == RC_OK)
        rc = gate_slice_floors(j->rows, slice, j->floors, &b->arena, &floors, err);
    if (rc)
        return rc;
    json_key_str(w, b->spec->slices[slice].name.text);
    json_begin_object(w);
    put_count(w, "rows", rows.n);
    json_key(w, "fields");
    json_begin_object(w);
    for (size_t f = 0; f < b->spec->n_fields && rc == RC_OK && rows.n > 0; f++) {
        json_key_str(w, b->spec->fields[f].name);
        json_begin_object(w);
        rc = build_append_scores(w, &rows, judged, f, &b->arena, err);
        if (rc == RC_OK)
            rc = append_floors(w, &rows, judged, &floors, f, &b->arena, err);
        json_end_object(w);
    }
    if (rc == RC_OK && rows.n > 0)
        rc = append_values(w, &rows, judged, &floors, &b->arena, err);
    json_end_object(w);
    json_end_object(w);
    return rc;
}

static enum rc append_slices(struct build *b, struct json_writer *w,
                             const struct build_judgement *j, struct err *err)
{
    enum rc rc = RC_OK;

    if (b->spec->n_slices == 0)
        return RC_OK;
    json_key(w, "slices");
    json_begin_object(w);
    for (size_t s = 0; s < b->spec->n_slices && rc == RC_OK; s++)
        rc = append_slice(b, w, j, s, err);
    json_end_object(w);
    return rc;
}

/* From the recorded validation, which may be of an earlier process. */
static bool validated_guarantee(const struct build_candidate *c, struct str name)
{
    const struct json *fields = json_find(c->validated, "fields");

    for (size_t i = 0; fields && i < fields->n; i++) {
        const struct json *v = json_find(&fields->members[i].value, "precision_is_guaranteed");

        if (v && str_equal(fields->members[i].key, name))
            return v->boolean;
    }
    return false;
}

static enum rc append_test(struct build *b, struct json_writer *w, const struct build_judgement *j,
                           struct err *err)
{
    const struct build_candidate *chosen = &b->candidates[b->chosen];
    enum rc rc = RC_OK;

    json_key(w, "test");
    json_begin_object(w);
    put(w, "coverage", (double)j->judged->n_given / (double)j->rows->n);
    put_interval(w, "coverage_interval", evaluate_wilson(j->judged->n_given, j->rows->n));
    put_count(w, "rule_violations", j->judged->n_violations);
    json_key(w, "fields");
    json_begin_object(w);
    for (size_t f = 0; f < b->spec->n_fields && rc == RC_OK; f++) {
        json_key_str(w, b->spec->fields[f].name);
        json_begin_object(w);
        put(w, "temperature", chosen->calibration[f].temperature);
        put(w, "threshold", chosen->calibration[f].threshold);
        json_key(w, "precision_is_guaranteed");
        json_bool(w, validated_guarantee(chosen, b->spec->fields[f].name));
        rc = build_append_scores(w, j->rows, j->judged, f, &b->arena, err);
        if (rc == RC_OK)
            rc = append_floors(w, j->rows, j->judged, j->floors, f, &b->arena, err);
        if (rc == RC_OK)
            rc = append_classes(w, j->rows, j->judged, f, &b->arena, err);
        if (rc == RC_OK)
            rc = append_reliability(w, j->rows, j->judged, f, &b->arena, err);
        json_end_object(w);
    }
    if (rc == RC_OK)
        rc = append_values(w, j->rows, j->judged, j->floors, &b->arena, err);
    json_end_object(w);
    if (rc == RC_OK)
        rc = append_text(b, w, j, err);
    if (rc == RC_OK)
        rc = append_slices(b, w, j, err);
    json_end_object(w);
    return rc;
}

static void append_candidates(struct build *b, struct json_writer *w)
{
    json_key(w, "candidates");
    json_begin_object(w);
    for (enum spec_candidate kind = SPEC_LINEAR; kind <= SPEC_LORA; kind++) {
        const struct build_candidate *c = &b->candidates[kind];

        if (!c->trained)
            continue;
        json_key(w, candidate_name(kind));
        json_begin_object(w);
        put_text(w, "adapter", c->adapter.hex);
        json_key(w, "eligible");
        json_bool(w, c->eligible);
        if (!isnan(c->loss))
            put(w, "loss_per_token", c->loss);
        if (c->validated) {
            json_key(w, "validation");
            json_value(w, c->validated);
        }
        json_end_object(w);
    }
    json_end_object(w);
}

static void append_gates(struct json_writer *w, const struct gate_report *gates)
{
    json_key(w, "gates");
    json_begin_array(w);
    for (size_t i = 0; i < gates->n; i++) {
        const struct gate_result *g = &gates->results[i];

        json_begin_object(w);
        put_text(w, "metric", g->metric);
        json_key(w, "field");
        json_string(w, g->field);
        json_key(w, "slice");
        json_string(w, g->slice);
        json_key(w, "met");
        if (g->outcome == GATE_UNCHECKED)
            json_null(w);
        else
            json_bool(w, g->outcome == GATE_MET);
        put(w, "value", g->value);
        json_key(w, "text");
        json_string(w, g->text);
        json_end_object(w);
    }
    json_end_array(w);
}

static enum rc append_rows(struct build *b, struct json_writer *w, struct err *err)
{
    size_t n_train = dataset_count(b->dataset, SPEC_SPLIT_TRAIN);
    enum rc rc = spec_writes(b->spec) ? build_train_texts(b, err) : RC_OK;

    if (rc)
        return rc;

    put_text(w, "dataset", b->dataset_digest.hex);
    put_text(w, "card", b->card_digest.hex);
    json_key(w, "rows");
    json_begin_object(w);
    put_count(w, "train", n_train);
    put_count(w, "validation", dataset_count(b->dataset, SPEC_SPLIT_VALIDATION));
    put_count(w, "test", dataset_count(b->dataset, SPEC_SPLIT_TEST));
    if (spec_writes(b->spec))
        put_count(w, "train_left_out", n_train - b->train_texts.n);
    json_end_object(w);
    return RC_OK;
}

enum rc build_report(struct build *b, const struct build_judgement *judgement, struct buf *out,
                     struct err *err)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    put_text(&w, "format", "shoal-report/1");
    put_text(&w, "slm", b->slm);
    put_text(&w, "build", b->id.hex);
    put_text(&w, "candidate", candidate_name(b->chosen));
    json_key(&w, "accepted");
    json_bool(&w, judgement->accepted);
    json_key(&w, "reasons");
    json_begin_array(&w);
    for (size_t i = 0; i < judgement->n_reasons; i++)
        json_text(&w, judgement->reasons[i]);
    json_end_array(&w);
    enum rc rc = append_rows(b, &w, err);
    if (rc)
        return rc;
    append_candidates(b, &w);
    rc = append_test(b, &w, judgement, err);
    if (rc)
        return rc;
    append_gates(&w, judgement->gates);
    json_end_object(&w);
    return buf_rc(out, "report", err);
}
