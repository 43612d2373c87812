#include "serve/body.h"

enum { CANONICAL_BYTES_MAX = 8 << 20 };

static void add(struct problems *problems, const char *code, const struct json *at,
                const char *message)
{
    problem_add(problems, PROBLEM_ERROR, code, BODY_FILE, at->line, at->column, "%s", message);
}

static void pick(const struct json_member *member, const struct body_member *members,
                 size_t n_members, const struct json **values, struct problems *problems)
{
    struct str names[BODY_MEMBERS_MAX];
    size_t i = 0;

    while (i < n_members && !str_is(member->key, members[i].name))
        i++;
    if (i == n_members) {
        for (size_t k = 0; k < n_members; k++)
            names[k] = str_of(members[k].name);
        problem_add(problems, PROBLEM_ERROR, "unknown_member", BODY_FILE, member->line,
                    member->column, "unknown member '%.*s'%s", STR_ARG(member->key),
                    problem_suggest(member->key, names, n_members, problems->arena));
    } else if (member->value.type != members[i].type) {
        problem_add(problems, PROBLEM_ERROR, "type", BODY_FILE, member->value.line,
                    member->value.column, "%s: expected %s, got %s", members[i].name,
                    json_type_name(members[i].type), json_type_name(member->value.type));
    } else {
        values[i] = &member->value;
    }
}

enum rc body_read(struct str text, const struct body_member *members, size_t n_members,
                  struct arena *arena, const struct json **values, struct problems *problems,
                  struct err *err)
{
    struct json *body;

    ASSERT(n_members <= BODY_MEMBERS_MAX);
    memset(values, 0, n_members * sizeof(*values));
    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &body, err);
    if (rc)
        return err_context(err, "body");
    if (body->type != JSON_OBJECT) {
        add(problems, "type", body, "expected an object");
        return problem_rc(problems, err);
    }
    for (size_t i = 0; i < body->n; i++)
        pick(&body->members[i], members, n_members, values, problems);
    for (size_t i = 0; i < n_members; i++)
        if (members[i].required && !json_find(body, members[i].name))
            problem_add(problems, PROBLEM_ERROR, "missing", BODY_FILE, body->line, body->column,
                        "'%s' is missing", members[i].name);
    return problem_rc(problems, err);
}

static bool is_key(struct str key)
{
    for (size_t i = 0; i < key.len; i++)
        if (key.at[i] < ' ' || key.at[i] > '~')
            return false;
    return key.len > 0 && key.len <= BODY_KEY_BYTES_MAX;
}

static void read_key(const struct json *body_key, struct str header_key, struct body_decision *d,
                     struct problems *problems)
{
    d->key = body_key ? body_key->text : header_key;
    if (d->key.at && !is_key(d->key))
        problem_add(problems, PROBLEM_ERROR, "idempotency_key", BODY_FILE, 0, 0,
                    "idempotency key: expected 1 to %d printable ASCII characters",
                    BODY_KEY_BYTES_MAX);
    else if (body_key && header_key.at && !str_equal(body_key->text, header_key))
        add(problems, "idempotency_key", body_key,
            "idempotency_key: differs from the header Idempotency-Key");
}

static enum rc digest_canonical(const struct json *v, struct digest *ret_digest, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };

    buf_init(&text, CANONICAL_BYTES_MAX);
    json_append_canonical(&text, v);
    enum rc rc = buf_rc(&text, "canonical input", err);
    if (rc)
        return rc;
    return sha256_of(text.at, text.len, ret_digest, err);
}

enum rc body_take_input(const struct json *input, struct str header_key,
                        struct body_decision *ret_decision, struct problems *problems,
                        struct err *err)
{
    struct body_decision decision = { .input = input };

    read_key(NULL, header_key, &decision, problems);
    enum rc rc = digest_canonical(input, &decision.input_digest, err);
    if (!rc)
        rc = problem_rc(problems, err);
    if (!rc)
        *ret_decision = decision;
    return rc;
}

enum rc body_read_decision(struct str text, struct str header_key, struct arena *arena,
                           struct body_decision *ret_decision, struct problems *problems,
                           struct err *err)
{
    static const struct body_member members[] = {
        { "input", JSON_OBJECT, true },
        { "idempotency_key", JSON_STRING, false },
    };
    const struct json *values[ARRAY_LEN(members)];
    struct body_decision decision = { 0 };

    enum rc rc = body_read(text, members, ARRAY_LEN(members), arena, values, problems, err);
    if (rc)
        return rc;
    read_key(values[1], header_key, &decision, problems);
    decision.input = values[0];
    if (decision.input)
        rc = digest_canonical(decision.input, &decision.input_digest, err);
    if (!rc)
        rc = problem_rc(problems, err);
    if (rc)
        return rc;
    *ret_decision = decision;
    return RC_OK;
}

enum rc body_read_feedback(struct str text, struct arena *arena, struct body_feedback *ret_feedback,
                           struct problems *problems, struct err *err)
{
    static const struct body_member members[] = {
        { "output", JSON_OBJECT, false },
        { "verdict", JSON_STRING, false },
        { "comment", JSON_STRING, false },
    };
    const struct json *values[ARRAY_LEN(members)];
    struct body_feedback feedback = { 0 };

    enum rc rc = body_read(text, members, ARRAY_LEN(members), arena, values, problems, err);
    if (rc)
        return rc;
    feedback.output = values[0];
    if (problems->n_errors == 0 && !values[0] == !values[1])
        problem_add(problems, PROBLEM_ERROR, "feedback", BODY_FILE, 0, 0,
                    "expected either 'output' or 'verdict'");
    if (values[1] && str_is(values[1]->text, "right"))
        feedback.verdict = BODY_RIGHT;
    else if (values[1] && str_is(values[1]->text, "wrong"))
        feedback.verdict = BODY_WRONG;
    else if (values[1])
        add(problems, "verdict", values[1], "verdict: expected 'right' or 'wrong'");
    if (values[2] && values[2]->text.len > BODY_COMMENT_BYTES_MAX)
        add(problems, "comment", values[2], "comment: longer than 4000 bytes");
    else if (values[2])
        feedback.comment = values[2]->text;
    rc = problem_rc(problems, err);
    if (rc)
        return rc;
    *ret_feedback = feedback;
    return RC_OK;
}
