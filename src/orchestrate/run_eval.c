/* run_eval.c - expressions over the values of a run. */
#include "orchestrate/run_internal.h"

#include "base/mem.h"

uint64_t run_hash(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

enum rc run_hash_closed(const struct schema *schema, const struct json *v, uint64_t *ret_hash,
                        struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    uint64_t hash = RUN_HASH_START;
    enum rc rc = RC_OK;

    buf_init(&text, RUN_BODY_MAX);
    for (size_t i = 0; !rc && i < schema->n_properties; i++) {
        const struct schema_property *p = &schema->properties[i];

        if (!spec_is_closed(&p->schema))
            continue;
        buf_append_str(&text, p->name);
        for (size_t m = 0; v->type == JSON_OBJECT && m < v->n; m++)
            if (str_equal(v->members[m].key, p->name))
                json_append(&text, &v->members[m].value);
        rc = buf_rc(&text, "the closed fields of an answer", err);
        if (!rc)
            hash = run_hash(hash, text.at, text.len + 1); /* with the NUL that ends it */
        buf_reset(&text);
    }
    *ret_hash = hash;
    return rc;
}

enum rc run_keep(struct run_value *value, struct str text, uint64_t closed, struct err *err)
{
    char *at = mem_alloc(text.len + 1);

    if (!at)
        return err_set(err, RC_NOMEM, "value of a run");
    memcpy(at, text.at ? text.at : "", text.len);
    run_drop(value);
    *value = (struct run_value){ at, text.len, closed };
    return RC_OK;
}

void run_drop(struct run_value *value)
{
    mem_free(value->at);
    *value = (struct run_value){ 0 };
}

struct run_value *run_value_of(struct run *run, struct str name)
{
    for (size_t i = 0; i < run->flow->n_names; i++)
        if (str_equal(run->flow->names[i].name, name))
            return &run->values[i];
    assert_fail("the name is one of the flow's", __FILE__, __LINE__);
}

/* ---- the names that an expression sees */

static enum rc value_of(const struct spec_name *name, const struct run_value *value,
                        struct arena *arena, struct feel_value *ret, struct err *err)
{
    struct json *json;

    *ret = (struct feel_value){ 0 };
    if (!value->at)
        return RC_OK;
    enum rc rc = json_parse((struct str){ value->at, value->len }, JSON_DUPLICATES_REFUSED, arena,
                            &json, err);
    if (rc)
        return rc;
    return name->schema ? schema_to_value(name->schema, json, arena, ret, err)
                        : feel_from_json(json, &name->type, arena, ret, err);
}

static enum rc make_context(const struct run *run, struct arena *arena, struct feel_value *ret,
                            struct err *err)
{
    size_t n = run->flow->n_names;
    struct feel_entry *entries = arena_array(arena, struct feel_entry, n);

    if (!entries)
        return arena_fail(arena, err, "names of a run");
    for (size_t i = 0; i < n; i++) {
        const struct spec_name *name = &run->flow->names[i];

        entries[i].key = name->name;
        enum rc rc = value_of(name, &run->values[i], arena, &entries[i].value, err);
        if (rc)
            return rc;
    }
    *ret = feel_context(entries, n);
    return RC_OK;
}

/* What is not a lack of memory is the expression's fault. */
static enum rc blame(enum rc rc, struct err *err)
{
    if (rc == RC_OK || rc == RC_NOMEM)
        return rc;
    err->code = RC_INVALID;
    return RC_INVALID;
}

enum rc run_eval(const struct run *run, const struct feel *feel, struct arena *arena,
                 struct feel_value *ret, struct err *err)
{
    const struct feel_limits limits = feel_limits_default();
    struct feel_diagnostics diagnostics;
    struct feel_value context;
    enum rc rc = make_context(run, arena, &context, err);

    if (!rc)
        rc = feel_eval(feel, &context, &limits, run->last_ms, arena, ret, &diagnostics, err);
    return blame(rc, err);
}

enum rc run_test(const struct run *run, const struct feel *feel, enum feel_truth *ret_truth,
                 struct err *err)
{
    struct feel_value value;
    struct arena arena;

    arena_init(&arena, RUN_WORK_BYTES_MAX);
    enum rc rc = run_eval(run, feel, &arena, &value, err);
    if (!rc)
        *ret_truth = feel_truth(&value);
    arena_release(&arena);
    return rc;
}

/* ---- templates */

static enum rc append(const struct run *run, const struct spec_template *t, bool keeps_nulls,
                      struct arena *arena, struct buf *out, struct err *err);

static enum rc append_list(const struct run *run, const struct spec_template *t, bool keeps_nulls,
                           struct arena *arena, struct buf *out, struct err *err)
{
    enum rc rc = RC_OK;

    buf_append_char(out, '[');
    for (size_t i = 0; !rc && i < t->n; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        rc = append(run, &t->items[i], keeps_nulls, arena, out, err);
    }
    buf_append_char(out, ']');
    return rc;
}

static enum rc append_object(const struct run *run, const struct spec_template *t, bool keeps_nulls,
                             struct arena *arena, struct buf *out, struct err *err)
{
    CLEANUP(buf_releasep) struct buf value = { .limit = out->limit };
    bool is_first = true;
    enum rc rc = RC_OK;

    buf_append_char(out, '{');
    for (size_t i = 0; !rc && i < t->n; i++) {
        buf_reset(&value);
        rc = append(run, &t->items[i], keeps_nulls, arena, &value, err);
        if (!keeps_nulls && str_is(buf_str(&value), "null"))
            continue;
        if (!is_first)
            buf_append_char(out, ',');
        is_first = false;
        json_append_string(out, t->json->members[i].key);
        buf_append_char(out, ':');
        buf_append_str(out, buf_str(&value));
    }
    buf_append_char(out, '}');
    return rc;
}

static enum rc append(const struct run *run, const struct spec_template *t, bool keeps_nulls,
                      struct arena *arena, struct buf *out, struct err *err)
{
    struct feel_value value;
    enum rc rc = RC_OK;

    if (t->n > 0 && t->json->type == JSON_OBJECT)
        return append_object(run, t, keeps_nulls, arena, out, err);
    if (t->n > 0)
        return append_list(run, t, keeps_nulls, arena, out, err);
    if (!t->feel) {
        json_append(out, t->json);
    } else {
        rc = run_eval(run, t->feel, arena, &value, err);
        if (!rc)
            feel_append_json(out, &value);
    }
    return rc ? rc : blame(buf_rc(out, "a value", err), err);
}

enum rc run_append_template(const struct run *run, const struct spec_template *t,
                            struct arena *arena, struct buf *out, struct err *err)
{
    return append(run, t, true, arena, out, err);
}

enum rc run_append_given(const struct run *run, const struct spec_template *t, struct arena *arena,
                         struct buf *out, struct err *err)
{
    return append(run, t, false, arena, out, err);
}

/* ---- time */

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar: years begin in March, so
 * that the leap day is the last one; 400 of them have 146,097 days. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool run_to_ms(const struct feel_value *v, int64_t *ret_ms)
{
    const struct feel_moment *m = &v->moment;

    if (v->kind != FEEL_DATE_TIME)
        return false;
    int64_t seconds =
        days_of(m->year, m->month, m->day) * 86400 + m->hour * 3600 + m->minute * 60 + m->second;
    if (m->zone != FEEL_ZONE_LOCAL)
        seconds -= m->offset_s;
    *ret_ms = seconds * 1000 + m->nanosecond / 1000000;
    return true;
}
