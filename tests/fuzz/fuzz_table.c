/* Whatever the file, table_parse() returns inside the arena limit; the rows of a table that it
 * takes have the declared columns, and written as JSONL they are the same table again. */
#include "spec/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct spec_column columns[] = {
    { .name = { .text = { "id", 2 } }, .type = { .text = { "string", 6 } } },
    { .name = { .text = { "rate", 4 } }, .type = { .text = { "number", 6 } } },
    { .name = { .text = { "since", 5 } }, .type = { .text = { "date", 4 } } },
    { .name = { .text = { "at", 2 } }, .type = { .text = { "date-time", 9 } } },
    { .name = { .text = { "open", 4 } }, .type = { .text = { "boolean", 7 } } },
};

static enum rc parse(enum spec_format format, struct str key, struct str text, struct arena *arena,
                     struct table *ret_table)
{
    struct spec_table table = { .name = { .text = STR("t") },
                                .key = { .text = key },
                                .format = format,
                                .n_columns = ARRAY_LEN(columns),
                                .columns = columns };
    struct err err;

    return table_parse(&table, text, arena, ret_table, &err);
}

static void write_and_read_again(const struct table *table, struct str key, struct arena *arena)
{
    CLEANUP(buf_releasep) struct buf lines = { .limit = 4 << 20 }, again = { .limit = 4 << 20 };
    struct table second;
    enum rc rc = RC_OK;

    for (int round = 0; !rc && round < 2; round++) {
        struct buf *out = round == 0 ? &lines : &again;
        const struct table *from = round == 0 ? table : &second;

        for (size_t i = 0; i < from->rows.list.n; i++) {
            ASSERT(from->rows.list.items[i].context.n == ARRAY_LEN(columns));
            feel_append_json(out, &from->rows.list.items[i]);
            buf_append_char(out, '\n');
        }
        if (round == 0)
            rc = parse(SPEC_JSONL, key, buf_str(&lines), arena, &second);
    }
    ASSERT(rc == RC_LIMIT || rc == RC_OK);
    ASSERT(rc || str_equal(buf_str(&lines), buf_str(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct str keys[] = { { "id", 2 }, { "rate", 4 }, { "", 0 } };
    struct str text = { (const char *)bytes, size };
    struct arena arena;
    struct table table;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        for (enum spec_format format = SPEC_JSONL; format <= SPEC_CSV; format++) {
            arena_init(&arena, 32 << 20);
            if (parse(format, keys[i], text, &arena, &table) == RC_OK)
                write_and_read_again(&table, keys[i], &arena);
            arena_release(&arena);
        }
    }
    return 0;
}
