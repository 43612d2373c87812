/* Whatever the lines, dataset_parse() returns inside the arena limit; rows it takes are written as
 * lines that it takes again. */
#include "factory/data/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char spec_text[] =
    "slm: triage\n"
    "input: {type: object, required: [text], properties: {text: {type: string}, n: {type: "
    "number}}}\n"
    "output: {type: object, properties: {kind: {enum: [bill, ship]}, urgent: {type: boolean}, "
    "why: {type: array, uniqueItems: true, maxItems: 2, items: {enum: [a, b, c]}}}}\n"
    "data: [{path: rows.jsonl}]\n";

static void write_and_read_again(const struct spec *spec, const struct dataset *dataset,
                                 struct arena *arena)
{
    CLEANUP(buf_releasep) struct buf lines = { .limit = 1 << 20 };
    struct dataset *again = NULL;
    struct err err;

    if (dataset_append(&lines, spec, dataset, &err) ||
        dataset_parse(spec, buf_str(&lines), arena, &again, &err))
        return; /* over a limit */
    ASSERT(again->n_rows == dataset->n_rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    struct problems problems;
    struct spec *spec = NULL;
    struct dataset *dataset = NULL;
    struct err err;

    arena_init(&arena, 64 << 20);
    problem_init(&problems, &arena);
    if (spec_parse(str_of(spec_text), "slm.yaml", &arena, &spec, &problems, &err) == RC_OK &&
        dataset_parse(spec, (struct str){ (const char *)bytes, size }, &arena, &dataset, &err) ==
            RC_OK)
        write_and_read_again(spec, dataset, &arena);
    arena_release(&arena);
    return 0;
}
