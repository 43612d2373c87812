#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "engine/write/copies.h"

struct fixture {
    struct arena arena;
    struct copies copies;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;
    const struct str sources[] = {
        STR("Invoice RR-20418 has 19 % on it. Paid  41.90 EUR\non 3 May, Ana Lima"),
        STR("128.40 EUR"),
        STR("2 December 2026"),
        STR("23 November 2026, 16:00"),
        STR("Jonas Wirth"),
        STR("Žaneta"),
    };
    const struct str own[] = { STR("I"), STR("VAT"), STR("Row") };

    arena_init(&f.arena, 16 << 20);
    *state = &f;
    return copies_new(sources, ARRAY_LEN(sources), own, ARRAY_LEN(own), &f.arena, &f.copies,
                      &f.err);
}

static int tear_down(void **state)
{
    arena_release(&((struct fixture *)*state)->arena);
    return 0;
}

static bool obeys(struct fixture *f, const char *text)
{
    return copies_check(&f->copies, str_of(text), NULL);
}

static void what_is_copied_or_needs_no_source_obeys(void **state)
{
    static const char *const texts[] = {
        "",
        "Dear Ana Lima, invoice RR-20418 shows 19 % tax. The total is 128.40 EUR.",
        "Here is VAT, and what I say at Row. Please wait until 2 December 2026!",
        "On 3 May (19 % of it): you paid \"41.90 EUR\", by 23 November 2026, 16:00.",
        "Hello Žaneta. \"Any word\" may begin a sentence? Yes: any.",
        "It costs 19 %, or rather: 19 % VAT.",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (!obeys(*state, texts[i]))
            fail_msg("refused: %s", texts[i]);
}

static void what_is_made_up_is_refused_where_it_begins(void **state)
{
    static const struct {
        const char *text;
        size_t at; /* bytes that could still have become a text */
    } cases[] = {
        { "It is RR-20419.", 13 },             /* another number */
        { "It is RR-2041.", 13 },              /* a part of one */
        { "It is RR-2041", 13 },               /* the same, seen at the end */
        { "It is 20418.", 8 },                 /* a part from inside */
        { "Pay 128.4 EUR", 9 },                /* not the whole amount */
        { "Pay 128,40 EUR", 7 },               /* written in another way */
        { "Pay 128.40 USD", 11 },              /* another currency */
        { "Pay 41.90 EUR by 3 December", 19 }, /* two dates mixed */
        { "by 2 December 2027", 17 },
        { "Dear Ana Wirth", 9 }, /* two people mixed */
        { "dear Anna", 7 },
        { "I see 20 % of it", 8 },
        { "I see 19% of it", 8 },
        { "With 100%", 6 },
        { "Rows of Row, Ross", 15 },
        { "a 1", 3 },
        { "caf\xC3 au lait", 4 },
        { "half a char \xC3", 13 },
        { "no char \xC0\x80", 8 },
        { "no char \xE0\x80\x80", 9 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = *state;
        size_t at;

        if (copies_check(&f->copies, str_of(cases[i].text), &at))
            fail_msg("accepted: %s", cases[i].text);
        if (at != cases[i].at)
            fail_msg("%s: refused at %zu, expected %zu", cases[i].text, at, cases[i].at);
    }
}

static void how_a_text_is_cut_does_not_matter(void **state)
{
    static const char text[] = "Dear Žaneta, 128.40 EUR by 23 November 2026, 16:00. I thank you.";
    struct fixture *f = *state;

    for (size_t a = 0; a < sizeof(text); a++)
        for (size_t b = a; b < sizeof(text); b++) {
            struct copies_state s = copies_begin();

            assert_true(copies_feed(&f->copies, &s, (struct str){ text, a }));
            assert_true(copies_feed(&f->copies, &s, (struct str){ text + a, b - a }));
            assert_true(
                copies_feed(&f->copies, &s, (struct str){ text + b, sizeof(text) - 1 - b }));
            assert_true(copies_end(&f->copies, &s));
        }
}

/* Random walks over bytes: each piece that is taken leaves some way to an end. */
static void there_are_no_dead_ends(void **state)
{
    static const char bytes[] = "abRr2048 .,:-/%3ED1JWnoisdtvcmbALI\xC5\xBD\n\"";
    struct fixture *f = *state;
    uint32_t seed = 1;

    for (size_t walk = 0; walk < 1000; walk++) {
        struct copies_state s = copies_begin();

        for (size_t step = 0; step < 300; step++) {
            struct copies_state try = s;

            seed = seed * 1664525 + 1013904223;
            struct str piece = { bytes + (seed >> 16) % (sizeof(bytes) - 1), 1 };
            if (copies_feed(&f->copies, &try, piece))
                s = try;
        }
        for (size_t step = 0; step < 40 && !copies_end(&f->copies, &s); step++) {
            bool moved = false;

            for (unsigned b = 1; b < 256 && !moved; b++) {
                struct copies_state try = s;
                char byte = (char)(b < 255 ? b + 1 : ' ');
                /* A blank first: it ends a word wherever one may end. */
                struct str piece = { b == 1 ? " " : &byte, 1 };

                moved = copies_feed(&f->copies, &try, piece);
                if (moved)
                    s = try;
            }
            if (!moved)
                fail_msg("walk %zu ends at '%.*s'", walk, (int)s.n_row, s.row);
        }
        assert_true(copies_end(&f->copies, &s));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_copied_or_needs_no_source_obeys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_made_up_is_refused_where_it_begins, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(how_a_text_is_cut_does_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_are_no_dead_ends, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("engine/copies", tests, NULL, NULL);
}
