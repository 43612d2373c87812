#include "tests/support/test.h"

#include "base/buf.h"
#include "base/macros.h"
#include "engine/write/form.h"

static const struct str amounts[] = {
    { "9.00", 4 }, { "9", 1 }, { "1,234.50", 8 }, { "-9.00", 5 }
};
static const struct str kinds[] = { { "paid", 4 }, { "paid late", 9 } };
static const struct form_field fields[] = {
    { .name = { "company", 7 }, .kind = FORM_SPAN, .max_length = 14 },
    { .name = { "total", 5 }, .kind = FORM_LIST, .optional = true, .n_items = 4, .items = amounts },
    { .name = { "kind", 4 }, .kind = FORM_LIST, .n_items = 2, .items = kinds },
    { .name = { "note", 4 }, .kind = FORM_TEXT },
};

struct fixture {
    struct arena arena;
    struct copies copies;
    struct form form;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;
    const struct str sources[] = {
        STR("The Žaneta  & Co\n(Sdn) Bhd. pays, 41.90"),
        STR("Bhd co 41"),
    };

    arena_init(&f.arena, 1 << 20);
    *state = &f;
    f.form = (struct form){ ARRAY_LEN(fields), fields, &f.copies };
    return copies_new(sources, ARRAY_LEN(sources), NULL, 0, &f.arena, &f.copies, &f.err);
}

static int tear_down(void **state)
{
    arena_release(&((struct fixture *)*state)->arena);
    return 0;
}

/* The values with bars between them, "-" where there is none; NULL: it is no such form. */
static const char *split(struct fixture *f, const char *whole)
{
    struct str values[ARRAY_LEN(fields)];
    struct buf out;

    buf_init(&out, 1 << 12);
    if (!form_split(&f->form, str_of(whole), values))
        return NULL;
    for (size_t i = 0; i < f->form.n_fields; i++)
        buf_printf(&out, "%s%.*s", i ? "|" : "", values[i].at ? (int)values[i].len : 1,
                   values[i].at ? values[i].at : "-");
    char *text = arena_strndup(&f->arena, out.at, out.len);
    buf_release(&out);
    return text;
}

static void a_form_is_its_fields_a_line_each(void **state)
{
    static const struct {
        const char *whole, *values;
    } cases[] = {
        { "company: Žaneta & Co\ntotal: 9.00\nkind: paid\nnote: It is 41.90.",
          "Žaneta & Co|9.00|paid|It is 41.90." },
        { "company: (Sdn) Bhd.\ntotal:\nkind: paid late\nnote: So.\nAnd so.",
          "(Sdn) Bhd.|-|paid late|So.\nAnd so." },
        { "company: Bhd\ntotal: 9\nkind: paid\nnote: ", "Bhd|9|paid|" },
        { "company: Bhd co 41\ntotal: -9.00\nkind: paid\nnote: x", "Bhd co 41|-9.00|paid|x" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *values = split(*state, cases[i].whole);

        if (!values)
            fail_msg("refused: %s", cases[i].whole);
        assert_string_equal(values, cases[i].values);
    }
}

static void what_is_not_there_cannot_be_written(void **state)
{
    static const char *const wholes[] = {
        "company: Zaneta\ntotal:\nkind: paid\nnote: x",            /* another letter */
        "company: Žan\ntotal:\nkind: paid\nnote: x",               /* half a word */
        "company: neta & Co\ntotal:\nkind: paid\nnote: x",         /* the other half */
        "company: Co Bhd\ntotal:\nkind: paid\nnote: x",            /* no neighbours */
        "company:  Bhd\ntotal:\nkind: paid\nnote: x",              /* a blank at its beginning */
        "company: Bhd \ntotal:\nkind: paid\nnote: x",              /* at its end */
        "company: 41.90 Bhd\ntotal:\nkind: paid\nnote: x",         /* of two values */
        "company: 41.9\ntotal:\nkind: paid\nnote: x",              /* part of a number */
        "company: Žaneta & Co (Sdn)\ntotal:\nkind: paid\nnote: x", /* over 14 characters */
        "company:\ntotal:\nkind: paid\nnote: x",                   /* has to be */
        "company: Bhd\ntotal: 9.0\nkind: paid\nnote: x",           /* part of an item */
        "company: Bhd\ntotal: 9.00 \nkind: paid\nnote: x",
        "company: Bhd\ntotal: \nkind: paid\nnote: x",
        "company: Bhd\nkind: paid\nnote: x", /* a field is missing */
        "company: Bhd\ntotal: 9\nkind: late\nnote: x",
        "company: Bhd\ntotal: 9\nkind: paid\nnote: 42.90",
        "company: Bhd\ntotal: 9\nkind: paid",
        "",
    };

    for (size_t i = 0; i < ARRAY_LEN(wholes); i++)
        if (split(*state, wholes[i]))
            fail_msg("taken: %s", wholes[i]);
}

/* Random walks over the bytes: from every state that is reached some byte leads on, and what ends
 * has been cut anywhere and is still one. */
static void every_beginning_has_an_end(void **state)
{
    const struct fixture *f = *state;
    const struct form form = { 3, fields, &f->copies }; /* a text could go on for ever */
    uint32_t random = 1;

    for (size_t walk = 0; walk < 2000; walk++) {
        struct form_state s = form_begin(&form);
        char whole[256];
        size_t n = 0;

        while (!(form_end(&form, &s) && (random >> 16) % 4 == 0)) {
            struct form_state next[256];
            unsigned char bytes[256];
            size_t n_next = 0;

            for (unsigned c = 0; c < 256; c++) {
                next[n_next] = s;
                bytes[n_next] = (unsigned char)c;
                n_next += form_feed(&form, &next[n_next], (struct str){ (char[]){ (char)c }, 1 });
            }
            if (n_next == 0 && form_end(&form, &s))
                break;
            if (n_next == 0)
                fail_msg("nothing may follow: %.*s", (int)n, whole);
            random = random * 1664525u + 1013904223u;
            size_t pick = (random >> 16) % n_next;
            assert_true(n < sizeof(whole));
            whole[n++] = (char)bytes[pick];
            s = next[pick];
        }
        struct form_state in_pieces = form_begin(&form);
        size_t cut = n ? (random >> 8) % n : 0;
        assert_true(form_feed(&form, &in_pieces, (struct str){ whole, cut }));
        assert_true(form_feed(&form, &in_pieces, (struct str){ whole + cut, n - cut }));
        assert_true(form_end(&form, &in_pieces));
        random = random * 1664525u + 1013904223u;
    }
}

static void a_text_alone_has_no_name(void **state)
{
    const struct fixture *f = *state;
    const struct form form = { 1, &fields[3], &f->copies };
    struct str value;

    assert_true(form_split(&form, STR("It is 41.90."), &value));
    assert_int_equal(value.len, 12);
    assert_false(form_split(&form, STR("It is 41.91."), &value));
}

static void a_field_without_a_value_to_take_lacks_one(void **state)
{
    const struct fixture *f = *state;
    const struct form_field lacking[] = {
        { .name = STR("a"), .kind = FORM_LIST },
        { .name = STR("b"), .kind = FORM_SPAN, .min_length = 40, .max_length = 99 },
        { .name = STR("c"), .kind = FORM_SPAN, .max_length = 1 },
        { .name = STR("d"), .kind = FORM_SPAN, .max_length = 2 },
        { .name = STR("e"), .kind = FORM_TEXT },
    };
    const bool expected[] = { true, true, false, false, false };
    const struct form form = { ARRAY_LEN(lacking), lacking, &f->copies };

    for (size_t i = 0; i < ARRAY_LEN(lacking); i++)
        assert_int_equal(form_lacks(&form, i), expected[i]);
    assert_true(form_takes(&form, 2, STR("&")));
    assert_true(form_takes(&form, 3, STR("Co")));
    assert_false(form_takes(&form, 2, STR("C")));
    assert_false(form_takes(&form, 0, STR("")));

    const struct form_field left[] = { { .name = STR("a"), .kind = FORM_LIST, .optional = true } };
    const struct form empty = { 1, left, &f->copies };
    struct form_state s = form_begin(&empty);
    struct str value;

    assert_false(form_feed(&empty, &s, STR("a: "))); /* from there nothing would lead on */
    assert_true(form_split(&empty, STR("a:"), &value) && !value.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_is_its_fields_a_line_each),
        cmocka_unit_test(what_is_not_there_cannot_be_written),
        cmocka_unit_test(every_beginning_has_an_end),
        cmocka_unit_test(a_text_alone_has_no_name),
        cmocka_unit_test(a_field_without_a_value_to_take_lacks_one),
    };
    return cmocka_run_group_tests_name("engine/form", tests, set_up, tear_down);
}
