/* Whatever the bytes, csv_open() and csv_next() return inside the arena limit, and every row has
 * the header's number of fields. */
#include "base/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    struct csv csv;
    struct csv_row row;
    struct err err;
    bool has_row = true;
    size_t n_bytes = 0;

    arena_init(&arena, 8 << 20);
    enum rc rc = csv_open((struct str){ (const char *)bytes, size }, &arena, &csv, &err);
    while (!rc && has_row) {
        rc = csv_next(&csv, &arena, &has_row, &row, &err);
        for (size_t i = 0; !rc && has_row && i < csv.n_columns; i++)
            n_bytes += row.fields[i].len;
    }
    ASSERT(n_bytes <= size);
    arena_release(&arena);
    return 0;
}
