/* decide_write.c - an SLM that writes: its output, the judgement, one more, abstention.
 *
 * The first attempt is the best token at each place. The second goes back to where the first went
 * wrong: it keeps the sentences at the beginning of a text under which the broken rules still hold
 * (often all but one), and the fields before it, does not go on with the same token, and draws the
 * rest. So what was right is not drawn again, and a model that is sure of its mistake cannot repeat
 * it. When a rule asks for something that is missing no beginning holds, and all is drawn; so it is
 * where no text is written. */
#include "base/crypto.h"
#include "decide/decide_internal.h"

#include <string.h>

static const double RETRY_TEMPERATURE = 0.7;

enum { TEXT_BYTES_MAX = 1 << 20 };

/* The text of one row on its way. */
struct draft {
    const struct author *author;
    const struct decide_row *asked;
    struct decide_state *state;
    struct decide_result *result, before; /* before: any attempt */
    size_t n_names;                       /* in the scope, before what is written */
    struct author_request request;
    struct buf text;
    struct writer_result written;
    enum rc rc; /* of writing it */
    struct err why;
};

static void write_draft(void *context, size_t task, size_t worker)
{
    struct draft *d = ((struct draft **)context)[task];

    (void)worker;
    buf_reset(&d->text);
    d->rc = author_write(d->author, &d->request, &d->text, &d->written, &d->why);
}

/* The seed of the retry: an equal input has an equal second text. */
static enum rc seed_of(const struct json *input, uint64_t *ret_seed, struct err *err)
{
    CLEANUP(buf_releasep) struct buf bytes = { 0 };
    struct digest digest;

    buf_init(&bytes, TEXT_BYTES_MAX);
    json_append(&bytes, input);
    enum rc rc = buf_rc(&bytes, "input", err);
    if (rc == RC_OK)
        rc = sha256_of(bytes.at, bytes.len, &digest, err);
    *ret_seed = 0;
    for (size_t i = 0; rc == RC_OK && i < 16; i++)
        *ret_seed =
            *ret_seed * 16 + (uint64_t)(digest.hex[i] - (digest.hex[i] <= '9' ? '0' : 'a' - 10));
    return rc;
}

/* Of a text alone no more tokens than characters. */
static size_t most_tokens(const struct decider *decider)
{
    const struct spec *spec = decider->parts.spec;
    size_t n_most = AUTHOR_WRITTEN_MAX;

    if (spec_is_text(spec) && spec->open[0].schema->max_length < n_most)
        n_most = spec->open[0].schema->max_length;
    if (decider->parts.floor_tokens_max > 0 && decider->parts.floor_tokens_max < n_most)
        n_most = decider->parts.floor_tokens_max;
    return n_most + (n_most == 0);
}

/* The verdict is set when nothing can be written. */
static enum rc begin_draft(const struct decider *decider, const struct decide_row *asked,
                           struct decide_state *state, struct decide_result *result,
                           struct arena *arena, struct draft *d, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    enum rc rc = decide_form(spec, asked->input, arena, &state->form, err);

    if (rc == RC_OK)
        rc = decide_lacks(spec, state->form, arena, result, err);
    if (rc)
        return rc;
    *d = (struct draft){ .author = decider->parts.author,
                         .asked = asked,
                         .state = state,
                         .result = result,
                         .before = *result,
                         .n_names = state->scope.n };
    buf_init(&d->text, TEXT_BYTES_MAX);
    d->request = (struct author_request){
        .shown = state->shown,
        .form = &state->form->form,
        .max_tokens = most_tokens(decider),
    };
    return RC_OK;
}

static bool ends_sentence(struct str text, size_t at)
{
    bool is_mark = text.at[at] == '.' || text.at[at] == '!' || text.at[at] == '?';

    return is_mark && at + 1 < text.len && text.at[at + 1] == ' ';
}

/* Does a beginning of the text hold the rules that all of it breaks? The fields before it stand in
 * the scope. */
static enum rc holds(const struct decider *decider, struct draft *d, struct str beginning,
                     const bool *broken, bool *now_broken, bool *ret_holds, struct err *err)
{
    const struct spec *spec = decider->parts.spec;

    d->state->scope.n = d->n_names + spec->n_valued;
    decide_scope_add(&d->state->scope, spec->open[spec->n_valued].name, feel_string(beginning));
    enum rc rc = decide_broken_rules(decider, &d->state->scope, d->asked->now_ms, now_broken, err);
    *ret_holds = true;
    for (size_t r = 0; r < spec->n_rules; r++)
        *ret_holds &= !(broken[r] && now_broken[r]);
    return rc;
}

/* The longest run of sentences at the beginning that is worth keeping, may be empty. */
static enum rc find_kept(const struct decider *decider, struct draft *d, struct str text,
                         struct arena *arena, struct str *ret_kept, struct err *err)
{
    size_t n_rules = decider->parts.spec->n_rules;
    bool *broken = arena_array(arena, bool, n_rules),
         *now_broken = arena_array(arena, bool, n_rules);
    bool is_kept = false;

    if (!broken || !now_broken)
        return arena_fail(arena, err, "rules");
    for (size_t r = 0; r < n_rules; r++)
        broken[r] = true;
    enum rc rc = holds(decider, d, text, broken, now_broken, &is_kept, err);
    memcpy(broken, now_broken, n_rules * sizeof(broken[0]));
    *ret_kept = (struct str){ 0 };
    for (size_t end = text.len; rc == RC_OK && !is_kept && end-- > 0;) {
        if (!ends_sentence(text, end))
            continue;
        *ret_kept = (struct str){ text.at, end + 1 };
        rc = holds(decider, d, *ret_kept, broken, now_broken, &is_kept, err);
    }
    if (!is_kept)
        *ret_kept = (struct str){ 0 };
    return rc;
}

/* What the second attempt is asked for. whole: the first one, which is no answer; values: its
 * fields. */
static enum rc plan_retry(const struct decider *decider, struct draft *d, struct str whole,
                          const struct str *values, struct arena *arena, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    struct str kept = { 0 };
    enum rc rc = seed_of(d->asked->input, &d->request.seed, err);

    if (rc == RC_OK && d->result->verdict == DECIDE_RULES_CONFLICT && spec->n_valued < spec->n_open)
        rc = find_kept(decider, d, values[spec->n_valued], arena, &kept, err);
    d->request.temperature = RETRY_TEMPERATURE;
    d->request.begun = d->request.not_next = (struct str){ 0 };
    if (kept.len > 0) {
        d->request.begun = (struct str){ whole.at, (size_t)(str_end(kept) - whole.at) };
        d->request.not_next = (struct str){ str_end(kept), whole.len - d->request.begun.len };
    }
    return rc;
}

static enum rc refuse_unended(const struct decider *decider, const struct draft *d,
                              struct arena *arena, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    CLEANUP(buf_releasep) struct buf reason = { 0 };

    buf_init(&reason, DECIDE_SHOWN_BYTES_MAX);
    buf_printf(&reason, "'%.*s' did not end within %zu tokens",
               STR_ARG(spec_is_text(spec) ? spec->open[0].name : STR("output")),
               d->written.n_tokens);
    d->result->verdict = DECIDE_TEXT_REFUSED;
    return decide_copy_reason(&reason, arena, d->result, err);
}

/* The result of the row with what was written. *ret_again: and one more is to be. */
static enum rc judge_draft(const struct decider *decider, struct draft *d, size_t attempt,
                           struct arena *arena, bool *ret_again, struct err *err)
{
    struct str *values = arena_array(arena, struct str, decider->parts.spec->n_open);
    char *bytes = arena_strndup(arena, d->text.len ? d->text.at : "", d->text.len);
    struct decide_row asked = *d->asked;
    enum rc rc;

    *ret_again = false;
    if (!values || !bytes)
        return arena_fail(arena, err, "what is written");
    const struct str whole = { bytes, d->text.len };
    asked.texts = values;
    *d->result = d->before;
    d->state->scope.n = d->n_names;
    if (d->written.end == WRITER_ENDED && form_split(&d->state->form->form, whole, values))
        rc = decide_finish_row(decider, &asked, d->state, arena, d->result, err);
    else
        rc = refuse_unended(decider, d, arena, err);
    d->result->attempt = attempt;
    *ret_again =
        attempt == 1 && decider->parts.floor_tokens_max == 0 &&
        (d->result->verdict == DECIDE_TEXT_REFUSED || d->result->verdict == DECIDE_RULES_CONFLICT);
    return rc == RC_OK && *ret_again ? plan_retry(decider, d, whole, values, arena, err) : rc;
}

/* Writes the open drafts, and leaves open those that are to be written again. */
static enum rc write_round(const struct decider *decider, struct draft **open, size_t *n_open,
                           size_t attempt, struct pool *pool, struct arena *arena, struct err *err)
{
    size_t n_again = 0;
    enum rc rc = RC_OK;

    pool_run(pool, *n_open, write_draft, open);
    for (size_t i = 0; i < *n_open && rc == RC_OK; i++) {
        struct draft *d = open[i];
        bool again = false;

        rc = d->rc;
        if (rc == RC_OK)
            rc = judge_draft(decider, d, attempt, arena, &again, &d->why);
        if (rc)
            rc = decide_refuse(rc, &d->why, d->result, err);
        else if (again)
            open[n_again++] = d;
    }
    *n_open = n_again;
    return rc;
}

static enum rc write_drafts(const struct decider *decider, struct draft *drafts, size_t n,
                            struct pool *pool, struct arena *arena, struct err *err)
{
    struct draft **open = arena_array(arena, struct draft *, n);
    enum rc rc = RC_OK;

    if (!open)
        return arena_fail(arena, err, "texts");
    for (size_t i = 0; i < n; i++)
        open[i] = &drafts[i];
    for (size_t attempt = 1; attempt <= 2 && n > 0 && rc == RC_OK; attempt++)
        rc = write_round(decider, open, &n, attempt, pool, arena, err);
    return rc;
}

enum rc decide_write_rows(const struct decider *decider, const struct decide_row *rows,
                          struct decide_state *states, size_t n_rows, struct pool *pool,
                          struct arena *arena, struct decide_result *results, struct err *err)
{
    struct draft *drafts;
    struct err why;
    size_t n = 0;
    enum rc rc = RC_OK;

    if (!decider->parts.author)
        return RC_OK;
    drafts = arena_array(arena, struct draft, n_rows);
    if (!drafts)
        return arena_fail(arena, err, "texts");
    for (size_t i = 0; i < n_rows && rc == RC_OK; i++) {
        if (!states[i].is_written || results[i].verdict == DECIDE_REFUSED)
            continue;
        rc = begin_draft(decider, &rows[i], &states[i], &results[i], arena, &drafts[n], &why);
        if (rc)
            rc = decide_refuse(rc, &why, &results[i], err);
        else
            n += results[i].verdict != DECIDE_NOTHING_TO_COPY;
    }
    if (rc == RC_OK)
        rc = write_drafts(decider, drafts, n, pool, arena, err);
    for (size_t i = 0; i < n; i++)
        buf_release(&drafts[i].text);
    return rc;
}
