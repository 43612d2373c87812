#include "tests/support/test.h"

#include "cli/catalogue.h"

#include <string.h>

#define D     "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#define FILES "    files: [{name: vocab.txt, bytes: 5, sha256: " D "}]\n"
#define HEAD  "bases:\n  - name: tiny\n    summary: s\n    architecture: bert\n"
#define LIC   "    licence: {model: MIT}\n"
#define SRC \
    "    sources: [{https: 'https://h/x'}, {pypi: p, version: '1.0', folder: f, bytes: 7}]\n"

static void a_base_lists_files_licences_and_sources(void **state)
{
    struct catalogue catalogue;
    struct arena arena;
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 1 << 20);
    assert_int_equal(catalogue_parse(STR(HEAD LIC FILES SRC), "b.yaml", &arena, &catalogue, &err),
                     RC_OK);
    const struct catalogue_base *base = catalogue_find(&catalogue, "tiny");
    assert_non_null(base);
    assert_null(catalogue_find(&catalogue, "tin"));
    assert_string_equal(base->model_licence, "MIT");
    assert_string_equal(base->package_licence, "");
    assert_int_equal(base->n_files, 1);
    assert_string_equal(base->files[0].digest.hex, D);
    assert_int_equal(base->files[0].n_bytes, 5);
    assert_string_equal(base->files[0].member, "vocab.txt");
    assert_int_equal(base->n_sources, 2);
    assert_int_equal(base->sources[0].place, CATALOGUE_URL);
    assert_string_equal(base->sources[1].package, "p");
    assert_int_equal(base->sources[1].n_bytes, 7);
    arena_release(&arena);
}

static void a_file_may_have_another_name_in_its_package(void **state)
{
    struct catalogue catalogue;
    struct arena arena;
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 1 << 20);
    if (catalogue_parse(
            STR(HEAD LIC SRC
                "    files: [{name: model.gguf, member: M.Q4_1.gguf, bytes: 5, sha256: " D "}]\n"),
            "b.yaml", &arena, &catalogue, &err))
        fail_msg("%s", err.message);
    assert_string_equal(catalogue.bases[0].files[0].name, "model.gguf");
    assert_string_equal(catalogue.bases[0].files[0].member, "M.Q4_1.gguf");
    arena_release(&arena);
}

static void a_broken_catalogue_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "bases: [", "b.yaml: line" },
        { "base: []", "b.yaml: line 1: unknown key 'base'" },
        { "bases: []", "'bases' must be a list of 1 to" },
        { "bases: 7", "'bases' must be a list of 1 to" },
        { HEAD LIC FILES, "'sources' must be a list" },
        { HEAD FILES SRC, "'licence' is missing" },
        { HEAD LIC SRC "    files: [{name: ../x, bytes: 5, sha256: " D "}]\n",
          "a name is made of" },
        { HEAD LIC SRC "    files: [{name: .x, bytes: 5, sha256: " D "}]\n", "a name is made of" },
        { HEAD LIC SRC "    files: [{name: x, bytes: 5, sha256: 53AA}]\n", "'sha256' must be 64" },
        { HEAD LIC SRC "    files: [{name: x, bytes: -5, sha256: " D "}]\n", "'bytes' must be" },
        { HEAD LIC FILES "    sources: [{ftp: x}]\n", "unknown key 'ftp'" },
        { HEAD LIC FILES "    sources: [{pypi: p, folder: f}]\n", "'version' must be a text" },
        { HEAD LIC FILES SRC
          "  - name: tiny\n    summary: s\n    architecture: bert\n" LIC FILES SRC,
          "a base of that name is above" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct catalogue catalogue;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        assert_int_equal(catalogue_parse(str_of(cases[i].text), "b.yaml", &arena, &catalogue, &err),
                         RC_INVALID);
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: '%s'", i, err.message);
        arena_release(&arena);
    }
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct catalogue catalogue;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        rc = catalogue_parse(STR(HEAD LIC FILES SRC), "b.yaml", &arena, &catalogue, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_lists_files_licences_and_sources),
        cmocka_unit_test(a_file_may_have_another_name_in_its_package),
        cmocka_unit_test(a_broken_catalogue_is_refused_with_its_line),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
