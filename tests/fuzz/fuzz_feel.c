/* Whatever the text: parsing, checking and evaluating it end within their limits; a value is JSON;
 * and when the check found no problem, a value that is not null is of the type the check said. */
#include "base/json.h"
#include "expr/feel.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct feel_field line_fields[] = {
    { { "amount", 6 }, { .kind = FEEL_NUMBER } },
    { { "tax", 3 }, { .kind = FEEL_NUMBER, .optional = true } },
};
static const struct feel_type line_type = { .kind = FEEL_CONTEXT,
                                            .n_fields = 2,
                                            .fields = line_fields };
static const struct feel_field input_fields[] = {
    { { "a", 1 }, { .kind = FEEL_NUMBER } },
    { { "b", 1 }, { .kind = FEEL_STRING } },
    { { "due", 3 }, { .kind = FEEL_DATE, .optional = true } },
    { { "lines", 5 }, { .kind = FEEL_LIST, .item = &line_type } },
};
static const struct feel_type input_type = { .kind = FEEL_CONTEXT,
                                             .n_fields = 4,
                                             .fields = input_fields };
static const char input[] =
    "{\"a\":12.5,\"b\":\"text\",\"lines\":[{\"amount\":1},{\"amount\":2,\"tax\":0.2}]}";

static void evaluate(const struct feel *feel, const struct feel_value *context, struct arena *arena)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct feel_limits limits = {
        .steps = 20000, .depth = 250, .list_length = 1000, .string_bytes = 10000
    };
    struct feel_diagnostics diagnostics;
    struct feel_report report;
    struct feel_value v;
    struct json *json;
    struct err err;

    bool checked = feel_check(feel, &input_type, arena, &report, &err) == RC_OK;
    if (feel_eval(feel, context, &limits, 1767225600000, arena, &v, &diagnostics, &err))
        return;
    bool empty = v.kind == FEEL_LIST && v.list.n == 0; /* of [][position]: docs/feel.md */
    if (checked && report.n_problems == 0 && report.type.kind != FEEL_ANY && !empty)
        ASSERT(v.kind == FEEL_NULL || v.kind == report.type.kind);
    buf_init(&text, 4 << 20);
    feel_append_json(&text, &v);
    if (!text.failed && json_parse(buf_str(&text), JSON_DUPLICATES_REFUSED, arena, &json, &err))
        ASSERT(err.code == RC_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = { (const char *)bytes, size };
    struct feel_value context;
    struct arena arena;
    struct json *json;
    struct feel *feel;
    struct err err;

    arena_init(&arena, 32 << 20);
    ASSERT(json_parse(STR(input), JSON_DUPLICATES_REFUSED, &arena, &json, &err) == RC_OK);
    ASSERT(feel_from_json(json, &input_type, &arena, &context, &err) == RC_OK);
    if (feel_parse(text, &arena, &feel, &err) == RC_OK)
        evaluate(feel, &context, &arena);
    if (feel_parse_tests(text, &arena, &feel, &err) == RC_OK)
        evaluate(feel, &context, &arena);
    arena_release(&arena);
    return 0;
}
