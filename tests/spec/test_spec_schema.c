/* The schemas in share/schema are what the readers' tables say. After a change of the keys:
 * test_spec_schema --bless, and look at the difference. */
#include "tests/support/data.h"

#include "base/fs.h"
#include "spec/flow.h"
#include "spec/spec.h"

static const struct {
    const char *file;
    void (*append)(struct buf *out);
} schemas[] = {
    { "share/schema/slm.schema.json", spec_append_json_schema },
    { "share/schema/flow.schema.json", spec_flow_append_json_schema },
};

static void the_schemas_in_share_are_those_of_the_readers(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        CLEANUP(buf_releasep) struct buf generated = { 0 }, shared = { 0 };
        struct arena arena;
        struct str text;
        struct json *tree;
        struct err err = { 0 };
        char path[4096];

        arena_init(&arena, 8 << 20);
        buf_init(&generated, 1 << 20);
        buf_init(&shared, 1 << 20);
        schemas[i].append(&generated);
        assert_int_equal(
            fs_read_file(test_source_path(schemas[i].file, path), 1 << 20, &arena, &text, &err),
            RC_OK);
        assert_int_equal(json_parse(text, JSON_DUPLICATES_REFUSED, &arena, &tree, &err), RC_OK);
        json_append(&shared, tree);
        assert_string_equal(shared.at, generated.at);
        arena_release(&arena);
    }
}

static int bless(void)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; !rc && i < ARRAY_LEN(schemas); i++) {
        CLEANUP(buf_releasep) struct buf generated = { 0 };
        struct err err = { 0 };
        char path[4096];

        buf_init(&generated, 1 << 20);
        schemas[i].append(&generated);
        buf_append_char(&generated, '\n');
        rc = fs_write_atomic(test_source_path(schemas[i].file, path), generated.at, generated.len,
                             0644, &err);
    }
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schemas_in_share_are_those_of_the_readers),
    };

    if (argc > 1 && strcmp(argv[1], "--bless") == 0)
        return bless();
    return cmocka_run_group_tests_name("spec/schemas of files", tests, NULL, NULL);
}
