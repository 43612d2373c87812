/* Whatever the JSON, schema_validate() returns, and what it finds nothing wrong with becomes a FEEL
 * value. */
#include "spec/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char order[] =
    "{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{"
    "\"id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4},"
    "\"tier\":{\"enum\":[\"standard\",\"business\"],\"default\":\"standard\"},"
    "\"total\":{\"type\":\"number\",\"minimum\":-10,\"maximum\":1e6},"
    "\"due\":{\"type\":\"string\",\"format\":\"date\"},"
    "\"at\":{\"type\":\"string\",\"format\":\"date-time\"},"
    "\"why\":{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"enum\":[\"a\",\"b\",\"c\"]}},"
    "\"lines\":{\"type\":\"array\",\"maxItems\":3,\"items\":{\"type\":\"object\","
    "\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"integer\"},"
    "\"ok\":{\"type\":\"boolean\"}}}}}}";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct arena arena;
    struct problems problems;
    struct schema schema;
    struct feel_value value;
    struct json *text, *v;
    struct err err;

    arena_init(&arena, 8 << 20);
    buf_init(&out, 8 << 20);
    problem_init(&problems, &arena);
    ASSERT(json_parse(STR(order), JSON_DUPLICATES_REFUSED, &arena, &text, &err) == RC_OK);
    ASSERT(schema_read(text, "order", &arena, &problems, &schema, &err) == RC_OK);
    ASSERT(problems.n == 0);
    if (json_parse((struct str){ (const char *)bytes, size }, JSON_DUPLICATES_REFUSED, &arena, &v,
                   &err) == RC_OK &&
        schema_validate(&schema, v, "input", &problems, &err) == RC_OK && problems.n == 0) {
        enum rc rc = schema_to_value(&schema, v, &arena, &value, &err);
        ASSERT(rc == RC_OK || rc == RC_LIMIT);
        if (!rc)
            feel_append_json(&out, &value);
    }
    arena_release(&arena);
    return 0;
}
