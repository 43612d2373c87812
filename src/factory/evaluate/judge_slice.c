/* judge_slice.c - parts of the rows, judged apart. */
#include "factory/evaluate/judge.h"

enum { ROW_BYTES_MAX = 16 << 20 };

static enum rc make_row(const struct spec *spec, const struct json *input, const struct json *tags,
                        const uint32_t *values, struct arena *arena, struct feel_value *ret_row,
                        struct err *err)
{
    const struct feel_type any = { .kind = FEEL_ANY };
    struct feel_entry *row = arena_array(arena, struct feel_entry, 3);
    struct feel_entry *output = arena_array(arena, struct feel_entry, spec->n_fields);
    struct feel_value *room =
        arena_array(arena, struct feel_value, spec->n_fields * SPEC_MEMBERS_MAX);

    if (!row || !output || !room)
        return arena_fail(arena, err, "row");
    row[0].key = STR("input");
    enum rc rc = schema_to_value(&spec->input, input, arena, &row[0].value, err);
    if (rc)
        return rc;
    for (size_t f = 0; f < spec->n_fields; f++)
        output[f] = (struct feel_entry){ spec->fields[f].name,
                                         spec_feel_value(&spec->fields[f], values[f],
                                                         room + f * SPEC_MEMBERS_MAX) };
    row[1] = (struct feel_entry){ STR("output"), feel_context(output, spec->n_fields) };
    row[2] = (struct feel_entry){ STR("tags"), feel_context(NULL, 0) };
    if (tags) {
        rc = feel_from_json(tags, &any, arena, &row[2].value, err);
        if (rc)
            return rc;
    }
    *ret_row = feel_context(row, 3);
    return RC_OK;
}

enum rc judge_is_in_slice(const struct spec *spec, const struct spec_slice *slice,
                          const struct json *input, const struct json *tags, const uint32_t *values,
                          int64_t now_ms, bool *ret_is_in, struct err *err)
{
    const struct feel_limits limits = feel_limits_default();
    struct feel_diagnostics diagnostics;
    struct feel_value row, is_in;
    struct arena arena;

    arena_init(&arena, ROW_BYTES_MAX);
    enum rc rc = make_row(spec, input, tags, values, &arena, &row, err);
    if (rc == RC_OK)
        rc = feel_eval(slice->feel, &row, &limits, now_ms, &arena, &is_in, &diagnostics, err);
    if (rc == RC_OK)
        *ret_is_in = feel_truth(&is_in) == FEEL_TRUE;
    arena_release(&arena);
    return rc ? err_context(err, "slice '%.*s'", STR_ARG(slice->name.text)) : RC_OK;
}

static size_t count(const bool *in, size_t n)
{
    size_t n_in = 0;

    for (size_t i = 0; i < n; i++)
        n_in += in[i];
    return n_in;
}

enum rc judge_slice_rows(const struct judge_rows *rows, size_t slice, struct arena *arena,
                         struct judge_rows *ret_rows, struct err *err)
{
    const bool *in = rows->in_slice + slice * rows->n;
    size_t n_columns = judge_n_columns(rows->spec), at = 0;
    struct judge_rows part = { .spec = rows->spec, .n = count(in, rows->n) };

    part.rows = arena_array(arena, struct decide_row, part.n + 1);
    part.truth = arena_array(arena, uint32_t, n_columns * part.n + 1);
    if (!part.rows || !part.truth)
        return arena_fail(arena, err, "rows of a slice");
    for (size_t i = 0; i < rows->n; i++) {
        if (!in[i])
            continue;
        part.rows[at] = rows->rows[i];
        for (size_t c = 0; c < n_columns; c++)
            part.truth[c * part.n + at] = rows->truth[c * rows->n + i];
        at++;
    }
    *ret_rows = part;
    return RC_OK;
}

enum rc judge_slice_answers(const struct judge_rows *rows, size_t slice,
                            const struct judged *judged, struct arena *arena,
                            const struct judged **ret_judged, struct err *err)
{
    const bool *in = rows->in_slice + slice * rows->n;
    size_t n_fields = rows->spec->n_fields, n_columns = judge_n_columns(rows->spec);
    size_t n = count(in, rows->n), at = 0;

    *ret_judged = NULL;
    if (!judged)
        return RC_OK;

    struct judged *part = arena_new(arena, struct judged);
    if (!part)
        return arena_fail(arena, err, "answers of a slice");
    part->n = n;
    part->answers = arena_array(arena, uint32_t, n_columns * n + 1);
    part->confidence = arena_array(arena, double, n_fields *n + 1);
    part->given = arena_array(arena, bool, n + 1);
    part->violates = arena_array(arena, bool, n + 1);
    if (!part->answers || !part->confidence || !part->given || !part->violates)
        return arena_fail(arena, err, "answers of a slice");
    for (size_t i = 0; i < rows->n; i++) {
        if (!in[i])
            continue;
        for (size_t c = 0; c < n_columns; c++)
            part->answers[c * n + at] = judged->answers[c * rows->n + i];
        for (size_t f = 0; f < n_fields; f++)
            part->confidence[f * n + at] = judged->confidence[f * rows->n + i];
        part->given[at] = judged->given[i];
        part->violates[at++] = judged->violates[i];
    }
    part->n_given = count(part->given, n);
    part->n_violations = count(part->violates, n);
    *ret_judged = part;
    return RC_OK;
}
