/* share/schema/slm.schema.json is what spec_append_json_schema() writes. After a change of the
 * keys: test_spec_schema --bless, and look at the difference. */
#include "tests/support/data.h"

#include "base/fs.h"
#include "spec/spec.h"

static const char file[] = "share/schema/slm.schema.json";

static void the_schema_in_share_is_that_of_the_reader(void **state)
{
    CLEANUP(buf_releasep) struct buf generated = { 0 }, shared = { 0 };
    struct arena arena;
    struct str text;
    struct json *tree;
    struct err err = { 0 };
    char path[4096];
    (void)state;

    arena_init(&arena, 8 << 20);
    buf_init(&generated, 1 << 20);
    buf_init(&shared, 1 << 20);
    spec_append_json_schema(&generated);
    assert_int_equal(fs_read_file(test_source_path(file, path), 1 << 20, &arena, &text, &err),
                     RC_OK);
    assert_int_equal(json_parse(text, JSON_DUPLICATES_REFUSED, &arena, &tree, &err), RC_OK);
    json_append(&shared, tree);
    assert_string_equal(shared.at, generated.at);
    arena_release(&arena);
}

static int bless(void)
{
    CLEANUP(buf_releasep) struct buf generated = { 0 };
    struct err err = { 0 };
    char path[4096];

    buf_init(&generated, 1 << 20);
    spec_append_json_schema(&generated);
    buf_append_char(&generated, '\n');
    enum rc rc =
        fs_write_atomic(test_source_path(file, path), generated.at, generated.len, 0644, &err);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_in_share_is_that_of_the_reader),
    };

    if (argc > 1 && strcmp(argv[1], "--bless") == 0)
        return bless();
    return cmocka_run_group_tests_name("spec/schema of slm.yaml", tests, NULL, NULL);
}
