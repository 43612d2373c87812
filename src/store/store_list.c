#include "store/store.h"

enum { ITEMS_AT_FIRST = 16 };

/* Makes room for one more item; the array moves. */
static enum rc grow(struct arena *arena, size_t item_size, void **items, size_t n, size_t *capacity,
                    struct err *err)
{
    if (n < *capacity)
        return RC_OK;
    size_t wanted = *capacity ? 2 * *capacity : ITEMS_AT_FIRST;
    void *grown = arena_alloc(arena, wanted, item_size, _Alignof(max_align_t));
    if (!grown)
        return arena_fail(arena, err, "rows");
    if (n)
        memcpy(grown, *items, n * item_size);
    *items = grown;
    *capacity = wanted;
    return RC_OK;
}

enum rc store_select_all(struct store_tx *tx, const char *sql, struct store_args args,
                         store_row_fn *read_row, size_t item_size, size_t n_max,
                         struct arena *arena, void **ret_items, size_t *ret_n, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    void *items = NULL;
    size_t n = 0, capacity = 0;
    bool has_row;

    enum rc rc = store_select(tx, sql, args, &rows, err);
    if (rc)
        return rc;
    for (;;) {
        rc = grow(arena, item_size, &items, n, &capacity, err);
        if (rc)
            return rc;
        rc = store_next(rows, &has_row, err);
        if (rc)
            return rc;
        if (!has_row || n == n_max)
            break;
        rc = read_row(rows, arena, (char *)items + n * item_size, err);
        if (rc)
            return rc;
        n++;
    }
    *ret_items = items;
    *ret_n = n;
    return RC_OK;
}
