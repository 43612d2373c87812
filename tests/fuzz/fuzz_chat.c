/* Whatever the body, it is read or refused within the arena; an input that is found fits. */
#include "serve/chat_request.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct schema_property properties[] = {
    { .name = { "text", 4 },
      .required = true,
      .schema = { .type = SCHEMA_STRING, .max_length = 100 } },
    { .name = { "total", 5 }, .schema = { .type = SCHEMA_NUMBER } },
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct schema schema = { .type = SCHEMA_OBJECT, .n_properties = 2, .properties = properties };
    struct spec spec = { .output = schema };
    const struct json *input = NULL;
    struct chat_request request;
    struct problems problems;
    const char *param;
    struct arena arena;
    struct err err;

    arena_init(&arena, 8 << 20);
    problem_init(&problems, &arena);
    if (chat_read((struct str){ (const char *)bytes, size }, &arena, &request, &param, &err) ==
        RC_OK) {
        IGNORE_RC(chat_check_schema(&request, &spec, &err));
        if (chat_find_input(&request, &schema, &arena, &input, &problems, &err) == RC_OK &&
            problems.n_errors == 0)
            ASSERT(input && json_find(input, "text"));
    }
    arena_release(&arena);
    return 0;
}
