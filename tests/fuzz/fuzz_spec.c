/* Whatever the text, spec_parse() returns inside the arena limit; a spec without errors is rendered
 * as YAML that is a spec without errors and with the same digests. */
#include "base/yaml.h"
#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void render_and_read_again(const struct spec *spec, struct arena *arena)
{
    CLEANUP(buf_releasep) struct buf yaml = { 0 };
    struct spec_digests once, twice;
    struct problems problems;
    struct spec *again = NULL;
    struct json *tree;
    struct err err;

    buf_init(&yaml, SPEC_BYTES_MAX);
    if (spec_render(spec, arena, &tree, &err))
        return; /* bigger than the limits */
    yaml_append(&yaml, tree);
    problem_init(&problems, arena);
    if (yaml.failed || spec_digests(spec, &once, &err) ||
        spec_parse(buf_str(&yaml), "again", arena, &again, &problems, &err))
        return;
    ASSERT(again);
    if (spec_digests(again, &twice, &err) == RC_OK) {
        ASSERT(digest_equal(&once.all, &twice.all));
        ASSERT(digest_equal(&once.training, &twice.training));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    struct problems problems;
    struct spec *spec = NULL;
    struct err err;

    arena_init(&arena, 32 << 20);
    problem_init(&problems, &arena);
    if (spec_parse((struct str){ (const char *)bytes, size }, "fuzz", &arena, &spec, &problems,
                   &err) == RC_OK) {
        ASSERT((spec != NULL) == (problems.n_errors == 0));
        if (spec)
            render_and_read_again(spec, &arena);
    }
    arena_release(&arena);
    return 0;
}
