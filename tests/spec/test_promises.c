/*
 * The must-rules of support/reply-draft are its closed list of promises. So: change a fact under a
 * reply that promises it, and a rule must break. Every row, the written ones of training too, every
 * promised fact, every change.
 */
#include "tests/spec/example_rows.h"

static const char dir[] = "examples/ecommerce/support/reply-draft";

/* A finding, and what it is changed into; said: the reply promises it in words of ours when it
 * says this, or the finding's own value when NULL. */
struct promised {
    const char *finding;
    const char *others[3];
    const char *said;
};

static const struct promised facts[] = {
    { "refund_amount", { "1.00 EUR", "14.4 EUR", "9014.40 EUR" }, NULL },
    { "refund_date", { "31 December 2026", "1 January 2027", "2 March 2026" }, NULL },
    { "credit_amount", { "1.00 EUR", "0.01 EUR", "5000.00 EUR" }, NULL },
    { "credit_date", { "31 December 2026", "1 January 2027", "2 March 2026" }, NULL },
    { "correct_total", { "1.00 EUR", "0.01 EUR", "77777.00 EUR" }, NULL },
    { "corrected_invoice", { "RR-00001", "RR-9", "INV-1" }, NULL },
    { "corrected_by", { "31 December 2026", "1 January 2027", "2 March 2026" }, NULL },
    { "delivery_date", { "31 December 2026", "1 January 2027", "2 March 2026" }, NULL },
    { "pickup_date", { "31 December 2026", "1 January 2027", "2 March 2026" }, NULL },
    { "return_until", { "31 December 2026", "1 January 2027", "2 March 2026" }, NULL },
    { "sla_due", { "31 December 2026", "1 January 2027, 09:00", "2 March 2026" }, NULL },
    { "contact", { "Hans Muster", "Petra", "Ines Wirth" }, NULL },
    { "remedy", { NULL }, "a" },
    { "invoice_decision", { NULL }, "a" },
};

static size_t n_mutations, n_caught;

static bool contains(struct str text, struct str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (memcmp(text.at + i, part.at, part.len) == 0)
            return true;
    return false;
}

/* The first rule that the row breaks with these findings; NULL: none. */
static const struct spec_rule *broken_rule(struct example *e, const struct json *row,
                                           const struct json *findings)
{
    const struct json *in = json_find(row, "input");
    struct json changed = *in;

    changed.members = arena_array(&e->arena, struct json_member, in->n);
    assert_non_null(changed.members);
    memcpy(changed.members, in->members, in->n * sizeof(*in->members));
    for (size_t i = 0; i < in->n; i++)
        if (str_is(in->members[i].key, "findings"))
            changed.members[i].value = *findings;
    struct feel_value context = example_read(e, &changed, json_find(row, "output"));
    for (size_t i = 0; i < e->spec->n_rules; i++)
        if (!example_keeps(e, &e->spec->rules[i], &context))
            return &e->spec->rules[i];
    return NULL;
}

/* The findings with one of them replaced, or left out when v is NULL. */
static struct json *with(struct example *e, const struct json *findings, const char *name,
                         const struct json *v)
{
    struct json *copy = arena_new(&e->arena, struct json);

    assert_non_null(copy);
    *copy = *findings;
    copy->members = arena_array(&e->arena, struct json_member, findings->n + 1);
    assert_non_null(copy->members);
    copy->n = 0;
    for (size_t i = 0; i < findings->n; i++) {
        struct json_member member = findings->members[i];

        if (str_is(member.key, name)) {
            if (!v)
                continue;
            member.value = *v;
        }
        copy->members[copy->n++] = member;
    }
    return copy;
}

static void expect_caught(struct example *e, const struct json *row, const struct json *findings,
                          const char *line, const char *what)
{
    n_mutations++;
    if (broken_rule(e, row, findings))
        n_caught++;
    else
        print_message("# %s: the reply stands although %s changed\n", line, what);
}

static void change_each_fact(struct example *e, const struct json *row, const char *line)
{
    const struct json *findings = json_find(json_find(row, "input"), "findings");
    struct str reply = json_find(json_find(row, "output"), "reply")->text;

    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        const struct promised *fact = &facts[i];
        const struct json *v = json_find(findings, fact->finding);

        if (!v || !contains(reply, fact->said ? str_of(fact->said) : v->text))
            continue;
        expect_caught(e, row, with(e, findings, fact->finding, NULL), line, fact->finding);
        for (size_t o = 0; o < ARRAY_LEN(fact->others) && fact->others[o]; o++) {
            const struct json other = { .type = JSON_STRING, .text = str_of(fact->others[o]) };

            if (str_equal(other.text, v->text))
                continue;
            expect_caught(e, row, with(e, findings, fact->finding, &other), line, fact->finding);
        }
    }
}

static void take_back_each_deed(struct example *e, const struct json *row, const char *line)
{
    const struct json *findings = json_find(json_find(row, "input"), "findings");
    const struct json *done = json_find(findings, "done");

    for (size_t i = 0; done && i < done->n; i++) {
        struct json fewer = *done;

        fewer.n = 0;
        fewer.items = arena_array(&e->arena, struct json, done->n);
        assert_non_null(fewer.items);
        for (size_t j = 0; j < done->n; j++)
            if (j != i)
                fewer.items[fewer.n++] = done->items[j];
        expect_caught(e, row, with(e, findings, "done", &fewer), line, "a deed");
    }
}

/* approved <-> rejected, and every remedy by every other. */
static void turn_each_decision(struct example *e, const struct json *row, const char *line)
{
    static const char *const choices[][2] = {
        { "invoice_decision", "approved" }, { "invoice_decision", "rejected" },
        { "remedy", "replacement" },        { "remedy", "repair" },
        { "remedy", "spare_part" },
    };
    const struct json *findings = json_find(json_find(row, "input"), "findings");

    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        const struct json *v = json_find(findings, choices[i][0]);
        const struct json other = { .type = JSON_STRING, .text = str_of(choices[i][1]) };

        if (v && !str_equal(v->text, other.text))
            expect_caught(e, row, with(e, findings, choices[i][0], &other), line, choices[i][0]);
    }
}

/* Each date under the name of each other: "in your account by" is no "will arrive by". */
static void swap_the_dates(struct example *e, const struct json *row, const char *line)
{
    static const char *const dates[] = { "refund_date",   "credit_date", "corrected_by",
                                         "delivery_date", "pickup_date", "sla_due" };
    const struct json *findings = json_find(json_find(row, "input"), "findings");

    for (size_t i = 0; i < ARRAY_LEN(dates); i++)
        for (size_t j = 0; j < i; j++) {
            const struct json *a = json_find(findings, dates[i]),
                              *b = json_find(findings, dates[j]);

            if (!a || !b || str_equal(a->text, b->text))
                continue;
            expect_caught(e, row, with(e, with(e, findings, dates[i], b), dates[j], a), line,
                          dates[i]);
        }
}

static void every_mutation_of_a_promised_fact_breaks_a_rule(void **state)
{
    static void (*const mutate[])(struct example *, const struct json *,
                                  const char *) = { change_each_fact, take_back_each_deed,
                                                    turn_each_decision, swap_the_dates };
    char written[4096];
    struct example e;
    (void)state;

    example_open(&e, dir);
    test_source_path("examples/ecommerce/support/reply-draft/data/train.jsonl", written);
    for (size_t i = 0; i < ARRAY_LEN(mutate); i++) {
        example_each(&e, written, mutate[i]);
        example_each_row(&e, mutate[i]);
    }
    print_message("# %zu of %zu mutations caught\n", n_caught, n_mutations);
    assert_true(n_mutations > 2800);
    assert_int_equal(n_caught, n_mutations);
    example_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mutation_of_a_promised_fact_breaks_a_rule),
    };
    return cmocka_run_group_tests_name("spec/promises", tests, NULL, NULL);
}
